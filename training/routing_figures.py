"""Owns the measure of the routing: whether what is escalated is what needs it.

    python -m training.routing_figures --data DIR --model models/NAME

Mixed traffic from the dev sets (`routing.py` says of what). A text needs help where it is
sarcastic, at odds, or read wrong. Printed beside each other, with 95 % intervals over resamples
of the texts:

- AUROC of the score against "needs help", over all and within each source;
- AURC, the area under risk (the share that needs help) against coverage, of what is kept;
- of what an oracle would catch, the share caught where 10, 20 and 30 % are escalated, and at
  20 % the share escalated of each kind of text;
- ECE of the score as a probability, in 15 bins. The sets of sarcasm and of aspects do not tell
  whether the sentiment of their texts is read wrong, which the measure counts as right; beside it
  stands the ECE of the score without that part on these texts, of what their sets do tell.

The estimators, their thresholds and the isotonic map of the margin are fitted here again, five
times, on the texts set aside and the dev sets: no text is scored by a fit that saw it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training import deferral
from training.calibrate import tuning
from training.data import FOLDS, alike, fold, split
from training.doubt import Doubts, report
from training.metrics import ECE_BINS, auroc, logit
from training.reader import Reader
from training.routing import SHARES, Traffic, signals, traffic, traffic_of

ESCALATED = (0.1, 0.2, 0.3)
RESAMPLES = 300
SEED = 20261126

Measure = Callable[[np.ndarray, Traffic], float]


def weighted_auroc(score: np.ndarray, of: Traffic) -> float:
    """The chance that a text in need scores above one that is not, ties counting half."""
    order = np.argsort(score, kind="stable")
    _, at = np.unique(score[order], return_inverse=True)
    needy = np.bincount(at, (of.weight * of.needs)[order])
    others = np.bincount(at, (of.weight * ~of.needs)[order])
    below = np.cumsum(others) - others / 2
    return float((needy * below).sum() / (needy.sum() * others.sum()))


def risk_area(score: np.ndarray, of: Traffic) -> float:
    """The mean, over all shares that are kept, of the share of these that needs help."""
    order = np.argsort(score, kind="stable")
    kept = np.cumsum(of.weight[order])
    risk = np.cumsum((of.weight * of.needs)[order]) / kept
    return float((risk * of.weight[order]).sum())


def weighted_ece(score: np.ndarray, of: Traffic) -> float:
    """How far the score is from the share that needs help, over bins of equal width."""
    bins = np.minimum((score * ECE_BINS).astype(int), ECE_BINS - 1)
    return float(np.abs(np.bincount(bins, of.weight * (score - of.needs), ECE_BINS)).sum())


def escalated(score: np.ndarray, of: Traffic, share: float) -> np.ndarray:
    """The texts that score highest and make up that share of the traffic."""
    order = np.argsort(-score, kind="stable")
    chosen = np.zeros(len(score), dtype=bool)
    chosen[order[np.cumsum(of.weight[order]) <= share]] = True
    return chosen


def catch(chosen: np.ndarray, of: Traffic) -> float:
    """What is caught of all that an oracle would catch by escalating as much."""
    caught = of.weight[chosen & of.needs].sum()
    return float(caught / min(of.weight[chosen].sum(), of.weight[of.needs].sum()))


def caught_at(share: float) -> Measure:
    return lambda score, of: catch(escalated(score, of, share), of)


def by_kind(chosen: np.ndarray, of: Traffic) -> dict[str, float]:
    """The share escalated of each kind of text."""
    plain = np.isin(of.kind, ["plain", "their plain"])
    groups = {
        "at odds": of.kind == "odds",
        "sarcastic": of.kind == "sarcastic",
        "plain, read wrong": plain & of.needs,
        "plain and right": plain & ~of.needs,
    }
    return {
        name: float(of.weight[chosen & group].sum() / max(of.weight[group].sum(), 1e-12))
        for name, group in groups.items()
    }


def interval(score: np.ndarray, of: Traffic, measure: Measure) -> tuple[float, float]:
    """Between which values 95 % of the resamples lie; each kind keeps its share of the mix."""
    dice = np.random.default_rng(SEED)
    groups = [np.flatnonzero(of.kind == name) for name in SHARES]
    values = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([dice.choice(group, len(group)) for group in groups])
        values.append(measure(score[chosen], of.part(chosen)))
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def isotonic(score: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> Callable:
    """The rising step function of the score that is closest to the truth (pool adjacent
    violators), between its steps a line."""
    order = np.argsort(score, kind="stable")
    blocks: list[list[float]] = []  # mean, weight, first score, last score
    for at in order:
        blocks.append([float(truth[at]), weight[at], score[at], score[at]])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean, heavy, _, last = blocks.pop()
            before = blocks[-1]
            total = before[1] + heavy
            before[0] = (before[0] * before[1] + mean * heavy) / total
            before[1], before[3] = total, last
    edges = [place for block in blocks for place in (block[2], block[3])]
    means = [block[0] for block in blocks for _ in range(2)]
    return lambda scores: np.interp(scores, edges, means)


class Measured:
    """The ways to route, on the dev texts of the traffic; each way's score, all without a
    fit that saw the text."""

    def __init__(self, data: Path, model: Path) -> None:
        calibration = json.loads((model / "calibration.json").read_text())
        reader = Reader(model / "model.onnx", model / "tokenizer.json")
        parts = split(data)
        rows = traffic_of(parts.aside, parts.dev)
        read = list(zip(rows, reader.read_all([alike(row.text) for row in rows]), strict=True))
        values = [signals(reading, calibration) for _, reading in read]
        everything, folds = traffic(read), np.array([fold(row.text) for row in rows])
        measured = np.arange(len(rows)) >= len(traffic_of(parts.aside, []))
        self.mix = traffic([one for one, is_dev in zip(read, measured, strict=True) if is_dev])
        margin = np.array([one["ambiguous"] for one in values])
        self.ways = {
            "margin only": margin,
            "margin, isotonic": cross_fitted_isotonic(margin, everything, folds),
        }
        self.fired: dict[str, np.ndarray] = {}
        self.told: np.ndarray | None = None
        known = [*parts.aside, *parts.dev, *tuning(data)]
        doubts = deferral.doubts(
            list(zip(known, reader.read_all([row.text for row in known]), strict=True)), calibration
        )
        fitted = deferral.fit_needs(read, doubts, calibration)
        self.doubts: Doubts | None = None
        if fitted:
            self.doubts = fitted.doubts
            chances = fitted.chances()
            self.ways = {"estimators": deferral.deferral_score(chances)} | self.ways
            told = chances | {"ambiguous": chances["ambiguous"] * (everything.kind == "plain")}
            self.told = deferral.deferral_score(told)[measured]
            self.fired["estimators"] = fired_by_fold(chances, everything, folds)
        self.ways = {name: score[measured] for name, score in self.ways.items()}
        self.fired = {name: fired[measured] for name, fired in self.fired.items()}
        self.ways["random"] = np.random.default_rng(SEED).random(measured.sum())
        self.ways["oracle"] = self.mix.needs.astype(float)


def cross_fitted_isotonic(score: np.ndarray, of: Traffic, folds: np.ndarray) -> np.ndarray:
    mapped = np.zeros(len(score))
    for at in range(FOLDS):
        others = folds != at
        line = isotonic(score[others], of.needs[others], of.weight[others])
        mapped[~others] = line(score[~others])
    return mapped


def fired_by_fold(
    chances: dict[str, np.ndarray], of: Traffic, folds: np.ndarray
) -> np.ndarray:
    """Which texts escalate at thresholds that were chosen on the other folds."""
    fired = np.zeros(len(folds), dtype=bool)
    for at in range(FOLDS):
        others = folds != at
        levels = deferral.common_thresholds(
            {name: values[others] for name, values in chances.items()}, of.part(others)
        )
        above = [chances[name] >= level for name, level in levels.items()]
        fired |= np.any(above, axis=0) & ~others
    return fired


def table(of: Measured) -> str:
    """All figures as Markdown."""
    mix = of.mix
    kinds = " | ".join(by_kind(mix.needs, mix))
    lines = [
        f"{len(mix.weight)} texts; {mix.weight[mix.needs].sum():.3f} of the traffic needs help",
        "",
        f"| | AUROC | AURC | caught at 10 % | 20 % | 30 % | {kinds} | ECE |",
        "|---" * 11 + "|",
    ]
    for name, score in of.ways.items():
        measures = [weighted_auroc, risk_area, *map(caught_at, ESCALATED)]
        cells = [with_interval(score, mix, measure) for measure in measures]
        cells += [f"{value:.2f}" for value in by_kind(escalated(score, mix, 0.2), mix).values()]
        is_chance = name in ("estimators", "margin, isotonic")
        cells.append(with_interval(score, mix, weighted_ece) if is_chance else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| within | " + " | ".join(of.ways) + " |", "|---" * (len(of.ways) + 1) + "|"]
    for source in dict.fromkeys(mix.source):
        chosen = mix.source == source
        cells = [f"{auroc(score[chosen], mix.needs[chosen]):.2f}" for score in of.ways.values()]
        lines.append(f"| {source} | " + " | ".join(cells) + " |")
    if of.told is not None:
        cell = with_interval(of.told, mix, weighted_ece)
        lines += ["", f"ECE of the estimators where a text's set tells: {cell}"]
    if of.doubts is not None:
        lines += ["", *doubt_table(of.doubts)]
    for name, fired in of.fired.items():
        kinds = ", ".join(f"{kind} {value:.2f}" for kind, value in by_kind(fired, mix).items())
        share = mix.weight[fired].sum()
        lines += ["", f"at the thresholds of the {name}: escalated {share:.3f}, caught {catch(fired, mix):.2f}; {kinds}"]
    return "\n".join(lines)


def doubt_table(doubts: Doubts) -> list[str]:
    """How well P(the label is wrong) tells wrong from right, on families of sets that its fit never saw."""
    told = report(doubts)
    lines = [
        f"P(the label is wrong), each set by a fit that saw none of its family; it weighs {', '.join(told['numbers'])}; "
        f"ECE over all {told['ece']:.3f}",
        "",
        "| set | AUROC | of the margin | ECE |",
        "|---|---|---|---|",
    ]
    for name, of in told["auroc"].items():
        lines.append(f"| `{name}` | {of['estimator']:.3f} | {of['margin']:.3f} | {told['ece_by_set'][name]:.3f} |")
    return lines


def with_interval(score: np.ndarray, of: Traffic, measure: Measure) -> str:
    low, high = interval(score, of, measure)
    return f"{measure(score, of):.3f} ({low:.2f}–{high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a finished model folder")
    given = parser.parse_args()
    print(table(Measured(given.data, given.model)))


if __name__ == "__main__":
    main()
