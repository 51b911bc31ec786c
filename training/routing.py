"""Owns what the routing is about: the gateway's verdict and plain signals, and the traffic on which
what is escalated is chosen and measured.

That traffic is 80 % plain, 10 % sarcastic, 10 % at odds (both polarities among the aspects). So
that a text's source gives nothing away, half of the plain come from the sets that the sarcastic
and the odd ones come from, and all are written alike.

    python -m training.routing --model models/NAME TEXT...

prints what a model reads in texts, each signal beside its threshold.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training import recipe
from training.data import Row, overall_label
from training.metrics import odds, spans, with_mixed
from training.reader import Reader, Reading, sigmoid, softmax

SARCASM_SETS = {"sarcasm/isarcasm", "sarcasm/amazon_reviews"}
ODDS_SETS = {"aspects/mams", "aspects/restaurants_2014"}
# The treebank has the same sentences in two sets: one is set aside from, the other measures.
PLAIN_ASIDE = {"sentiment/sst5", "sentiment/product_sentences", "sentiment/dynasent"}
PLAIN_DEV = {"sentiment/sst2", "sentiment/product_sentences", "sentiment/dynasent"}

# What each kind of text makes up of the traffic.
SHARES = {"sarcastic": 0.1, "odds": 0.1, "their plain": 0.4, "plain": 0.4}

# Where too little was set aside to choose anything, as in a tiny run.
DEFAULTS = {"ambiguous": 0.75, "sarcasm": 0.5, "multi_aspect": 0.5, "out_of_domain": 0.5}


@dataclass(frozen=True)
class Traffic:
    """Parallel arrays, a place for each text."""

    source: np.ndarray
    kind: np.ndarray  # a name of SHARES
    needs: np.ndarray  # sarcastic, at odds, or read wrong, as far as the set tells
    weight: np.ndarray  # sums to 1

    def part(self, chosen: np.ndarray) -> Traffic:
        """Some of the texts, or some of them repeatedly."""
        weight = self.weight[chosen]
        return Traffic(
            self.source[chosen], self.kind[chosen], self.needs[chosen], weight / weight.sum()
        )


def traffic_of(aside: list[Row], dev: list[Row]) -> list[Row]:
    """The rows of both that are of the traffic."""
    sources = SARCASM_SETS | ODDS_SETS
    return [
        *(row for row in aside if row.set in sources | PLAIN_ASIDE),
        *(row for row in dev if row.set in sources | PLAIN_DEV),
    ]


def traffic(read: list[tuple[Row, Reading]]) -> Traffic:
    """What each text is and needs, and what it weighs in the mix."""
    kind = np.array([kind_of(row) for row, _ in read])
    needs = [
        name in ("sarcastic", "odds") or (name == "plain" and read_wrong(*one))
        for name, one in zip(kind, read, strict=True)
    ]
    weight = np.array([SHARES[name] / (kind == name).sum() for name in kind])
    source = np.array([row.set.split("/")[1] for row, _ in read])
    return Traffic(source, kind, np.array(needs, dtype=bool), weight / max(weight.sum(), 1e-12))


def kind_of(row: Row) -> str:
    if is_sarcastic(row):
        return "sarcastic"
    if row.set in ODDS_SETS and at_odds(row):
        return "odds"
    return "their plain" if row.set in SARCASM_SETS | ODDS_SETS else "plain"


def verdict(reading: Reading, calibration: dict) -> np.ndarray:
    """The scores of negative, neutral, positive and mixed, as the gateway computes them."""
    three = softmax(reading.sentiment / calibration["temperatures"]["sentiment"])
    head = None if reading.odds is None else float(sigmoid(reading.odds))
    return with_mixed(three, odds(reading), calibration.get("mixed"), head)


def signals(reading: Reading, calibration: dict) -> dict[str, float]:
    """The three signals of one text by the numbers that they are named for, as the gateway
    computes them where a model has no estimators."""
    scores = np.sort(verdict(reading, calibration))
    return {
        "ambiguous": float(1 - (scores[-1] - scores[-2])),
        "sarcasm": float(sigmoid(reading.sarcasm / calibration["temperatures"]["sarcasm"])),
        "multi_aspect": odds(reading),
    }


def is_sarcastic(row: Row) -> bool:
    return row.task == "sarcasm" and row.fields["label"] in recipe.SARCASTIC


def at_odds(row: Row) -> bool:
    """Whether the text likes one thing and dislikes another."""
    return overall_label(row.fields["aspects"]) == "mixed"


def read_wrong(row: Row, reading: Reading) -> bool:
    truth = row.fields.get("label3", row.fields.get("label"))
    return recipe.SENTIMENTS[int(reading.sentiment.argmax())] != truth


def _show(reader: Reader, calibration: dict, text: str) -> None:
    from training.deferral import chances  # builds on this module

    reading = reader.read(text)
    thresholds = calibration["thresholds"]
    scores = verdict(reading, calibration)
    emotions = zip(recipe.EMOTIONS, sigmoid(reading.emotions), strict=True)
    detected = [
        name for name, chance in emotions if chance >= calibration["emotion_thresholds"][name]
    ]
    print(text)
    labels = zip(recipe.LABELS, scores, strict=True)
    print("  ", ", ".join(f"{name} {score:.3f}" for name, score in labels))
    for name, value in (signals(reading, calibration) | chances(reading, calibration)).items():
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
