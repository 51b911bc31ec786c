"""Owns logistic regression: Newton's method on a weighted, penalised likelihood. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.reader import sigmoid

STEPS = 50
CLOSE = 1e-8


@dataclass(frozen=True)
class Logistic:
    """P = σ(intercept + Σ weight · input), over inputs as they come."""

    intercept: float
    weights: np.ndarray

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        return sigmoid(self.intercept + inputs @ self.weights)


def fit(
    inputs: np.ndarray, truth: np.ndarray, weight: np.ndarray, penalty: float = 0.0
) -> Logistic:
    """The likeliest numbers. `inputs` are [texts, numbers]; the penalty falls on each number's
    weight per standard deviation, so that its unit does not matter, and not on the intercept."""
    weight = weight / weight.sum()
    mean = weight @ inputs
    spread = np.sqrt(weight @ (inputs - mean) ** 2)
    spread[spread < 1e-9] = np.inf  # what never changes says nothing
    standard = np.column_stack([np.ones(len(inputs)), (inputs - mean) / spread])
    ridge = np.diag([0.0] + [penalty] * inputs.shape[1])
    numbers = np.zeros(standard.shape[1])
    for _ in range(STEPS):
        chances = sigmoid(standard @ numbers)
        gradient = standard.T @ (weight * (chances - truth)) + ridge @ numbers
        curvature = (standard * (weight * chances * (1 - chances))[:, None]).T @ standard
        step = np.linalg.solve(curvature + ridge + 1e-9 * np.eye(len(numbers)), gradient)
        numbers -= step
        if np.abs(step).max() < CLOSE:
            break
    weights = numbers[1:] / spread
    return Logistic(float(numbers[0] - mean @ weights), weights)

