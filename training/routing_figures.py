"""Owns the measure of the routing: whether what is escalated is what needs it.

    python -m training.routing_figures --data DIR --model models/NAME

Mixed traffic from the dev sets: 80 % plain, 10 % sarcastic, 10 % at odds. So that a text's source
gives nothing away, half of the plain come from the sets that the sarcastic and the odd ones come
from, and all are written alike. A text needs help where it is sarcastic, at odds, or read wrong.
Printed beside each other, with 95 % intervals over resamples of the texts:

- AUROC of the score against "needs help", over all and within each source;
- AURC, the area under risk (the share that needs help) against coverage, of what is kept;
- of what an oracle would catch, the share caught where 10, 20 and 30 % are escalated, and at
  20 % the share escalated of each kind of text.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training import recipe
from training.data import Row, read
from training.metrics import auroc, logit
from training.reader import Reader, Reading
from training.routing import ODDS_SETS, SARCASM_SETS, SHARES, at_odds, read_wrong, signals

PLAIN_SETS = ["sentiment/sst2", "sentiment/product_sentences", "sentiment/dynasent"]
SOURCES = [*sorted(SARCASM_SETS), *sorted(ODDS_SETS), *PLAIN_SETS]
ESCALATED = (0.1, 0.2, 0.3)
RESAMPLES = 300
SEED = 20261126

BEFORE_MARK = re.compile(r"\s+(n't\b|'\w+|[.,!?;:%)\]}])")
AFTER_MARK = re.compile(r"([(\[{])\s+")


@dataclass(frozen=True)
class Traffic:
    """Parallel arrays, a place for each text."""

    source: np.ndarray
    kind: np.ndarray  # a name of SHARES
    needs: np.ndarray
    weight: np.ndarray  # sums to 1

    def part(self, chosen: np.ndarray) -> Traffic:
        """Some of the texts, or some of them repeatedly."""
        weight = self.weight[chosen]
        return Traffic(
            self.source[chosen], self.kind[chosen], self.needs[chosen], weight / weight.sum()
        )


def alike(text: str) -> str:
    """The text in lower case, its marks where English puts them: sets differ in both."""
    folded = " ".join(text.lower().split())
    return AFTER_MARK.sub(r"\1", BEFORE_MARK.sub(r"\1", folded))


def traffic(read_rows: list[tuple[Row, Reading]]) -> Traffic:
    """What each text is and needs, and what it weighs in the mix."""
    kinds, needs = [], []
    for row, reading in read_rows:
        if row.set in SARCASM_SETS:
            needy = row.fields["label"] in recipe.SARCASTIC
            kinds.append("sarcastic" if needy else "their plain")
        elif row.set in ODDS_SETS:
            needy = at_odds(row)
            kinds.append("odds" if needy else "their plain")
        else:
            needy = read_wrong(row, reading)
            kinds.append("plain")
        needs.append(needy)
    kind = np.array(kinds)
    weight = np.array([SHARES[name] / (kind == name).sum() for name in kinds])
    source = np.array([row.set.split("/")[1] for row, _ in read_rows])
    return Traffic(source, kind, np.array(needs), weight)


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


def interval(score: np.ndarray, of: Traffic, measure: Callable[..., float]) -> tuple[float, float]:
    """Between which values 95 % of the resamples lie; each kind keeps its share of the mix."""
    dice = np.random.default_rng(SEED)
    groups = [np.flatnonzero(of.kind == name) for name in SHARES]
    values = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([dice.choice(group, len(group)) for group in groups])
        values.append(measure(score[chosen], of.part(chosen)))
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def scores(read_rows: list[tuple[Row, Reading]], calibration: dict) -> dict[str, np.ndarray]:
    """How much each way to route wants a text escalated."""
    values = [signals(reading, calibration) for _, reading in read_rows]
    thresholds = calibration["thresholds"]
    above = [
        max(float(logit(one[name]) - logit(thresholds[name])) for name in one) for one in values
    ]
    return {
        "as shipped": np.array(above),  # above 0: escalated
        "margin only": np.array([one["ambiguous"] for one in values]),
        "random": np.random.default_rng(SEED).random(len(values)),
    }


def table(data: Path, model: Path) -> str:
    """All figures as Markdown."""
    calibration = json.loads((model / "calibration.json").read_text())
    reader = Reader(model / "model.onnx", model / "tokenizer.json")
    rows = [row for name in SOURCES for row in read(data, name, "dev")]
    readings = reader.read_all([alike(row.text) for row in rows])
    mix = traffic(list(zip(rows, readings, strict=True)))
    ways = scores(list(zip(rows, readings, strict=True)), calibration)
    ways["oracle"] = mix.needs.astype(float)
    needy = mix.weight[mix.needs].sum()
    lines = [
        f"{len(rows)} texts; {needy:.3f} of the traffic needs help",
        "",
        "| | AUROC | AURC | caught at 10 % | 20 % | 30 % | " + " | ".join(by_kind(mix.needs, mix)) + " |",
        "|---" * 10 + "|",
    ]
    for name, score in ways.items():
        cells = [with_interval(score, mix, measure) for measure in (weighted_auroc, risk_area)]
        for share in ESCALATED:
            at = lambda score, of, share=share: catch(escalated(score, of, share), of)  # noqa: E731
            cells.append(with_interval(score, mix, at))
        kinds = by_kind(escalated(score, mix, 0.2), mix)
        lines.append(f"| {name} | " + " | ".join([*cells, *(f"{x:.2f}" for x in kinds.values())]) + " |")
    lines += ["", "| within | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    for source in dict.fromkeys(mix.source):
        of = mix.source == source
        cells = [f"{auroc(score[of], mix.needs[of]):.2f}" for score in ways.values()]
        lines.append(f"| {source} | " + " | ".join(cells) + " |")
    fired = ways["as shipped"] >= 0
    kinds = ", ".join(f"{name} {value:.2f}" for name, value in by_kind(fired, mix).items())
    lines += ["", f"at the shipped thresholds: escalated {mix.weight[fired].sum():.3f}, caught {catch(fired, mix):.2f}; {kinds}"]
    return "\n".join(lines)


def with_interval(score: np.ndarray, of: Traffic, measure: Callable[..., float]) -> str:
    low, high = interval(score, of, measure)
    return f"{measure(score, of):.3f} ({low:.2f}–{high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a finished model folder")
    given = parser.parse_args()
    print(table(given.data, given.model))


if __name__ == "__main__":
    main()
