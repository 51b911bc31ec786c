"""Owns the training run of the served network: from the data to RUN/model.

    python -m training.train --data DIR --run RUN [--start MODEL] [--resume] [--finish] [--set epochs=1]

RUN/model receives the averaged weights, RUN/aside.jsonl the texts that were set aside. Where
RUN/teacher holds a teacher's answers, they soften the labels.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from training import recipe
from training.canonical import canonical
from training.data import Row, sets, split
from training.encode import Example, encode, plan, soften
from training.fit import fit
from training.model import Heads, base, load, save
from training.restore import restore
from training.teacher import answer, read_answers

# In a run's folder: what the start of it said of the sets that it knew.
KEPT = "kept.safetensors"
# What of each set was read.
DATA = "data.json"
SET_HELP = "one of the recipe's numbers, as in epochs=1; may be given several times"

def train(
    data: Path,
    run: Path,
    hyper: recipe.Hyper,
    start: Path | None = None,
    resume: bool = False,
    max_steps: int = 0,
    shares: Mapping[str, float] = recipe.SHARES,
) -> None:
    """Runs, or goes on with, one training run: from the base, from the model folder `start`, or from where
    the run in the folder `start` ended. `max_steps` cuts it short: the learning rate then falls to zero there."""
    torch.manual_seed(hyper.seed)
    run.mkdir(parents=True, exist_ok=True)
    model, tokenizer = _begun(start)
    model.with_odds()
    tokenizer = canonical(tokenizer)
    origin = _origin(start, hyper) | ({"steps": max_steps} if max_steps else {})
    known = set(origin.get("trained_from", {}).pop("sets", []))
    (run / "start.json").write_text(json.dumps(origin))
    if start and (start / KEPT).exists() and not (run / KEPT).exists():
        shutil.copyfile(start / KEPT, run / KEPT)
    train_model(model, tokenizer, data, run, hyper, resume, max_steps, known, shares)
    if start and (start / DATA).exists():
        _add_reads(start / DATA, run / DATA)


def train_model(
    model: Heads,
    tokenizer: Tokenizer,
    data: Path,
    run: Path,
    hyper: recipe.Hyper,
    resume: bool = False,
    max_steps: int = 0,
    known: set[str] = frozenset(),
    shares: Mapping[str, float] = recipe.SHARES,
) -> None:
    """Trains a given model; writes RUN/model and RUN/aside.jsonl. What it says of the sets that it has
    read already (`known`) it is held to, where no teacher says it better: what it learns besides costs less
    of what it knew (learning without forgetting, Li and Hoiem 2016)."""
    rows = split(data)
    run.mkdir(parents=True, exist_ok=True)
    _write_aside(rows.aside, run / "aside.jsonl")
    labelled = encode(rows.train, tokenizer, hyper.max_tokens)
    answers = {
        index: answer
        for index, answer in read_answers(run, rows.train, labelled).items()
        if rows.train[index].set not in recipe.NOT_TAUGHT
    }
    print(f"{len(answers)} of {len(labelled)} texts have a teacher's answer", flush=True)
    taught = len(answers)
    answers |= _own(model, labelled, known, answers, run / KEPT)
    print(f"{len(answers) - taught} are held to what the start says of them", flush=True)
    examples = soften(labelled, answers)
    batches = plan(examples, hyper, shares)
    (run / DATA).write_text(json.dumps(_counts(examples, batches), indent=2))
    if taught:
        said = {**recipe.TEACHER, "answers": taught, "weight": recipe.TEACHER_WEIGHT}
        (run / "teacher.json").write_text(json.dumps(said))
    fit(model, examples, batches, run / "checkpoints", hyper, resume, max_steps)
    save(model.cpu().eval(), tokenizer, run / "model")


def _own(
    model: Heads, examples: list[Example], known: set[str], answered: Mapping[int, Any], path: Path
) -> dict[int, np.ndarray]:
    """What the model says, before it is trained, of labelled texts of the sets that it knows. Kept in a
    file, so that a resumed run is held to the same."""
    if not path.exists():
        asked = [
            index
            for index, example in enumerate(examples)
            if example.set in known
            and example.is_labelled
            and index not in answered
            and recipe.SHARES.get(example.set, 1) >= recipe.KEPT_FROM
        ]
        said = answer(model, examples, asked)
        save_file({str(index): np.atleast_1d(array) for index, array in said.items()}, path)
    kept = load_file(path)
    return {
        int(index): array.reshape(np.shape(examples[int(index)].target))
        for index, array in kept.items()
    }


def _begun(start: Path | None) -> tuple[Heads, Tokenizer]:
    """The network to begin with, and its tokenizer."""
    if start is None:
        return base()
    return load(start / "model") if (start / "model").is_dir() else restore(start)


def _origin(start: Path | None, hyper: recipe.Hyper) -> dict:
    """What the manifest says of where training began."""
    numbers = {"hyper": dataclasses.asdict(hyper)}
    if start is None:
        return numbers
    if (start / "model").is_dir():
        begun = start / "start.json"
        earlier = json.loads(begun.read_text()) if begun.exists() else {}
        return {**earlier, "finish": numbers["hyper"]}
    manifest = json.loads((start / "manifest.json").read_text())
    return {
        **numbers,
        "trained_from": {
            "name": manifest["name"],
            "version": manifest["version"],
            "graph_sha256": manifest["graph"]["sha256"],
            "sets": [entry["name"] for entry in manifest["data"]],
        },
    }


def _add_reads(earlier: Path, path: Path) -> None:
    """Adds what the run before read to what this one did: both trained the weights."""
    counts = json.loads(path.read_text())
    for name, of in json.loads(earlier.read_text()).items():
        own = counts.setdefault(name, {"texts": of["texts"], "reads": 0})
        own["reads"] += of["reads"]
    path.write_text(json.dumps(counts, indent=2))


def _write_aside(rows: list[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({**row.fields, "set": row.set}, ensure_ascii=False) + "\n")


def _counts(examples: list[Example], batches: list[list[int]]) -> dict[str, dict[str, int]]:
    """Per set: its training texts, and how many of them the whole run reads."""
    counts: dict[str, dict[str, int]] = {}
    for example in examples:
        counts.setdefault(example.set, {"texts": 0, "reads": 0})["texts"] += 1
    for batch in batches:
        for index in batch:
            counts[examples[index].set]["reads"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a model folder, or the folder of a run, to train further")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=SET_HELP)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--finish", action="store_true", help="read by `SHARES_TO_FINISH`")
    parser.add_argument("--max-steps", type=int, default=0, help="cut the run after so many batches")
    given = parser.parse_args()
    hyper = recipe.hyper(given.set)
    shares = recipe.shares_to_finish(sets(given.data)) if given.finish else recipe.SHARES
    train(given.data, given.run, hyper, given.start, given.resume, given.max_steps, shares)


if __name__ == "__main__":
    main()
