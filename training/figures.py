"""Owns figures.json: what a graph scores on every dev set, through ONNX Runtime.

    python -m training.figures --data DIR --model models/NAME [--fp32 FILE.onnx]

A sentiment text's scores are restricted to the labels that occur in its file and
renormalised before anything is computed, so that a two-way set can be read by three
labels. ECE has 15 bins of equal width. An aspect is right where offsets and polarity are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training import long_text, recipe
from training.calibrate import cross_fitted, sentiment_truth
from training.data import Row, fold, measured_sets, read
from training.metrics import auroc, calibration_error, f1, macro_f1, restricted, spans, true_spans
from training.reader import Reader, Reading, sigmoid, softmax
from training.routing import at_odds, verdict

Figures = dict[str, float]
FIXED_THRESHOLD = 0.3  # for emotions, beside the tuned ones


def write_figures(data: Path, model: Path, fp32: Path) -> None:
    """Measures both graphs and keeps what they score in figures.json."""
    measured = figures(data, model, fp32)
    measured["long_text"] = long_text.measure(data, model, long_text.SERVED)
    print(long_text.table(measured["long_text"]))
    (model / "figures.json").write_text(json.dumps(measured, indent=2) + "\n")


def figures(data: Path, model: Path, fp32: Path | None = None) -> dict:
    """Measures the model's INT8 graph, and an fp32 one beside it, and prints the table."""
    graph = model / "model.onnx"
    measured = {
        "format": 1,
        "graph_sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
        "int8": measure(data, graph, model),
    }
    if fp32:
        measured["fp32"] = measure(data, fp32, model)
    print(table(measured))
    return measured


def measure(
    data: Path, graph: Path, model: Path, names: list[str] | None = None
) -> dict[str, Figures]:
    """The figures of one graph on each dev set, or on those named, under the model's
    calibration."""
    reader = Reader(graph, model / "tokenizer.json")
    calibration = json.loads((model / "calibration.json").read_text())
    by_set: dict[str, list[tuple[Row, Reading]]] = {}
    for name in measured_sets(data) if names is None else names:
        rows = [row for row in read(data, name, "dev") if _measurable(row)]
        readings = reader.read_all([row.text for row in rows])
        by_set[name] = list(zip(rows, readings, strict=True))
    # The temperatures were fitted on these texts: each is measured with what its own fold had
    # no part in.
    folds = cross_fitted([one for of_set in by_set.values() for one in of_set])
    measured: dict[str, Figures] = {}
    for name, of_set in by_set.items():
        if not of_set:
            continue
        rows, readings = [row for row, _ in of_set], [reading for _, reading in of_set]
        calibrations = [{**calibration, "temperatures": folds[fold(row.text)]} for row in rows]
        values = MEASURES[rows[0].task](rows, readings, calibrations)
        rounded = {key: round(value, 4) for key, value in values.items() if value == value}
        measured[name] = {"texts": len(rows), **rounded}
    return measured


def sentiment(rows: list[Row], readings: list[Reading], calibrations: list[dict]) -> Figures:
    logits = np.stack([reading.sentiment for reading in readings])
    truth = sentiment_truth(rows)
    temperatures = np.array([one["temperatures"]["sentiment"] for one in calibrations])
    scores = restricted(softmax(logits / temperatures[:, None]), truth)
    predicted = scores.argmax(axis=1)
    return {
        "accuracy": float((predicted == truth).mean()),
        "macro_f1": macro_f1(truth, predicted, len(recipe.SENTIMENTS)),
        "ece": calibration_error(scores.max(axis=1), predicted == truth),
        # None of these texts is labelled so.
        "called_mixed": float(np.mean(_are_mixed(readings, calibrations))),
    }


def sarcasm(rows: list[Row], readings: list[Reading], calibrations: list[dict]) -> Figures:
    logits = np.array([reading.sarcasm for reading in readings])
    temperatures = np.array([one["temperatures"]["sarcasm"] for one in calibrations])
    chance = sigmoid(logits / temperatures)
    truth = np.array([row.fields["label"] in recipe.SARCASTIC for row in rows])
    predicted = chance >= 0.5
    hits = int((predicted & truth).sum())
    return {
        "accuracy": float((predicted == truth).mean()),
        "f1": f1(hits, int(predicted.sum()), int(truth.sum())),
        "auroc": auroc(chance, truth),
        "ece": calibration_error(np.maximum(chance, 1 - chance), predicted == truth),
    }


def emotions(rows: list[Row], readings: list[Reading], calibrations: list[dict]) -> Figures:
    scores = sigmoid(np.stack([reading.emotions for reading in readings]))
    truth = np.array([[label in row.fields["labels"] for label in recipe.EMOTIONS] for row in rows])
    tuned = np.array([calibrations[0]["emotion_thresholds"][label] for label in recipe.EMOTIONS])
    return {
        "macro_f1": _label_f1(truth, scores >= tuned),
        "macro_f1_at_0.3": _label_f1(truth, scores >= FIXED_THRESHOLD),
    }


def aspects(rows: list[Row], readings: list[Reading], calibrations: list[dict]) -> Figures:
    hits = predicted = actual = 0
    for row, reading in zip(rows, readings, strict=True):
        found, true = spans(reading), true_spans(row.fields["aspects"])
        hits += len(found & true)
        predicted += len(found)
        actual += len(true)
    mixed = _are_mixed(readings, calibrations)
    are_at_odds = np.array([at_odds(row) for row in rows])
    both = np.array(mixed)[are_at_odds]
    heard = {}
    if readings[0].odds is not None:
        heard["odds_auroc"] = auroc(np.array([one.odds for one in readings]), are_at_odds)
    return {
        "precision": hits / max(predicted, 1),
        "recall": hits / max(actual, 1),
        "f1": f1(hits, predicted, actual),
        "at_odds_called_mixed": float(np.mean(both)) if len(both) else float("nan"),
        **heard,
    }


MEASURES: dict[str, Callable[[list[Row], list[Reading], list[dict]], Figures]] = {
    "sentiment": sentiment,
    "sarcasm": sarcasm,
    "emotions": emotions,
    "aspects": aspects,
}


def table(measured: dict) -> str:
    """The figures as a Markdown table; INT8, and fp32 in brackets where it was measured."""
    lines = ["| set | texts | figures: INT8 (fp32) |", "|---|---|---|"]
    for name, of_set in measured["int8"].items():
        whole = measured.get("fp32", {}).get(name, {})
        cells = [
            f"{key} {value:.3f}" + (f" ({whole[key]:.3f})" if key in whole else "")
            for key, value in of_set.items()
            if key != "texts"
        ]
        lines.append(f"| `{name}` | {of_set['texts']} | {', '.join(cells)} |")
    return "\n".join(lines)


def _label_f1(truth: np.ndarray, fired: np.ndarray) -> float:
    """Macro-F1 over all labels."""
    hits = (truth & fired).sum(axis=0)
    both = truth.sum(axis=0) + fired.sum(axis=0)
    return float(np.mean(np.where(hits > 0, 2 * hits / np.maximum(both, 1), 0)))


def _are_mixed(readings: list[Reading], calibrations: list[dict]) -> list[bool]:
    """Whether `mixed` is each text's likeliest label."""
    return [
        int(verdict(reading, calibration).argmax()) == len(recipe.SENTIMENTS)
        for reading, calibration in zip(readings, calibrations, strict=True)
    ]


def _measurable(row: Row) -> bool:
    """Sets that label categories of whole sentences have no terms to find."""
    return row.task != "aspects" or all("term" in aspect for aspect in row.fields["aspects"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder with model.onnx")
    parser.add_argument("--fp32", type=Path, help="an fp32 graph to measure beside it")
    given = parser.parse_args()
    figures(given.data, given.model, given.fp32)


if __name__ == "__main__":
    main()
