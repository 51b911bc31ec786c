"""Owns what a model to begin with has to offer; `bundled.py` and `hub.py` each offer it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from training import recipe
from training.domain.rows import Labelled


class Start(ABC):
    """A network read from a folder, fitted in place, written as graphs."""

    folder: Path
    heads: dict  # of the new folder's manifest
    max_tokens: int  # that the served graph reads at once
    languages: list[str]
    base: dict  # what the manifest says of where the weights come from
    data: list[dict]  # what trained them before, as far as it is known

    @abstractmethod
    def before(self, texts: list[str], work: Path) -> tuple[np.ndarray, float] | None:
        """The INT8 logits of the start itself, [texts, 3], and its temperature; None where it
        does not tell the labels apart that it is to be fitted to."""

    @abstractmethod
    def learn(self, rows: list[Labelled], hyper: recipe.DomainHyper, work: Path) -> None:
        """Fits the network to labelled texts."""

    @abstractmethod
    def write(self, fp32: Path, finished: Path) -> None:
        """Writes the fp32 graph, and into the folder `finished` the INT8 one with all that
        reading it needs."""

    @abstractmethod
    def logits(self, graph: Path, texts: list[str]) -> np.ndarray:
        """A written graph's logits of negative, neutral and positive, [texts, 3]."""

    @abstractmethod
    def calibration(self, temperature: float) -> dict:
        """What calibration.json says, with the new temperature of the sentiment and the rest
        taken over."""
