"""Owns the measure of what it gains to ask an LLM, on answers of LLMs that others have published.

    python -m training.asking_figures --data DIR --model models/NAME

For each file of `DIR/cascade` with whole texts' sentiment: how often the local reading and the LLM's
answer are right, and the two together where a share of the texts is asked, chosen by the plain
margin, by P(the local label is wrong), and by the gain that is expected of asking, P(the local
label is wrong and the LLM's right). Both are fitted on other sets: the first as `doubt.py` says, the
last on the answers to the other files. For sarcasm and aspects: each model's answers
beside the local reading.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from training import deferral, logistic, recipe
from training.calibrate import tuning
from training.data import Row, split
from training.doubt import Doubts, truth
from training.metrics import auroc, f1, spans, true_spans
from training.reader import Reader, Reading, sigmoid

# Of each file with whole texts' sentiment, the answers that are asked for: the best that are published.
BEST = {"dynasent_gpt4o": "gpt-4o-2024-08-06", "github_comments": "gpt-4o-2024-05-13+cot"}
ASKED = (0.1, 0.2, 0.35, 0.5)
GAIN_PENALTY = 1e-2


class Asked:
    """Texts with their labels, local readings and an LLM's answers: parallel arrays."""

    def __init__(self, data: Path, name: str, reader: Reader, calibration: dict) -> None:
        lines = [one for one in _lines(data, name) if one["label"] in recipe.SENTIMENTS]
        rows = [Row(f"cascade/{one['set']}", one["text"], one) for one in lines]
        rows_read = list(zip(rows, reader.read_all([row.text for row in rows]), strict=True))
        self.doubts = deferral.doubts(rows_read, calibration)
        self.helps = np.array([one["answers"].get(BEST[name]) == one["label"] for one in lines])

    @property
    def margin(self) -> np.ndarray:
        return -self.doubts.inputs[:, self.doubts.names.index("margin")]

    @property
    def gains(self) -> np.ndarray:
        return self.doubts.wrong & self.helps

    def right(self, doubt: np.ndarray, share: float) -> float:
        """The share that is right where the most doubtful are asked."""
        order = np.argsort(-doubt, kind="stable")
        right = ~self.doubts.wrong[order]
        asked = round(share * len(order))
        right[:asked] = self.helps[order][:asked]
        return float(right.mean())


def sentiment_table(of: dict[str, Asked], known: Doubts) -> list[str]:
    """What each way to choose brings, as rows of Markdown."""
    lines = [
        "| answers | chosen by | local | " + " | ".join(f"{share:.0%} asked" for share in ASKED) + " | LLM | AUROC of what is wrong |",
        "|---" * (len(ASKED) + 5) + "|",
    ]
    for name, asked in of.items():
        families = set(asked.doubts.family)
        ways = {"margin": asked.margin, "P(wrong)": np.zeros(len(asked.helps))}
        for family in families:
            part = asked.doubts.family == family
            ways["P(wrong)"][part] = known.of(family, asked.doubts.inputs[part])
        others = [one for other, one in of.items() if other != name]
        if others:
            expected = expected_gain(others, known.columns)
            ways["expected gain"] = expected(asked.doubts.inputs[:, known.columns])
        for way, doubt in ways.items():
            cells = [f"{asked.right(doubt, share):.3f}" for share in (0, *ASKED, 1)]
            lines.append(f"| {name} | {way} | " + " | ".join(cells) + f" | {auroc(doubt, asked.doubts.wrong):.3f} |")
    return lines


def expected_gain(others: list[Asked], columns: tuple[int, ...]) -> logistic.Logistic:
    """P(the local label is wrong and the LLM's right), learned from the answers to other texts by the
    numbers that P(wrong) weighs."""
    inputs = np.concatenate([one.doubts.inputs[:, columns] for one in others])
    gains = np.concatenate([one.gains for one in others])
    return logistic.fit(inputs, gains, np.ones(len(gains)), GAIN_PENALTY)


def sarcasm_table(lines: list[dict], readings: list[Reading], calibration: dict) -> list[str]:
    """F1 of sarcasm and accuracy of each model, beside the local head on the texts that the model answered."""
    actual = np.array([one["label"] in recipe.SARCASTIC for one in lines])
    temperature = calibration["temperatures"]["sarcasm"]
    local = np.array([sigmoid(reading.sarcasm / temperature) >= 0.5 for reading in readings])
    rows = ["| model | texts | F1 | right | local F1 | right |", "|---" * 6 + "|"]
    for model in sorted({model for one in lines for model in one["answers"]}):
        said = [one["answers"].get(model) for one in lines]
        known = np.array([answer is not None for answer in said])
        theirs = np.array([answer in recipe.SARCASTIC for answer in said])
        cells = [_f1_and_right(way[known], actual[known]) for way in (theirs, local)]
        rows.append(f"| {model} | {known.sum()} | {cells[0]} | {cells[1]} |")
    return rows


def _f1_and_right(said: np.ndarray, actual: np.ndarray) -> str:
    return f"{f1(int((said & actual).sum()), int(said.sum()), int(actual.sum())):.3f} | {(said == actual).mean():.3f}"


def aspects_table(lines: list[dict], readings: list[Reading]) -> list[str]:
    """F1 of terms with their polarity, by set and model. A term that an answer names and the text does not
    have has no place, and counts as wrong."""
    rows = ["| set | model | texts | F1 | local F1 |", "|---" * 5 + "|"]
    for name in sorted({one["set"] for one in lines}):
        of_set = [(one, reading) for one, reading in zip(lines, readings, strict=True) if one["set"] == name]
        for model in sorted({model for one, _ in of_set for model in one["answers"]}):
            answered = [(one, reading) for one, reading in of_set if one["answers"].get(model) is not None]
            counts = np.zeros((2, 3), dtype=int)  # theirs, ours: hits, said, actual
            for one, reading in answered:
                actual = true_spans(one["aspects"])
                theirs = true_spans(one["answers"][model])
                for row, said in enumerate((theirs, spans(reading))):
                    counts[row] += len(said & actual), len(said), len(actual)
            theirs, ours = (f1(*map(int, row)) for row in counts)
            rows.append(f"| {name} | {model} | {len(answered)} | {theirs:.3f} | {ours:.3f} |")
    return rows


def figures(data: Path, model: Path) -> str:
    """Everything, as Markdown."""
    calibration = json.loads((model / "calibration.json").read_text())
    reader = Reader(model / "model.onnx", model / "tokenizer.json")

    def read(texts: Iterable[str]) -> list[Reading]:
        return reader.read_all(list(texts))

    parts = split(data)
    rows = [row for row in [*parts.aside, *parts.dev, *tuning(data)] if truth(row)]
    known = deferral.doubts(list(zip(rows, read(row.text for row in rows), strict=True)), calibration)
    asked = {name: Asked(data, name, reader, calibration) for name in BEST}
    sarcastic, aspects = list(_lines(data, "sarcasm")), list(_lines(data, "aspects_gemma"))
    tables = [
        sentiment_table(asked, known.chosen()),
        sarcasm_table(sarcastic, read(one["text"] for one in sarcastic), calibration),
        aspects_table(aspects, read(one["text"] for one in aspects)),
    ]
    return "\n\n".join("\n".join(table) for table in tables)


def _lines(data: Path, name: str) -> Iterable[dict]:
    text = (data / "cascade" / f"{name}.jsonl").read_text(encoding="utf-8")
    return map(json.loads, text.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a finished model folder")
    given = parser.parse_args()
    print(figures(given.data, given.model))


if __name__ == "__main__":
    main()
