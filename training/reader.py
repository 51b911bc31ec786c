"""Owns reading texts with an exported graph, as the gateway does: ONNX Runtime, one
text at a time, one thread a session run. No torch.

One at a time, because a graph of another maker may take the scale of its activations over the
whole batch: a text's logits would depend on its neighbours.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from training.session import open_session

MAX_TOKENS = 128  # of the served model; longer texts are cut here, read in windows there


@dataclass(frozen=True)
class Reading:
    """What the graph says of one text: logits, and the tokens that the tags belong to."""

    sentiment: np.ndarray  # [3]
    sarcasm: float
    emotions: np.ndarray  # [28]
    aspects: np.ndarray  # [tokens, 7]
    encoding: Encoding
    odds: float | None = None  # of a model that has a head for it


class Reader:
    """An exported graph, fp32 or INT8, with its tokenizer."""

    def __init__(self, graph: Path, tokenizer: Path) -> None:
        self.session = open_session(graph)
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.has_odds = "odds" in [output.name for output in self.session.get_outputs()]
        # The same one, which cuts nothing.
        self.whole = Tokenizer.from_file(str(tokenizer))

    def read(self, text: str) -> Reading:
        encoding = self.tokenizer.encode(text)
        ids = np.array([encoding.ids], dtype=np.int64)
        names = ["sentiment", "sarcasm", "emotions", "aspects", *(["odds"] if self.has_odds else [])]
        outputs = self.session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        sentiment, sarcasm, emotions, aspects, *odds = (output[0] for output in outputs)
        at_odds = float(odds[0][0]) if odds else None
        return Reading(sentiment, float(sarcasm[0]), emotions, aspects, encoding, at_odds)

    def read_all(self, texts: list[str]) -> list[Reading]:
        """The same, on as many cores as there are."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(self.read, texts))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(logits, dtype=np.float64)))
