"""Owns the mean of two runs' weights, the later trained from the earlier.

    python -m training.blend --run LATER --with EARLIER --share 0.75 --out RUN

A run that goes on from another gains on what it is shown and forgets a little of the rest;
weights between the two often keep both (Wortsman et al. 2022, "WiSE-FT"). RUN gets LATER's
files, its model with `share` of LATER's weights and the rest of EARLIER's. Tokens and heads that
EARLIER does not know keep LATER's weights. The share is chosen on the texts set aside.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch

from training.model import load, save

WORDS = "encoder.embeddings.word_embeddings.weight"
KEPT = ("aside.jsonl", "data.json", "teacher.json", "start.json")


def blend(later: Path, earlier: Path, share: float, out: Path) -> None:
    """Writes the run between two others."""
    model, tokenizer = load(later / "model")
    other, other_tokenizer = load(earlier / "model")
    weights, others = model.state_dict(), other.state_dict()
    known, others_known = tokenizer.get_vocab(), other_tokenizer.get_vocab()
    new = [number for token, number in known.items() if others_known.get(token) != number]
    mixed = {
        name: torch.lerp(others[name], weight, share) if name in others else weight
        for name, weight in weights.items()
    }
    mixed[WORDS][new] = weights[WORDS][new]
    model.load_state_dict(mixed)
    save(model, tokenizer, out / "model")
    for name in KEPT:
        if (later / name).exists():
            shutil.copyfile(later / name, out / name)
    start = json.loads((out / "start.json").read_text()) if (out / "start.json").exists() else {}
    (out / "start.json").write_text(json.dumps({**start, "blended": share}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the later run")
    parser.add_argument("--with", type=Path, required=True, dest="earlier", help="the earlier one")
    parser.add_argument("--share", type=float, required=True, help="of the later one's weights")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    blend(given.run, given.earlier, given.share, given.out)


if __name__ == "__main__":
    main()
