"""Training runs: where one begins, what it is held to, what it reads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch

from conftest import SAMPLE, TINY, Chain
from training import recipe
from training.model import load
from training.train import DATA, KEPT, train

STILL = dataclasses.replace(TINY, epochs=1, learning_rate=0)


def test_a_run_finishes_where_another_ended(finished: Chain, tmp_path: Path) -> None:
    shares = recipe.shares_to_finish(["sarcasm/written"])
    train(SAMPLE, tmp_path, STILL, start=finished.run, shares=shares)
    before, after = (load(run / "model")[0].state_dict() for run in (finished.run, tmp_path))
    assert all(torch.equal(before[name], after[name]) for name in before), "at a rate of 0 nothing is learned"
    earlier, both = (json.loads((run / DATA).read_text()) for run in (finished.run, tmp_path))
    added = {name: both[name]["reads"] - counts["reads"] for name, counts in earlier.items()}
    assert added["sarcasm/written"] == 0, "a set that the stretch does not name is left out"
    assert added["sentiment/dynasent"] > 0, "what both runs read is counted"


def test_what_a_model_said_before_holds_all_runs_that_go_on_from_it(finished: Chain, tmp_path: Path) -> None:
    first, last = tmp_path / "first", tmp_path / "last"
    train(SAMPLE, first, STILL, start=finished.model)
    train(SAMPLE, last, STILL, start=first, shares=recipe.shares_to_finish([]))
    assert (first / KEPT).read_bytes() == (last / KEPT).read_bytes()
    begun = json.loads((last / "start.json").read_text())
    assert begun["trained_from"]["name"] == json.loads((finished.model / "manifest.json").read_text())["name"]
    assert begun["finish"]["learning_rate"] == 0
