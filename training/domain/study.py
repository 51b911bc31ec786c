"""Owns the measurement behind the figures that the documentation gives: what fitting to a domain
gains there, and what it costs elsewhere.

    python -m training.domain.study --data DIR --out FILE.json [--model models/undertone-mini]

For every set of DIR/domain that is named, every count of examples and three seeds: fit to so many
texts of its train part, measure on its dev part, and measure the other heads on DIR's own dev
sets. FILE keeps every finished cell; the same command goes on after the last one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np

from training import figures, recipe
from training.data import sets
from training.domain import rows
from training.domain.chain import fit_graph, open_start
from training.package import sha256
from training.train import SET_HELP

SETS = ["airline_tweets", "stack_overflow"]
COUNTS = [1000, 250, 0]  # 0: all there are
SEEDS = [1, 2, 3]

# Task of `training/figures.py` -> the figure that says what its head is worth, as a mean over
# its sets. Sentiment in general is read off short texts: the long reviews take most of an hour.
HEADS = {"sarcasm": "f1", "emotion": "macro_f1", "aspects": "f1", "sentiment": "accuracy"}
GENERAL_SENTIMENT = ["sentiment/dynasent", "sentiment/product_sentences", "sentiment/sst2"]


def study(data: Path, model: Path, out: Path, hyper: recipe.DomainHyper, counts: list[int]) -> dict:
    """Measures what FILE does not hold yet, a cell at a time, and returns all of it."""
    graph = sha256(model / "model.onnx")
    found = json.loads(out.read_text()) if out.exists() else {}
    if found and (found["graph_sha256"], found["hyper"]) != (graph, dataclasses.asdict(hyper)):
        raise SystemExit(f"--out {out}: holds figures of another model, or of other numbers")
    version = json.loads((model / "manifest.json").read_text())["version"]
    found = found or {
        "model": f"{model.name} {version}",
        "graph_sha256": graph,
        "hyper": dataclasses.asdict(hyper),
        "before": heads(data, model),
        "cells": {},
    }
    _keep(out, found)
    for count in counts:
        for name in SETS:
            for seed in SEEDS:
                key = f"{name}/{count or 'all'}/{seed}"
                if key not in found["cells"]:
                    numbers = dataclasses.replace(hyper, seed=seed)
                    found["cells"][key] = cell(data, model, name, count, numbers)
                    print(key, json.dumps(found["cells"][key]), flush=True)
                    _keep(out, found)
    return found


def cell(data: Path, model: Path, name: str, count: int, hyper: recipe.DomainHyper) -> dict:
    """One fit: its figures on the set's dev part, and every head's elsewhere."""
    folder = data / "domain" / name
    # As it stands, repeated texts too: whoever measures the file again gets the same figures.
    lines = (folder / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    held_out = [rows.Labelled(line["text"], line["label"]) for line in map(json.loads, lines)]
    train = rows.apart_from(rows.read(folder / "train.jsonl"), held_out)
    parts = rows.Parts(rows.some(train, count or None, hyper.seed), held_out)
    with tempfile.TemporaryDirectory() as work:
        measured = fit_graph(open_start(model, parts), parts, hyper, Path(work))
        return {
            "examples": len(parts.train),
            **dataclasses.asdict(measured),
            "heads": heads(data, Path(work) / "finished"),
        }


def heads(data: Path, model: Path) -> dict[str, float]:
    """What each head is worth on the dev sets, through the INT8 graph."""
    names = [
        name
        for name in sets(data)
        if not name.startswith("sentiment/") or name in GENERAL_SENTIMENT
    ]
    measured = figures.measure(data, model / "model.onnx", model, names)
    worth: dict[str, float] = {}
    for task, figure in HEADS.items():
        of_task = [of[figure] for name, of in measured.items() if name.startswith(f"{task}/")]
        worth[task] = round(float(np.mean(of_task)), 4)
    return worth


def table(found: dict) -> str:
    """Means over the seeds: points of accuracy gained on the domain, and change of each head."""
    lines = [
        "| set | examples | seeds | before | after, mean (each) | gain | macro-F1 gain | ECE | "
        "INT8 − fp32 | sarcasm | emotions | aspects | other sentiment |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in SETS:
        for count in sorted(COUNTS, key=lambda count: count or 10**9):
            cells = [
                found["cells"][key]
                for seed in SEEDS
                if (key := f"{name}/{count or 'all'}/{seed}") in found["cells"]
            ]
            if cells:
                lines.append(_line(name, cells, found["before"]))
    return "\n".join(lines)


def _line(name: str, cells: list[dict], before: dict[str, float]) -> str:
    def mean(part: str, figure: str) -> float:
        return float(np.mean([cell[part][figure] for cell in cells]))

    each = ", ".join(f"{100 * cell['int8']['accuracy']:.1f}" for cell in cells)
    gains = [
        mean("int8", figure) - mean(other, figure)
        for figure, other in (("accuracy", "before"), ("macro_f1", "before"), ("accuracy", "fp32"))
    ]
    changes = [mean("heads", head) - before[head] for head in HEADS]
    columns = [
        f"`{name}`",
        f"{cells[0]['examples']:,}",
        str(len(cells)),
        f"{100 * mean('before', 'accuracy'):.1f}",
        f"{100 * mean('int8', 'accuracy'):.1f} ({each})",
        f"{100 * gains[0]:+.1f}",
        f"{100 * gains[1]:+.1f}",
        f"{mean('before', 'ece'):.3f} → {mean('int8', 'ece'):.3f}",
        f"{100 * gains[2]:+.1f}",
        *(f"{100 * change:+.1f}" for change in changes),
    ]
    return f"| {' | '.join(columns)} |"


def _keep(out: Path, found: dict) -> None:
    """Replaces the file as a whole: a session that ends meanwhile leaves the old one."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    part.write_text(json.dumps(found, indent=1) + "\n")
    part.replace(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="with domain/SET and dev sets")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file that keeps cells")
    parser.add_argument("--model", type=Path, default=Path("models/undertone-mini"))
    parser.add_argument(
        "--counts", type=int, nargs="+", default=COUNTS, help="of examples; 0 is all there are"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=SET_HELP)
    given = parser.parse_args()
    hyper = recipe.hyper(given.set, recipe.DomainHyper())
    print(table(study(given.data, given.model, given.out, hyper, given.counts)))


if __name__ == "__main__":
    main()
