"""The simulation: thresholds that keep the accuracy, and rounds in which the model learns."""

from __future__ import annotations

import dataclasses
import xml.dom.minidom
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, Chain

from training import online, recipe
from training.domain import rows
from training.online_plot import plot


@pytest.mark.parametrize(
    ("right", "accuracy", "escalated"),
    [
        ([1, 1, 1, 1, 1], 1.0, 0.0),  # all right: none has to be
        ([1, 1, 1, 1, 0], 1.0, 0.2),
        ([1, 1, 0, 1, 1], 1.0, 0.6),  # those less sure than the wrong one go as well
        ([1, 1, 0, 1, 0], 0.8, 0.2),  # one may stay wrong
        ([0, 0, 0, 0, 0], 0.6, 0.6),
        ([0, 1, 1, 1, 1], 1.0, 1.0),
    ],
)
def test_as_few_are_escalated_as_the_accuracy_allows(
    right: list[int], accuracy: float, escalated: float
) -> None:
    doubt, is_right = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array(right, dtype=bool)
    asked = doubt >= online.threshold(doubt, is_right, accuracy)
    assert asked.mean() == pytest.approx(escalated)
    assert (asked | is_right).mean() >= accuracy - 1e-9
    assert online.needed(doubt, is_right, accuracy) == pytest.approx(escalated)


def test_rounds_learn_from_what_was_escalated(
    finished: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "FEWEST_TO_FIT", 5)
    texts = rows.read(ROOT / "examples" / "hosting.csv")
    plan = online.Plan(rounds=2, texts=25, warm_up=20, sample=0.2, accuracy=1.0, seed=1)
    hyper = dataclasses.replace(recipe.DomainHyper(), epochs=1.0, batch=8)
    stream = rows.some(texts, 70, plan.seed)
    dev = rows.apart_from(texts, stream)
    found = online.simulate(stream, dev, finished.model, plan, hyper, tmp_path)
    assert [row["round"] for row in found] == [1, 2]
    assert found[0]["trained_on"] == 0 < found[1]["trained_on"] <= 25
    assert (tmp_path / "1" / "model.onnx").exists() and not (tmp_path / "2").exists()
    for row in found:
        assert row["by_doubt"] <= row["escalated"] <= 1
        assert row["accuracy"] >= row["local_accuracy"]
    lines = online.table(found).splitlines()
    assert len(lines) == 4 and lines[3].startswith(f"| 2 | {found[1]['trained_on']} |")
    picture = xml.dom.minidom.parseString(plot(found, 0.9))
    assert len(picture.getElementsByTagName("circle")) == 8
