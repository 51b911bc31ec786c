"""What it gains to ask an LLM, by published answers: who is asked, and how the tables count."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from training.asking_figures import Asked, aspects_table, expected_gain, sarcasm_table, sentiment_table
from training.doubt import Doubts

NAMES = ["margin", "sides"]


def asked(margin: list[float], wrong: list[bool], helps: list[bool], family: str = "a") -> Asked:
    one = Asked.__new__(Asked)
    inputs = np.array([[value, -value] for value in margin])
    sets = np.array([f"cascade/{family}"] * len(wrong))
    one.doubts = Doubts(NAMES, inputs, np.array(wrong), sets, np.array([family] * len(wrong)), (0,))
    one.helps = np.array(helps)
    return one


def test_the_most_doubtful_are_asked() -> None:
    one = asked([3, 0, 2, 1], [False, True, False, True], [False, True, True, True])
    assert one.right(one.margin, 0) == 0.5
    assert one.right(one.margin, 0.25) == 0.75
    assert one.right(one.margin, 0.5) == 1
    assert one.right(one.margin, 1) == 0.75, "the LLM has the first one wrong"


def test_gain_is_learned_from_the_other_files_alone() -> None:
    dice = np.random.default_rng(1)
    margin = dice.normal(size=400)
    # Only where the margin is high does the LLM know better.
    other = asked(list(margin), [True] * 400, list(margin > 0.5), "b")
    gain = expected_gain([other], (0,))
    assert gain(np.array([[2.0]]))[0] > gain(np.array([[-2.0]]))[0]
    # In this file it is the other way round, and there are more texts of it: its own answers would tell.
    margin = dice.normal(size=800)
    one = asked(list(margin), [True] * 800, list(margin < -0.5))
    rows = sentiment_table({"one": one, "other": other}, other.doubts)
    assert [row.split(" | ")[1] for row in rows[2:]] == ["margin", "P(wrong)", "expected gain"] * 2
    assert rows[4].split(" | ")[3] == "0.000", "asks by what the other file taught, in vain"


def test_sarcasm_is_counted_where_a_model_answered() -> None:
    lines = [
        {"label": "sarcastic", "answers": {"m": "sarcastic"}},
        {"label": "sarcastic", "answers": {"m": None}},
        {"label": "not_sarcastic", "answers": {"m": "sarcastic"}},
    ]
    readings = [SimpleNamespace(sarcasm=value) for value in (3.0, -3.0, -3.0)]
    rows = sarcasm_table(lines, readings, {"temperatures": {"sarcasm": 1.0}})
    assert rows[2] == "| m | 2 | 0.667 | 0.500 | 1.000 | 1.000 |"


def test_a_term_that_no_text_has_is_wrong(monkeypatch) -> None:  # noqa: ANN001
    food = {"term": "food", "from": 0, "to": 4, "polarity": "positive"}
    made_up = {"term": "drink", "from": None, "to": None, "polarity": "positive"}
    lines = [{"set": "s", "aspects": [food], "answers": {"m": [food, made_up]}}]
    monkeypatch.setattr("training.asking_figures.spans", lambda reading: reading)
    rows = aspects_table(lines, [{(0, 4, "negative")}])
    assert rows[2] == "| s | m | 1 | 0.667 | 0.000 |"
