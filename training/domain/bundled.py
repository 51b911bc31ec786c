"""Owns beginning with a folder that this project's chain made: the bundled model, or one that
was fitted before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx

from training import recipe
from training.domain.keep import learn, other_texts
from training.domain.rows import Labelled
from training.domain.start import Start
from training.export import graph_of
from training.package import write_tokenizer
from training.reader import Reader
from training.restore import restore
from training.smooth import factors


# So many texts show which channels are large; more show nothing new.
TEXTS_TO_SMOOTH = 400
# A channel may peak as high as this share of the channels do. Fitted to the posts about programming, a
# model lost two points by INT8 without this, and nothing with 0.3 (`study.py`, INT8 − fp32).
USUAL = 0.3


class BundledStart(Start):
    """Four heads, restored from the served INT8 graph."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        self.folder = folder
        self.graph = folder / manifest["graph"]["file"]
        self.tokenizer_file = folder / manifest["tokenizer"]["file"]
        self.heads = manifest["heads"]
        self.max_tokens = manifest["max_tokens"]
        self.languages = manifest["languages"]
        self.base = {
            **{name: manifest["base"][name] for name in ("name", "licence", "source")},
            "trained_from": {
                "name": manifest["name"],
                "version": manifest["version"],
                "graph_sha256": manifest["graph"]["sha256"],
            },
        }
        self.data = manifest["data"]
        self.own_calibration = json.loads((folder / "calibration.json").read_text())
        self.model, self.tokenizer = restore(folder)
        self.seen: list[str] = []

    def before(self, texts: list[str], work: Path) -> tuple[np.ndarray, float]:
        temperature = self.own_calibration["temperatures"]["sentiment"]
        return self.logits(self.graph, texts), temperature

    def learn(self, rows: list[Labelled], hyper: recipe.DomainHyper, work: Path) -> None:
        learn(self.model, self.tokenizer, rows, hyper, work)
        self.seen = [*(row.text for row in rows), *other_texts()]

    def write(self, fp32: Path, finished: Path) -> None:
        onnx.save(graph_of(self.model), fp32)
        texts = self.seen[:: max(1, len(self.seen) // TEXTS_TO_SMOOTH)]
        smooth = factors(self.model, self.tokenizer, texts, USUAL)
        onnx.save(graph_of(self.model, True, smooth), finished / "model.onnx")
        write_tokenizer(self.tokenizer_file, finished)

    def logits(self, graph: Path, texts: list[str]) -> np.ndarray:
        readings = Reader(graph, self.tokenizer_file).read_all(texts)
        return np.stack([reading.sentiment for reading in readings])

    def calibration(self, temperature: float) -> dict:
        kept = {"emotion_thresholds", "mixed", "thresholds", "estimators"}
        return {
            "temperatures": {
                **self.own_calibration["temperatures"],
                "sentiment": temperature,
            },
            **{name: own for name, own in self.own_calibration.items() if name in kept},
        }
