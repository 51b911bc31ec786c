"""Owns calibration.json: temperatures, emotion thresholds, the rule for `mixed` and routing
estimators with their thresholds, all fitted on the INT8 graph: the temperatures on the dev sets,
the estimators on these and on texts that were set aside from train before training, the rest on
the latter.

    python -m training.calibrate --data DIR --run RUN --model models/NAME
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

import numpy as np

from training import deferral, doubt, logistic, recipe
from training.data import FOLDS, Row, alike, fingerprint, fold, measured_sets, read
from training.metrics import MIXED_SLOPES, f1, mixed_evidence, odds, restricted
from training.reader import Reader, Reading, sigmoid, softmax
from training.routing import DEFAULTS, at_odds, traffic_of, verdict

# Fewer positives than this, and a label gets the threshold that suits all labels best.
FEWEST_POSITIVES = 20
# Of sentences of films that nobody labelled so, at most this share may be called mixed.
TREEBANK, MOST_CALLED_MIXED = "sentiment/sst5", 0.033
TEMPERATURES = np.exp(np.linspace(np.log(0.3), np.log(4), 260))


def calibrate(data: Path, run: Path, model: Path) -> dict:
    """Fits everything, writes MODEL/calibration.json and returns it."""
    rows = read_aside(run / "aside.jsonl")
    graph = model / "model.onnx"
    reader = Reader(graph, model / "tokenizer.json")
    readings = reader.read_all([row.text for row in rows])
    measured = [row for name in measured_sets(data) for row in read(data, name, "dev")]
    measured_readings = reader.read_all([row.text for row in measured])
    of_traffic = traffic_of(rows, measured)
    traffic_readings = reader.read_all([alike(row.text) for row in of_traffic])
    by_task: dict[str, list[tuple[Row, Reading]]] = {task: [] for task in recipe.TASKS.values()}
    for row, reading in zip(rows, readings, strict=True):
        by_task[row.task].append((row, reading))
    fitted = {
        "temperatures": temperatures(list(zip(measured, measured_readings, strict=True))),
        "emotion_thresholds": emotion_thresholds(by_task["emotions"]),
    }
    fitted["mixed"] = mixed_rule(list(zip(rows, readings, strict=True)), fitted)
    both = zip([*rows, *measured], [*readings, *measured_readings], strict=True)
    for_tuning = tuning(data)
    tuned = zip(for_tuning, reader.read_all([row.text for row in for_tuning]), strict=True)
    found = deferral.fit(
        list(both), list(zip(of_traffic, traffic_readings, strict=True)), list(tuned), fitted
    )
    calibration = {
        "format": 1,
        "graph_sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
        "fitted_on": {
            "texts": len(rows),
            "sha256": fingerprint(rows),
            "description": "texts set aside from the training sets before training, "
            "none of them in a dev set; the temperatures on the dev sets, the estimators on both and on "
            "the texts of `cascade/` and the dev texts of `domain/`",
        },
        "date": datetime.date.today().isoformat(),
        **fitted,
        "thresholds": found.thresholds() if found else DEFAULTS,
    }
    if found:
        calibration["estimators"] = found.estimators()
        calibration["fitted_on"]["doubt"] = doubt.report(found.doubts)
    (model / "calibration.json").write_text(json.dumps(calibration, indent=2) + "\n")
    print(
        f"temperatures {fitted['temperatures']}, mixed {calibration['mixed']}, "
        f"routing {calibration['thresholds']}"
    )
    return calibration


def read_aside(path: Path) -> list[Row]:
    """The texts that a training run set aside."""
    rows = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            fields = json.loads(line)
            rows.append(Row(fields.pop("set"), fields["text"], fields))
    return rows


def tuning(data: Path) -> list[Row]:
    """Labelled texts that never train: those of `cascade/`, which have answers of LLMs too, and the dev
    texts of `domain/`; as far as they are there."""
    files = [*data.glob("cascade/*.jsonl"), *data.glob("domain/*/dev.jsonl")]
    rows = []
    for path in sorted(files):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        name = f"domain/{path.parent.name}" if path.stem == "dev" else None
        rows += [
            Row(name or f"cascade/{fields['set']}", fields["text"], fields)
            for fields in lines
            if fields.get("label") in recipe.SENTIMENTS
        ]
    return rows


def sentiment_truth(rows: list[Row]) -> np.ndarray:
    """Each row's label as an index into the three."""
    return np.array(
        [recipe.SENTIMENTS.index(row.fields.get("label3", row.fields.get("label"))) for row in rows]
    )


def temperatures(read: list[tuple[Row, Reading]]) -> dict[str, float]:
    """Both heads' temperatures on some texts."""
    return {
        "sentiment": sentiment_temperature([one for one in read if one[0].task == "sentiment"]),
        "sarcasm": sarcasm_temperature([one for one in read if one[0].task == "sarcasm"]),
    }


def cross_fitted(read: list[tuple[Row, Reading]]) -> list[dict[str, float]]:
    """For each fold the temperatures that the other four give: what measures a text is never
    fitted on it."""
    return [
        temperatures([one for one in read if fold(one[0].text) != at]) for at in range(FOLDS)
    ]


def sentiment_temperature(read: list[tuple[Row, Reading]]) -> float:
    """The least negative log likelihood of the true labels, summed over the texts.
    Scores are restricted to a set's labels, as they are where a set is measured."""
    losses = np.zeros(len(TEMPERATURES))
    for name in sorted({row.set for row, _ in read}):
        of_set = [(row, reading) for row, reading in read if row.set == name]
        logits = np.stack([reading.sentiment for _, reading in of_set])
        losses += temperature_losses(logits, sentiment_truth([row for row, _ in of_set]))
    return best_temperature(losses)


def temperature_losses(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The negative log likelihood of the true labels under each of TEMPERATURES, the scores
    restricted to the labels that occur."""
    return np.array(
        [
            -np.log(
                restricted(softmax(logits / temperature), truth)[np.arange(len(truth)), truth]
                + 1e-12
            ).sum()
            for temperature in TEMPERATURES
        ]
    )


def sarcasm_temperature(read: list[tuple[Row, Reading]]) -> float:
    """The same for the sarcasm head."""
    if not read:
        return 1.0
    logits = np.array([reading.sarcasm for _, reading in read])
    truth = np.array([row.fields["label"] in recipe.SARCASTIC for row, _ in read])
    chances = [sigmoid(logits / temperature) for temperature in TEMPERATURES]
    losses = [-np.log(np.where(truth, chance, 1 - chance) + 1e-12).sum() for chance in chances]
    return best_temperature(np.array(losses))


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


def mixed_rule(read: list[tuple[Row, Reading]], fitted: dict) -> dict[str, float] | None:
    """How `mixed` follows from tags that are at odds, and from a sentiment head that is.

    The slopes by logistic regression: texts of the aspect sets are mixed where they like one
    thing and dislike another, written ones where their writers say so; of the other sentiment sets,
    whose labels know no `mixed`, none is. Whole reviews are left out: nearly all of them like one thing
    and dislike another, whatever their label.
    The intercept is the highest under which at most MOST_CALLED_MIXED of the treebank's
    sentences get that label. None where too few texts were set aside."""
    chosen = [
        (row, reading)
        for row, reading in read
        if row.task in ("aspects", "sentiment") and row.set not in recipe.MOST_WORDS
    ]
    truth = np.array([doubt.truth(row) == "mixed" for row, _ in chosen], dtype=float)
    treebank = [reading for row, reading in read if row.set == TREEBANK]
    if min(truth.sum(), (1 - truth).sum(), len(treebank)) < FEWEST_POSITIVES:
        return None
    temperature = fitted["temperatures"]["sentiment"]
    evidence = np.array(
        [
            mixed_evidence(softmax(reading.sentiment / temperature), odds(reading), _head(reading))
            for _, reading in chosen
        ]
    )
    weights = np.where(truth == 1, 0.5 / truth.sum(), 0.5 / (1 - truth).sum())
    fit = logistic.fit(evidence, truth, weights)
    slopes = dict(zip(MIXED_SLOPES, np.round(fit.weights, 4).tolist(), strict=False))
    for intercept in np.round(np.arange(6.0, -4.0, -0.05), 2):
        rule = {"intercept": float(intercept), **slopes}
        calibration = {**fitted, "mixed": rule}
        called = [verdict(reading, calibration).argmax() == 3 for reading in treebank]
        if np.mean(called) <= MOST_CALLED_MIXED:
            return rule
    return None


def _head(reading: Reading) -> float | None:
    """What the head for texts at odds says, where a model has one."""
    return None if reading.odds is None else float(sigmoid(reading.odds))


def best_temperature(losses: np.ndarray) -> float:
    """1 where there was nothing to fit on: all losses are then 0."""
    return round(float(TEMPERATURES[losses.argmin()]), 4) if losses.any() else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training run")
    parser.add_argument("--model", type=Path, required=True, help="folder with model.onnx")
    given = parser.parse_args()
    calibrate(given.data, given.run, given.model)


if __name__ == "__main__":
    main()
