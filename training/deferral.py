"""Owns the estimators: from what one pass of the network says of a text, how likely it is that a
better reader is needed, and for what.

Each is a logistic regression over numbers of a reading, fitted to what is known of texts that
trained nothing: those that were set aside, and the dev sets. `calibration.json` keeps them as an
intercept and a weight for each number; the gateway adds them up (`src/classifier/`). How `ambiguous` is
fitted, so that it holds on sets that nobody had, is in `doubt.py`.

| estimator | the probability that |
|---|---|
| `sarcasm` | the writer means the opposite |
| `multi_aspect` | the text likes one thing and dislikes another |
| `ambiguous` | the sentiment is read wrong |
| `ambiguous_aspects` | a term is missed, made up or given the wrong polarity |
| `ambiguous_emotions` | the emotion of the highest score is none that a person named |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from training import doubt, logistic, recipe
from training.data import FOLDS, Row, fold
from training.doubt import Doubts
from training.logistic import Logistic
from training.metrics import logit, spans, strongest, terms, true_spans
from training.reader import Reading, sigmoid, softmax
from training.routing import DEFAULTS, SHARES, Traffic, at_odds, is_sarcastic, kind_of, traffic, verdict

# What a text that needs a better reader needs it for; the other two are of one task each.
NEEDS = ["ambiguous", "sarcasm", "multi_aspect"]
# Fewer texts of either answer than this, and nothing is fitted.
FEWEST = 20
# How much of what a task's own sets hold may escalate for the task's own doubt.
ESCALATED = 0.20
# How far apart the three thresholds may lie, in logits about their common level.
APART = np.arange(-0.5, 0.51, 0.25)
WORTH = 0.004  # what a logit apart has to bring, as a share of the traffic
# Penalties to choose from.
PENALTIES = [3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2]
DIGITS = 5
# A label with less than this is not likely, and escalates.
LIKELY = 0.5
# From which probability on the sarcasm head says so by itself, as responses tell it.
DETECTED = 0.5

# Of Ekman's groups what leans one way; the rest may be either (`src/sentiment/emotion.rs`).
JOY = {"admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy",
       "love", "optimism", "pride", "relief"}  # fmt: skip
EITHER = {"surprise", "realization", "confusion", "curiosity", "neutral"}


def features(reading: Reading, calibration: dict) -> dict[str, float]:
    """The numbers of one text by the names that `calibration.json` has. A logit's probability is
    kept off 0 and 1 by 1e-4."""
    temperatures = calibration["temperatures"]
    negative, neutral, positive = softmax(reading.sentiment / temperatures["sentiment"])
    scores = verdict(reading, calibration)
    second, top = np.sort(scores)[-2:]
    likes, dislikes, shrugs = strongest(reading)
    emotions = sigmoid(reading.emotions)
    liked_yet_negative, disliked_yet_positive = min(likes, negative), min(dislikes, positive)
    numbers = {
        "margin": logit(top - second),
        "entropy": -(scores * np.log(np.maximum(scores, 1e-12))).sum(),
        "top": logit(top),
        "sarcasm": logit(sigmoid(reading.sarcasm / temperatures["sarcasm"])),
        "tags_odds": logit(min(likes, dislikes)),
        "tags_positive": logit(likes),
        "tags_negative": logit(dislikes),
        "tags_neutral": logit(shrugs),
        "tags_margin": min((margin for *_, margin in terms(reading)), default=1.0),
        "sides": logit(min(negative, positive)),
        "p_negative": negative,
        "p_neutral": neutral,
        "p_positive": positive,
        "tokens": np.log(len(reading.aspects)),
        "liked_yet_negative": liked_yet_negative,
        "disliked_yet_positive": disliked_yet_positive,
        "conflict": max(liked_yet_negative, disliked_yet_positive),
        **{f"emotion_{name}": logit(chance) for name, chance in zip(recipe.EMOTIONS, emotions, strict=True)},
        "emotions_doubt": _emotions_doubt(emotions, calibration["emotion_thresholds"]),
        "emotions_contradict": _contradict(emotions, scores, calibration["emotion_thresholds"]),
    }
    if reading.odds is not None:
        numbers["odds"] = logit(sigmoid(reading.odds))
    return {name: float(value) for name, value in numbers.items()}


def _emotions_doubt(chances: np.ndarray, thresholds: dict[str, float]) -> float:
    """1 where no emotion passes its threshold, less the further the surest one is above its own."""
    least = np.array([thresholds[name] for name in recipe.EMOTIONS])
    above = (chances - least) / np.maximum(1 - least, 1e-7)
    return 1 - float(np.clip(above.max(), 0, 1))


def _contradict(chances: np.ndarray, scores: np.ndarray, thresholds: dict[str, float]) -> float:
    """1 where what is detected leans the other way than the label, and nothing its way."""
    detected = {
        name for name, chance in zip(recipe.EMOTIONS, chances, strict=True) if chance >= thresholds[name]
    }
    label = recipe.LABELS[int(scores.argmax())]
    glad, sorry = bool(detected & JOY), bool(detected - JOY - EITHER)
    return float({"positive": sorry and not glad, "negative": glad and not sorry}.get(label, False))


@dataclass(frozen=True)
class Question:
    """What an estimator is fitted on: parallel arrays, a place for each text."""

    inputs: np.ndarray  # [texts, features]
    truth: np.ndarray
    known: np.ndarray  # where `truth` says something
    weight: np.ndarray
    fold: np.ndarray
    penalty: float = 0.0

    def fit(self, but: int | None = None) -> Logistic:
        """The estimator, without a part that one of the folds has in it."""
        of = self.known & (self.fold != but)
        return logistic.fit(self.inputs[of], self.truth[of], self.weight[of], self.penalty)

    def chances(self) -> np.ndarray:
        """Each text's probability by a fit that never saw its fold."""
        chances = np.zeros(len(self.truth))
        for at in range(FOLDS):
            chances[self.fold == at] = self.fit(at)(self.inputs[self.fold == at])
        return chances

    def penalised(self) -> Question:
        """With the penalty under which the probabilities of the texts that no fit saw fit best."""

        def loss(penalty: float) -> float:
            chances = replace(self, penalty=penalty).chances()[self.known]
            told = np.where(self.truth[self.known], chances, 1 - chances)
            return float(self.weight[self.known] @ -np.log(told + 1e-12))

        return replace(self, penalty=min(PENALTIES, key=loss))

    def is_enough(self) -> bool:
        truth = self.truth[self.known]
        return min(truth.sum(), (~truth).sum()) >= FEWEST


@dataclass(frozen=True)
class Fitted:
    """The estimators of a model, and what they were fitted on."""

    names: list[str]  # of the features
    doubts: Doubts
    questions: dict[str, Question]
    mix: Traffic
    families: np.ndarray  # of the traffic's texts

    def chances(self) -> dict[str, np.ndarray]:
        """Each text of the traffic under each of NEEDS, by fits that never saw it."""
        chances = {name: self.questions[name].chances() for name in NEEDS[1:]}
        inputs = self.questions["sarcasm"].inputs
        chances["sarcasm"] = told(chances["sarcasm"], sigmoid(inputs[:, self.names.index("sarcasm")]))
        wrong = np.zeros(len(inputs))
        for family in np.unique(self.families):
            of = self.families == family
            wrong[of] = self.doubts.of(family, inputs[of])
        wrong = unsure(wrong, sigmoid(inputs[:, self.names.index("top")]))
        return {"ambiguous": wrong, **chances}

    def estimators(self) -> dict[str, dict]:
        """As `calibration.json` keeps them."""
        fits = {"ambiguous": self.doubts.fit()} | {name: of.fit() for name, of in self.questions.items()}
        return {name: self._kept(fitted) for name, fitted in fits.items()}

    def thresholds(self) -> dict[str, float]:
        """From which probability on each of them escalates, chosen on texts that it never saw."""
        chosen = common_thresholds(self.chances(), self.mix)
        # What the verdict itself calls sarcastic, or unlikely, is never left at that.
        chosen["sarcasm"] = min(chosen["sarcasm"], DETECTED)
        chosen["ambiguous"] = min(chosen["ambiguous"], LIKELY)
        for name in OF_A_TASK:
            of = self.questions[name]
            chosen[name] = _rounded(np.quantile(of.chances(), 1 - ESCALATED))
        return {**DEFAULTS, **chosen}

    def _kept(self, fitted: Logistic) -> dict:
        numbers = zip(self.names, fitted.weights, strict=True)
        weights = {name: round(float(weight), DIGITS) for name, weight in numbers}
        return {"intercept": round(fitted.intercept, DIGITS), "weights": weights}


def fit(
    read: list[tuple[Row, Reading]],
    mixed_traffic: list[tuple[Row, Reading]],
    tuning: list[tuple[Row, Reading]],
    calibration: dict,
) -> Fitted | None:
    """All estimators. `mixed_traffic` holds the texts of the routing's sets, written alike, `read`
    those of the tasks' own sets, as they are, `tuning` labelled texts beside these. None where there
    are too few of any kind."""
    fitted = fit_needs(mixed_traffic, doubts([*read, *tuning], calibration), calibration)
    if not fitted:
        return None
    questions = {}
    for name, (task, known) in OF_A_TASK.items():
        of_task = [one for one in read if one[0].task == task and _is_measurable(one[0])]
        questions[name] = _question(of_task, known, np.ones(len(of_task)), calibration)
    return _penalised(fitted, questions)


def fit_needs(
    mixed_traffic: list[tuple[Row, Reading]], doubts: Doubts, calibration: dict
) -> Fitted | None:
    """The estimators of NEEDS alone."""
    if {kind_of(row) for row, _ in mixed_traffic} != set(SHARES) or not doubts.is_enough():
        return None
    mix = traffic(mixed_traffic)
    questions = {
        name: _question(mixed_traffic, known, mix.weight, calibration)
        for name, known in zip(NEEDS[1:], (_is_sarcastic, _is_at_odds), strict=True)
    }
    families = np.array([doubt.family(row.set) for row, _ in mixed_traffic])
    return _penalised(Fitted(doubts.names, doubts.chosen(), {}, mix, families), questions)


def doubts(read: list[tuple[Row, Reading]], calibration: dict) -> Doubts:
    """The texts whose true label is known, and whether they are read right."""
    known = [(row, reading, doubt.truth(row)) for row, reading in read]
    known = [one for one in known if one[2]]
    numbers = [features(reading, calibration) for _, reading, _ in known]
    return Doubts(
        list(numbers[0]) if numbers else [],
        np.array([list(one.values()) for one in numbers]),
        np.array([_label(reading, calibration) != label for _, reading, label in known], dtype=bool),
        np.array([row.set for row, _, _ in known]),
        np.array([doubt.family(row.set) for row, _, _ in known]),
    )


def _label(reading: Reading, calibration: dict) -> str:
    return recipe.LABELS[int(verdict(reading, calibration).argmax())]


def _penalised(fitted: Fitted, questions: dict[str, Question]) -> Fitted | None:
    """With these questions too."""
    if not all(one.is_enough() for one in questions.values()):
        return None
    chosen = {name: one.penalised() for name, one in questions.items()}
    return replace(fitted, questions=fitted.questions | chosen)


def chances(reading: Reading, calibration: dict) -> dict[str, float]:
    """What a model's estimators say of one text; nothing where it has none."""
    numbers = features(reading, calibration)
    chances = {
        name: float(
            sigmoid(one["intercept"] + sum(numbers[of] * x for of, x in one["weights"].items()))
        )
        for name, one in calibration.get("estimators", {}).items()
    }
    if "sarcasm" in chances:
        chances["sarcasm"] = float(told(chances["sarcasm"], sigmoid(numbers["sarcasm"])))
    if "ambiguous" in chances:
        chances["ambiguous"] = float(unsure(chances["ambiguous"], sigmoid(numbers["top"])))
    return chances


def unsure(chance: np.ndarray | float, confidence: np.ndarray | float) -> np.ndarray:
    """P(the label is wrong), but no less than what the verdict itself leaves to the other labels where it
    leaves them more than a half."""
    confidence = np.asarray(confidence)
    return np.where(confidence < LIKELY, np.maximum(chance, 1 - confidence), chance)


def told(chance: np.ndarray | float, head: np.ndarray | float) -> np.ndarray:
    """The estimator's word on sarcasm, but no less than the head's where that calls a text sarcastic.
    The estimator has the sources' other marks to go by, such as terms that are judged, and takes
    scorn of a product for none; where the head is above a half it is right as often as it says."""
    return np.where(np.asarray(head) > DETECTED, np.maximum(chance, head), chance)


def deferral_score(chances: dict[str, np.ndarray]) -> np.ndarray:
    """How likely a text needs a better reader for any of the three reasons."""
    return 1 - np.prod([1 - chances[name] for name in NEEDS], axis=0)


def common_thresholds(chances: dict[str, np.ndarray], mix: Traffic) -> dict[str, float]:
    """The three thresholds, about a common level, that catch most of what needs help while a fifth
    of the traffic escalates at most."""
    best, most = {}, -1.0
    for shifts in product(APART, repeat=len(NEEDS) - 1):
        shift = dict(zip(NEEDS, (0.0, *shifts), strict=True))
        above = np.max([logit(chances[name]) - shift[name] for name in NEEDS], axis=0)
        order = np.argsort(-above, kind="stable")
        fired = order[np.cumsum(mix.weight[order]) <= ESCALATED]
        # Of about equals the least apart: a peak is mostly luck.
        caught = mix.weight[fired] @ mix.needs[fired] - WORTH * np.abs(shifts).sum()
        if len(fired) and caught > most:
            level, most = above[fired[-1]], caught
            best = {name: _rounded(sigmoid(level + shift[name])) for name in NEEDS}
    return best


def _question(
    read: list[tuple[Row, Reading]], known: Known, weight: np.ndarray, calibration: dict
) -> Question:
    answers = [known(row, reading) for row, reading in read]
    return Question(
        np.array([list(features(reading, calibration).values()) for _, reading in read]),
        np.array([bool(answer) for answer in answers], dtype=bool),
        np.array([answer is not None for answer in answers], dtype=bool),
        weight,
        np.array([fold(row.text) for row, _ in read], dtype=int),
    )


def _rounded(chance: float) -> float:
    return round(float(chance), 3)


# Whether a text is so; None where its set does not tell.


def _is_sarcastic(row: Row, _: Reading) -> bool:
    return is_sarcastic(row)


def _is_at_odds(row: Row, _: Reading) -> bool:
    return row.task == "aspects" and at_odds(row)


def _tags_are_wrong(row: Row, reading: Reading) -> bool:
    return spans(reading) != true_spans(row.fields["aspects"])


def _emotion_is_wrong(row: Row, reading: Reading) -> bool:
    return recipe.EMOTIONS[int(reading.emotions.argmax())] not in row.fields["labels"]


def _is_measurable(row: Row) -> bool:
    """Sets that label categories of whole sentences have no terms to find."""
    return row.task != "aspects" or all("term" in aspect for aspect in row.fields["aspects"])


Known = Callable[[Row, Reading], bool | None]
# The doubts of one task each, and the task.
OF_A_TASK: dict[str, tuple[str, Known]] = {
    "ambiguous_aspects": ("aspects", _tags_are_wrong),
    "ambiguous_emotions": ("emotions", _emotion_is_wrong),
}
