"""Owns the formulas: accuracy, F1, AUROC, calibration error, aspect spans. Plain numpy."""

from __future__ import annotations

import numpy as np

from training import recipe
from training.reader import Reading, softmax

ECE_BINS = 15
# What the rule for `mixed` multiplies its evidence by, in the order of `mixed_evidence`.
MIXED_SLOPES = ["slope", "sentiment_slope", "odds_slope"]

Span = tuple[int, int, str]  # from, to, polarity


def f1(hits: int, predicted: int, actual: int) -> float:
    """0 where nothing was predicted or nothing is there, as is usual."""
    return 2 * hits / (predicted + actual) if hits else 0.0


def macro_f1(truth: np.ndarray, predicted: np.ndarray, labels: int) -> float:
    """Mean F1 over the labels that occur in the truth."""
    scores = [
        f1(
            int(((truth == label) & (predicted == label)).sum()),
            int((predicted == label).sum()),
            int((truth == label).sum()),
        )
        for label in range(labels)
        if (truth == label).any()
    ]
    return float(np.mean(scores))


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over 15 bins of equal width of the top score."""
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        abs(confidence[bins == at].mean() - right[bins == at].mean()) * (bins == at).sum()
        for at in range(ECE_BINS)
        if (bins == at).any()
    ]
    return float(sum(gaps) / len(confidence))


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a positive scores above a negative, ties counting half."""
    _, at, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[at]
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return float("nan")
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def restricted(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores of the labels that occur, renormalised; the others get 0."""
    kept = np.zeros_like(scores)
    occurring = np.unique(labels)
    kept[:, occurring] = scores[:, occurring]
    return kept / kept.sum(axis=1, keepdims=True)


def spans(reading: Reading) -> set[Span]:
    """The aspect terms of a text: character offsets and polarity."""
    return {(start, end, polarity) for start, end, polarity, _ in terms(reading)}


def terms(reading: Reading) -> list[tuple[int, int, str, float]]:
    """The same, each with how far its polarity stands above the next, and its words above being no
    part of a term.

    Read word by word, a word's probabilities being the mean over its pieces: a word is
    part of a term where O is below one half; it opens a new one where the last word was
    none or B outweighs I. A term's polarity has the largest sum over its words.
    """
    words = _words(reading)
    found: list[tuple[int, int, str, float]] = []
    term: list[tuple[int, int, np.ndarray]] = []
    for word in [*words, None]:
        inside = word is not None and word[2][0] < 0.5
        opens = inside and word[2][1::2].sum() > word[2][2::2].sum()
        if term and (not inside or opens):
            total = sum(chances for _, _, chances in term)
            sums = total[1::2] + total[2::2]
            second, first = np.sort(sums)[-2:]
            least = min(1 - chances[0] for _, _, chances in term)
            margin = min((first - second) / sums.sum(), 2 * least - 1)
            polarity = recipe.SENTIMENTS[int(np.argmax(sums))]
            found.append((term[0][0], term[-1][1], polarity, float(margin)))
            term = []
        if inside:
            term.append(word)
    return found


def true_spans(aspects: list[dict]) -> set[Span]:
    """The labelled terms in the same form; null terms are left out, a conflict is `mixed`."""
    return {
        (aspect["from"], aspect["to"], aspect["polarity"].replace("conflict", "mixed"))
        for aspect in aspects
        if aspect.get("term") is not None
    }


def odds(*readings: Reading) -> float:
    """How much the aspect tags are at odds: the smaller of the strongest positive and the
    strongest negative evidence of any token, each the mean over the pieces of a long text."""
    return float(np.mean([strongest(reading)[:2] for reading in readings], axis=0).min())


def strongest(reading: Reading) -> list[float]:
    """The strongest evidence of any token for a positive, a negative and a neutral term."""
    chances = softmax(reading.aspects)[1:-1]  # not [CLS], [SEP]
    if not len(chances):
        return [0.0, 0.0, 0.0]
    return [
        float(
            (
                chances[:, recipe.TAGS.index(f"B-{polarity}")]
                + chances[:, recipe.TAGS.index(f"I-{polarity}")]
            ).max()
        )
        for polarity in ("positive", "negative", "neutral")
    ]


def logit(chance: np.ndarray | float) -> np.ndarray:
    """The logarithm of the odds of a probability, which is kept off 0 and 1."""
    clipped = np.clip(chance, 1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped))


def mixed_evidence(scores: np.ndarray, odds: float, head: float | None = None) -> np.ndarray:
    """What speaks for `mixed`: how much the tags are at odds, how much the sentiment head is, and
    what the head says that was made for it, each as a logit."""
    said = [odds, min(scores[0], scores[2])]
    return logit(np.array(said if head is None else [*said, head]))


def with_mixed(
    scores: np.ndarray, odds: float, rule: dict[str, float] | None, head: float | None = None
) -> np.ndarray:
    """The three labels' scores and that of `mixed` by a logistic rule of its evidence. The
    others share the rest. `head` is the probability of the head for it, where a model has one."""
    if not rule:
        return np.append(scores, 0.0)
    evidence = mixed_evidence(scores, odds, head)
    slopes = [rule.get(name, 0.0) for name in MIXED_SLOPES[: len(evidence)]]
    mixed = 1 / (1 + np.exp(-(rule["intercept"] + np.array(slopes) @ evidence)))
    return np.append(scores * (1 - mixed), mixed)


def _words(reading: Reading) -> list[tuple[int, int, np.ndarray]]:
    """Start, end and tag probabilities of each word."""
    chances = softmax(reading.aspects)
    pieces: dict[int, list[int]] = {}
    for index, word in enumerate(reading.encoding.word_ids):
        if word is not None:
            pieces.setdefault(word, []).append(index)
    offsets = reading.encoding.offsets
    return [
        (offsets[at[0]][0], offsets[at[-1]][1], chances[at].mean(axis=0)) for at in pieces.values()
    ]
