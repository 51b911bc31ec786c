"""The study: it goes on where it ended, and its table says what the cells say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SAMPLE, Chain

from training import recipe
from training.domain import study

FIGURES = {"accuracy": 0.8, "macro_f1": 0.75, "ece": 0.04}
CELL = {
    "examples": 1000,
    "before": {"accuracy": 0.7, "macro_f1": 0.65, "ece": 0.1},
    "fp32": {**FIGURES, "accuracy": 0.805},
    "int8": FIGURES,
    "heads": {"sarcasm": 0.71, "emotion": 0.45, "aspects": 0.6, "sentiment": 0.85},
}
BEFORE = {"sarcasm": 0.7, "emotion": 0.46, "aspects": 0.6, "sentiment": 0.87}


def test_a_study_that_was_cut_short_goes_on(
    finished: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def cell(_data: Path, _model: Path, name: str, count: int, hyper: recipe.DomainHyper) -> dict:
        if len(asked) == 4:
            raise KeyboardInterrupt
        asked.append(f"{name}/{count}/{hyper.seed}")
        return CELL

    monkeypatch.setattr(study, "cell", cell)
    monkeypatch.setattr(study, "heads", lambda *_: BEFORE)
    out = tmp_path / "study.json"
    with pytest.raises(KeyboardInterrupt):
        study.study(SAMPLE, finished.model, out, recipe.DomainHyper(), [1000])
    assert len(json.loads(out.read_text())["cells"]) == 4
    asked = asked[:2]
    found = study.study(SAMPLE, finished.model, out, recipe.DomainHyper(), [1000])
    assert asked[2:] == ["stack_overflow/1000/2", "stack_overflow/1000/3"]
    rows = study.table(found).splitlines()
    assert len(rows) == 4
    assert rows[2] == (
        "| `airline_tweets` | 1,000 | 3 | 70.0 | 80.0 (80.0, 80.0, 80.0) | +10.0 | +10.0 | "
        "0.100 → 0.040 | -0.5 | +1.0 | -1.0 | +0.0 | -2.0 |"
    )
    with pytest.raises(SystemExit, match="another model, or of other numbers"):
        study.study(SAMPLE, finished.model, out, recipe.DomainHyper(keep=9.0), [1000])


def test_every_head_is_measured_on_the_dev_sets(finished: Chain) -> None:
    figures = json.loads((finished.model / "figures.json").read_text())["int8"]
    assert study.heads(SAMPLE, finished.model) == {
        "sarcasm": figures["sarcasm/written"]["f1"],
        "emotion": figures["emotion/goemotions"]["macro_f1"],
        "aspects": pytest.approx(figures["aspects/mams"]["f1"]),
        "sentiment": figures["sentiment/dynasent"]["accuracy"],
    }
