"""Owns calibration.json: temperatures, emotion thresholds and routing thresholds, all
fitted on the INT8 graph and on texts that were set aside from train before training.

    python -m training.calibrate --run RUN --model models/NAME
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

import numpy as np

from training import recipe
from training.data import Row, fingerprint
from training.metrics import f1, restricted
from training.reader import Reader, Reading, sigmoid, softmax
from training.routing import routing_thresholds

# Fewer positives than this, and a label gets the threshold that suits all labels best.
FEWEST_POSITIVES = 20
TEMPERATURES = np.exp(np.linspace(np.log(0.3), np.log(4), 260))


def calibrate(run: Path, model: Path) -> dict:
    """Fits everything, writes MODEL/calibration.json and returns it."""
    rows = read_aside(run / "aside.jsonl")
    graph = model / "model.onnx"
    readings = Reader(graph, model / "tokenizer.json").read_all([row.text for row in rows])
    by_task: dict[str, list[tuple[Row, Reading]]] = {task: [] for task in recipe.TASKS.values()}
    for row, reading in zip(rows, readings, strict=True):
        by_task[row.task].append((row, reading))
    temperatures = {
        "sentiment": sentiment_temperature(by_task["sentiment"]),
        "sarcasm": sarcasm_temperature(by_task["sarcasm"]),
    }
    calibration = {
        "format": 1,
        "graph_sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
        "fitted_on": {
            "texts": len(rows),
            "sha256": fingerprint(rows),
            "description": "texts set aside from the training sets before training, "
            "none of them in a dev set",
        },
        "date": datetime.date.today().isoformat(),
        "temperatures": temperatures,
        "emotion_thresholds": emotion_thresholds(by_task["emotions"]),
        "thresholds": routing_thresholds(list(zip(rows, readings, strict=True)), temperatures),
    }
    (model / "calibration.json").write_text(json.dumps(calibration, indent=2) + "\n")
    print(f"temperatures {temperatures}, routing {calibration['thresholds']}")
    return calibration


def read_aside(path: Path) -> list[Row]:
    """The texts that a training run set aside."""
    rows = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            fields = json.loads(line)
            rows.append(Row(fields.pop("set"), fields["text"], fields))
    return rows


def sentiment_truth(rows: list[Row]) -> np.ndarray:
    """Each row's label as an index into the three."""
    return np.array(
        [recipe.SENTIMENTS.index(row.fields.get("label3", row.fields.get("label"))) for row in rows]
    )


def sentiment_temperature(read: list[tuple[Row, Reading]]) -> float:
    """The least negative log likelihood of the true labels, summed over the texts.
    Scores are restricted to a set's labels, as they are where a set is measured."""
    losses = np.zeros(len(TEMPERATURES))
    for name in sorted({row.set for row, _ in read}):
        of_set = [(row, reading) for row, reading in read if row.set == name]
        logits = np.stack([reading.sentiment for _, reading in of_set])
        truth = sentiment_truth([row for row, _ in of_set])
        for at, temperature in enumerate(TEMPERATURES):
            scores = restricted(softmax(logits / temperature), truth)
            losses[at] -= np.log(scores[np.arange(len(truth)), truth] + 1e-12).sum()
    return _best_temperature(losses)


def sarcasm_temperature(read: list[tuple[Row, Reading]]) -> float:
    """The same for the sarcasm head."""
    if not read:
        return 1.0
    logits = np.array([reading.sarcasm for _, reading in read])
    truth = np.array([row.fields["label"] in recipe.SARCASTIC for row, _ in read])
    chances = [sigmoid(logits / temperature) for temperature in TEMPERATURES]
    losses = [-np.log(np.where(truth, chance, 1 - chance) + 1e-12).sum() for chance in chances]
    return _best_temperature(np.array(losses))


def emotion_thresholds(read: list[tuple[Row, Reading]]) -> dict[str, float]:
    """Per label the threshold of the best F1; a shared one where positives are few."""
    if not read:
        return dict.fromkeys(recipe.EMOTIONS, 0.3)
    scores = sigmoid(np.stack([reading.emotions for _, reading in read]))
    truth = np.array(
        [[label in row.fields["labels"] for label in recipe.EMOTIONS] for row, _ in read]
    )
    grid = np.round(np.arange(0.05, 0.91, 0.01), 2)
    quality = np.array(
        [
            [
                f1(
                    int((fired[:, label] & truth[:, label]).sum()),
                    int(fired[:, label].sum()),
                    int(truth[:, label].sum()),
                )
                for label in range(len(recipe.EMOTIONS))
            ]
            for fired in (scores >= threshold for threshold in grid)
        ]
    )
    # Neighbouring thresholds are averaged: a single peak is mostly luck.
    smooth = np.apply_along_axis(
        lambda column: np.convolve(column, np.ones(7) / 7, "same"), 0, quality
    )
    common = grid[smooth.mean(axis=1).argmax()]
    enough = truth.sum(axis=0) >= FEWEST_POSITIVES
    best = np.where(enough, grid[smooth.argmax(axis=0)], common)
    return {label: float(value) for label, value in zip(recipe.EMOTIONS, best, strict=True)}


def _best_temperature(losses: np.ndarray) -> float:
    """1 where there was nothing to fit on: all losses are then 0."""
    return round(float(TEMPERATURES[losses.argmin()]), 4) if losses.any() else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training run")
    parser.add_argument("--model", type=Path, required=True, help="folder with model.onnx")
    given = parser.parse_args()
    calibrate(given.run, given.model)


if __name__ == "__main__":
    main()
