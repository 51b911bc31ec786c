"""Owns what a trained teacher scores on dev: whether it has anything to teach.

    python -m training.teacher_figures --data DIR --run RUN [--model models/NAME]

Its figures on the sets that it read, and those of a model folder beside them. Where it is no
better than the model, the student is better left to the labels (`NOT_TAUGHT`, recipe.py).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer

from training import recipe
from training.data import Row, read
from training.encode import Example, encode
from training.figures import MEASURES
from training.model import Heads, base_tokenizer
from training.reader import MAX_TOKENS, Reading
from training.teacher import further

# As they are: a teacher is asked for probabilities, not for routing.
PLAIN = {
    "temperatures": {"sentiment": 1.0, "sarcasm": 1.0},
    "emotion_thresholds": dict.fromkeys(recipe.EMOTIONS, 0.3),
}
SHOWN = {
    "sentiment": ["accuracy", "macro_f1"],
    "sarcasm": ["f1", "auroc"],
    "emotions": ["macro_f1"],
    "aspects": ["f1"],
}


def measure(data: Path, run: Path, beside: dict[str, dict[str, float]]) -> None:
    """Prints a line for each set."""
    tokenizer, _ = base_tokenizer()
    model = further(run).eval()
    for name, share in recipe.TEACHER_SHARES.items():
        rows = list(read(data, name, "dev"))
        if not rows or not share:
            continue
        readings = read_all(model, tokenizer, rows)
        figures = MEASURES[rows[0].task](rows, readings, [PLAIN] * len(rows))
        cells = [
            f"{key} {figures[key]:.3f}" + (f" ({beside[name][key]:.3f})" if name in beside else "")
            for key in SHOWN[rows[0].task]
        ]
        print(f"{name:32} {len(rows):5}  {', '.join(cells)}", flush=True)


def read_all(model: Heads, tokenizer: Tokenizer, rows: list[Row]) -> list[Reading]:
    """The network's logits for some texts of one task, read alone."""
    examples = encode(rows, tokenizer, MAX_TOKENS)
    tokenizer.enable_truncation(MAX_TOKENS)
    encodings = tokenizer.encode_batch([row.text for row in rows])
    return [
        _reading(model, example, encoding)
        for example, encoding in zip(examples, encodings, strict=True)
    ]


@torch.no_grad()
def _reading(model: Heads, example: Example, encoding: Encoding) -> Reading:
    ids = torch.tensor([example.ids])
    outputs = {
        name: logits[0].numpy() for name, logits in model(ids, torch.ones_like(ids)).items()
    }
    return Reading(
        outputs["sentiment"],
        float(outputs["sarcasm"][0]),
        outputs["emotions"],
        np.asarray(outputs["aspects"]),
        encoding,
        float(outputs["odds"][0]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a model folder, in brackets beside it")
    given = parser.parse_args()
    beside = json.loads((given.model / "figures.json").read_text())["int8"] if given.model else {}
    measure(given.data, given.run, beside)


if __name__ == "__main__":
    main()
