"""Owns what is measured on the held-out part, before and after, and the temperature fitted there.

Logits have three columns whatever the model's labels are; a label that it lacks has ABSENT.
Scores are restricted to the labels that occur among the texts, as in `training/figures.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training import recipe
from training.calibrate import best_temperature, temperature_losses
from training.data import FOLDS, fold
from training.domain.rows import Labelled
from training.metrics import calibration_error, macro_f1, restricted
from training.reader import softmax

Figures = dict[str, float]

# INT8 may read so much less of the held-out part right than fp32, as a share; or one text, which
# of a hundred is as much.
MOST_INT8_LOSS = 0.01


@dataclass(frozen=True)
class Measured:
    """The held-out part's figures; `before` is None where the start knows other labels."""

    texts: int
    before: Figures | None
    fp32: Figures
    int8: Figures
    temperature: float  # of the INT8 graph, fitted on all of the held-out part

    @property
    def int8_loss(self) -> float:
        return self.fp32["accuracy"] - self.int8["accuracy"]

    @property
    def int8_loses_too_much(self) -> bool:
        # Accuracies are rounded to four places.
        return self.int8_loss > max(MOST_INT8_LOSS, 1 / self.texts) + 1e-4


def measure(
    rows: list[Labelled],
    before: tuple[np.ndarray, float] | None,
    fp32: np.ndarray,
    int8: np.ndarray,
) -> Measured:
    """Figures of the start, under its own temperature, and of both new graphs, each text under
    the temperature that the other four fifths gave."""
    truth = truth_of(rows)
    cross_fitted = _cross_fitted(int8, rows)
    return Measured(
        texts=len(rows),
        before=figures(before[0], truth, np.full(len(rows), before[1])) if before else None,
        fp32=figures(fp32, truth, cross_fitted),
        int8=figures(int8, truth, cross_fitted),
        temperature=best_temperature(temperature_losses(int8, truth)),
    )


def truth_of(rows: list[Labelled]) -> np.ndarray:
    """Each row's label as an index into the three."""
    return np.array([recipe.SENTIMENTS.index(row.label) for row in rows])


def figures(logits: np.ndarray, truth: np.ndarray, temperatures: np.ndarray) -> Figures:
    """Accuracy, macro-F1 and calibration error, each text under its own temperature."""
    scores = restricted(softmax(logits / temperatures[:, None]), truth)
    predicted = scores.argmax(axis=1)
    values = {
        "accuracy": float((predicted == truth).mean()),
        "macro_f1": macro_f1(truth, predicted, len(recipe.SENTIMENTS)),
        "ece": calibration_error(scores.max(axis=1), predicted == truth),
    }
    return {name: round(value, 4) for name, value in values.items()}


def table(measured: Measured) -> str:
    """Before and after as a Markdown table."""
    lines = [
        f"| {measured.texts} held-out texts | accuracy | macro-F1 | ECE |",
        "|---|---|---|---|",
    ]
    graphs = {
        "before, INT8": measured.before,
        "after, fp32": measured.fp32,
        "after, INT8": measured.int8,
    }
    for name, values in graphs.items():
        cells = [f"{value:.3f}" for value in values.values()] if values else ["–"] * 3
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cross_fitted(logits: np.ndarray, rows: list[Labelled]) -> np.ndarray:
    """For each text the temperature that the texts outside its own fold give."""
    truth = truth_of(rows)
    folds = np.array([fold(row.text) for row in rows])
    temperatures = np.ones(len(rows))
    for at in range(FOLDS):
        others = folds != at
        if others.any() and len(np.unique(truth[others])) > 1:
            temperatures[~others] = best_temperature(
                temperature_losses(logits[others], truth[others])
            )
    return temperatures
