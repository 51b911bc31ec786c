"""Owns the measure of long text: whole reviews, read in pieces as the gateway reads them
(`src/classifier/windows.rs`), and by the rules that it could have had instead.

    python -m training.long_text --data DIR --model models/NAME
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import sentencex

from training import recipe
from training.data import Row, read
from training.metrics import odds, with_mixed
from training.reader import MAX_TOKENS, Reader, Reading, sigmoid, softmax

SETS = ["sentiment/imdb_counterfactual", "sentiment/review_domains"]
SPECIAL = 2  # [CLS] and [SEP] are in every piece

Cut = Callable[[Reader, str, int], list[str]]


def pieces(reader: Reader, text: str, most: int) -> list[str]:
    """The text cut at sentence ends into pieces of about the same length, each of at most
    `most` tokens; a longer sentence is cut at a word. One piece, where one pass holds it all."""
    offsets = _tokens(reader, text)
    if len(offsets) + SPECIAL <= MAX_TOKENS:
        return [text]
    room = most - SPECIAL
    stops = [sentence["end_index"] for sentence in sentencex.get_sentence_boundaries("en", text)]
    ends = np.array([end for _, end in offsets])
    found, start, first = [], 0, 0
    while first + room < len(offsets):
        limit = offsets[first + room][0]
        left = len(offsets) - first
        share = first + -(-left // -(-left // room))
        fitting = [stop for stop in stops if start < stop <= limit]
        cut = min(
            fitting,
            key=lambda stop: abs(int(np.searchsorted(ends, stop, "right")) - share),
            default=text.rfind(" ", start + 1, limit),
        )
        cut = cut if cut > start else limit
        found.append(text[start:cut])
        start, first = cut, int(np.searchsorted(ends, cut, "right"))
    return [*found, text[start:]]


def sentences(reader: Reader, text: str, _most: int) -> list[str]:
    """Each sentence alone."""
    if len(_tokens(reader, text)) + SPECIAL <= MAX_TOKENS:
        return [text]
    return [sentence for sentence in sentencex.segment("en", text) if sentence.strip()]


def verdict(readings: list[Reading], calibration: dict, by_tokens: bool = False) -> np.ndarray:
    """The four scores of a text from its pieces: means of probabilities and of evidence. Where pieces are at odds
    with each other, which the head for odds does not see, the square of how far they are stands in for it."""
    weights = [len(reading.encoding.ids) if by_tokens else 1.0 for reading in readings]
    temperature = calibration["temperatures"]["sentiment"]
    of_pieces = np.array([softmax(reading.sentiment / temperature) for reading in readings])
    scores = np.average(of_pieces, axis=0, weights=weights)
    heads = [sigmoid(one.odds) for one in readings if one.odds is not None]
    between = 2 * (min(scores[0], scores[2]) - np.average(of_pieces[:, [0, 2]].min(axis=1), weights=weights))
    head = max(float(np.average(heads, weights=weights)), between**2) if heads else None
    return with_mixed(scores, odds(*readings), calibration.get("mixed"), head)


def measure(
    data: Path, model: Path, rules: dict[str, tuple[Cut, int, bool]]
) -> dict[str, dict[str, dict[str, float]]]:
    """Accuracy between the set's labels, and the share called mixed, for each rule and set."""
    reader = Reader(model / "model.onnx", model / "tokenizer.json")
    calibration = json.loads((model / "calibration.json").read_text())
    measured: dict[str, dict] = {}
    for name in SETS:
        rows = list(read(data, name, "dev"))
        if not rows:
            continue
        for rule, (cut, most, by_tokens) in rules.items():

            def read_one(row: Row, cut: Cut = cut, most: int = most) -> list[Reading]:
                return [reader.read(piece) for piece in cut(reader, row.text, most)]

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                parts = list(pool.map(read_one, rows))
            scores = np.stack([verdict(part, calibration, by_tokens) for part in parts])
            long = np.array([len(part) > 1 for part in parts])
            measured.setdefault(name, {})[rule] = _figures(rows, scores, long)
    return measured


def _figures(rows: list[Row], scores: np.ndarray, long: np.ndarray) -> dict[str, float]:
    truth = np.array([recipe.SENTIMENTS.index(row.fields["label"]) for row in rows])
    occurring = np.unique(truth)
    right = occurring[scores[:, occurring].argmax(axis=1)] == truth
    mixed = scores.argmax(axis=1) == len(recipe.SENTIMENTS)
    return {
        "texts": len(rows),
        "in_pieces": int(long.sum()),
        "accuracy": round(float(right.mean()), 4),
        "accuracy_in_pieces": round(float(right[long].mean()), 4),
        "called_mixed": round(float(mixed.mean()), 4),
    }


def _tokens(reader: Reader, text: str) -> list[tuple[int, int]]:
    return reader.whole.encode(text, add_special_tokens=False).offsets


SERVED: dict[str, tuple[Cut, int, bool]] = {"pieces of 128": (pieces, MAX_TOKENS, False)}
RULES = {
    **SERVED,
    "pieces of 128, by tokens": (pieces, MAX_TOKENS, True),
    "pieces of 96": (pieces, 96, False),
    "pieces of 64": (pieces, 64, False),
    "pieces of 64, by tokens": (pieces, 64, True),
    "pieces of 32": (pieces, 32, False),
    "each sentence": (sentences, 0, False),
}


def table(measured: dict[str, dict[str, dict[str, float]]]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| set | rule | texts (in pieces) | accuracy (in pieces) | called mixed |",
        "|---|---|---|---|---|",
    ]
    for name, of_set in measured.items():
        for rule, figures in of_set.items():
            lines.append(
                f"| `{name}` | {rule} | {figures['texts']} ({figures['in_pieces']}) "
                f"| {figures['accuracy']:.3f} ({figures['accuracy_in_pieces']:.3f}) "
                f"| {figures['called_mixed']:.3f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    given = parser.parse_args()
    print(table(measure(given.data, given.model, RULES)))


if __name__ == "__main__":
    main()
