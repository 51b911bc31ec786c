"""Owns the choice of the routing thresholds: which texts a better reader should see.

The traffic they are chosen on, from the texts set aside: 80 % plain, 10 % sarcastic,
10 % at odds (both polarities among their aspects). So that a text's source gives nothing
away, half of the plain come from the sets that the sarcastic and the odd ones come from.

    python -m training.routing --model models/NAME TEXT...

prints what a model reads in texts, each signal beside its threshold.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training import recipe
from training.data import Row
from training.metrics import odds, spans, with_mixed
from training.reader import Reader, Reading, sigmoid, softmax

ESCALATED = 0.20  # of all texts, at most

SARCASM_SETS = {"sarcasm/isarcasm", "sarcasm/amazon_reviews"}
ODDS_SETS = {"aspects/mams", "aspects/restaurants_2014"}
PLAIN_SETS = {"sentiment/sst5", "sentiment/product_sentences", "sentiment/dynasent"}

# What each kind of text makes up of the traffic.
SHARES = {"sarcastic": 0.1, "odds": 0.1, "their plain": 0.4, "plain": 0.4}

# Where too little was set aside to choose anything, as in a tiny run.
DEFAULTS = {"ambiguous": 0.75, "sarcasm": 0.5, "multi_aspect": 0.5, "out_of_domain": 0.5}


@dataclass(frozen=True)
class Traffic:
    """Parallel arrays, a place for each text; weights sum to 1."""

    kind: np.ndarray  # "plain", "sarcastic" or "odds"
    needs: np.ndarray  # sarcastic, at odds, or read wrong
    weight: np.ndarray
    ambiguous: np.ndarray
    sarcasm: np.ndarray
    multi_aspect: np.ndarray

    def fires(self, ambiguous: float, sarcasm: float, multi_aspect: float) -> np.ndarray:
        return (
            (self.ambiguous >= ambiguous)
            | (self.sarcasm >= sarcasm)
            | (self.multi_aspect >= multi_aspect)
        )


def routing_thresholds(read: list[tuple[Row, Reading]], calibration: dict) -> dict[str, float]:
    """The thresholds that catch most of what needs help among those that escalate a
    fifth at most. Prints what they give."""
    mix = traffic(read, calibration)
    if mix is None:
        print("routing: too few texts set aside, defaults kept")
        return DEFAULTS
    grids = [np.round(np.arange(start, 1.0, 0.02), 2) for start in (0.2, 0.2, 0.04)]
    best, best_caught = (0.98, 0.98, 0.98), -1.0
    for thresholds in itertools.product(*grids):
        fired = mix.fires(*thresholds)
        if mix.weight[fired].sum() > ESCALATED:
            continue
        caught = mix.weight[fired & mix.needs].sum()
        if caught > best_caught:
            best, best_caught = thresholds, caught
    _report(mix, best)
    names = ["ambiguous", "sarcasm", "multi_aspect"]
    chosen = {name: float(value) for name, value in zip(names, best, strict=True)}
    return {**chosen, "out_of_domain": 0.5}


def verdict(reading: Reading, calibration: dict) -> np.ndarray:
    """The scores of negative, neutral, positive and mixed, as the gateway computes them."""
    three = softmax(reading.sentiment / calibration["temperatures"]["sentiment"])
    return with_mixed(three, odds(reading), calibration.get("mixed"))


def signals(reading: Reading, calibration: dict) -> dict[str, float]:
    """The three signals of one text, as the gateway computes them."""
    scores = np.sort(verdict(reading, calibration))
    return {
        "ambiguous": float(1 - (scores[-1] - scores[-2])),
        "sarcasm": float(sigmoid(reading.sarcasm / calibration["temperatures"]["sarcasm"])),
        "multi_aspect": odds(reading),
    }


def traffic(read: list[tuple[Row, Reading]], calibration: dict) -> Traffic | None:
    """The mixed traffic; None where one of its parts is missing."""
    parts: dict[str, list[tuple[bool, dict[str, float]]]] = {
        "sarcastic": [], "odds": [], "their plain": [], "plain": []
    }  # fmt: skip
    for row, reading in read:
        values = signals(reading, calibration)
        if row.set in SARCASM_SETS:
            sarcastic = row.fields["label"] in recipe.SARCASTIC
            parts["sarcastic" if sarcastic else "their plain"].append((sarcastic, values))
        elif row.set in ODDS_SETS:
            both = at_odds(row)
            parts["odds" if both else "their plain"].append((both, values))
        elif row.set in PLAIN_SETS:
            parts["plain"].append((read_wrong(row, reading), values))
    if any(len(part) < 5 for part in parts.values()):
        return None
    flat = [
        (name, needs, SHARES[name] / len(part), values)
        for name, part in parts.items()
        for needs, values in part
    ]
    return Traffic(
        kind=np.array([name.removeprefix("their ") for name, *_ in flat]),
        needs=np.array([needs for _, needs, _, _ in flat]),
        weight=np.array([weight for _, _, weight, _ in flat]),
        ambiguous=np.array([values["ambiguous"] for *_, values in flat]),
        sarcasm=np.array([values["sarcasm"] for *_, values in flat]),
        multi_aspect=np.array([values["multi_aspect"] for *_, values in flat]),
    )


def at_odds(row: Row) -> bool:
    """Whether the text likes one thing and dislikes another."""
    polarities = {aspect["polarity"] for aspect in row.fields["aspects"]}
    return {"positive", "negative"} <= polarities or "conflict" in polarities


def read_wrong(row: Row, reading: Reading) -> bool:
    truth = row.fields.get("label3", row.fields.get("label"))
    return recipe.SENTIMENTS[int(reading.sentiment.argmax())] != truth


def _report(mix: Traffic, thresholds: tuple[float, float, float]) -> None:
    fired = mix.fires(*thresholds)

    def share(chosen: np.ndarray) -> float:
        return float(mix.weight[chosen & fired].sum() / max(mix.weight[chosen].sum(), 1e-12))

    escalated = share(mix.weight > 0)
    print(f"routing, chosen on {len(mix.weight)} texts set aside: escalated {escalated:.3f}")
    print(f"  of the sarcastic {share(mix.kind == 'sarcastic'):.2f}", end=", ")
    print(f"at odds {share(mix.kind == 'odds'):.2f}", end=", ")
    print(f"plain and read wrong {share((mix.kind == 'plain') & mix.needs):.2f}", end=", ")
    print(f"plain otherwise {share((mix.kind == 'plain') & ~mix.needs):.2f}")


def _show(reader: Reader, calibration: dict, text: str) -> None:
    reading = reader.read(text)
    thresholds = calibration["thresholds"]
    scores = verdict(reading, calibration)
    chances = zip(recipe.EMOTIONS, sigmoid(reading.emotions), strict=True)
    detected = [
        name for name, chance in chances if chance >= calibration["emotion_thresholds"][name]
    ]
    print(text)
    labels = zip([*recipe.SENTIMENTS, "mixed"], scores, strict=True)
    print("  ", ", ".join(f"{name} {score:.3f}" for name, score in labels))
    for name, value in signals(reading, calibration).items():
        fires = "fires" if value >= thresholds[name] else "-"
        print(f"   {name} {value:.3f} of {thresholds[name]}: {fires}")
    terms = [f"{text[start:end]} ({polarity})" for start, end, polarity in sorted(spans(reading))]
    print(f"   aspects: {', '.join(terms) or '-'}; emotions: {', '.join(detected) or '-'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a finished model folder")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    given = parser.parse_args()
    reader = Reader(given.model / "model.onnx", given.model / "tokenizer.json")
    calibration = json.loads((given.model / "calibration.json").read_text())
    for text in given.texts:
        _show(reader, calibration, text)


if __name__ == "__main__":
    main()
