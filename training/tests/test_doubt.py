"""P(the local label is wrong): what it is fitted on, and that a set's mark teaches it nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from training.data import Row
from training.doubt import Doubts, calibration_error, family, report, truth
from training.reader import sigmoid


def doubts(sets: int = 6, each: int = 400) -> Doubts:
    """Sets in which a low margin is wrong more often, whatever the set; beside it a number that tells
    wrong from right, and one that tells only in which set a text is."""
    dice = np.random.default_rng(4)
    count = sets * each
    place = np.repeat(np.arange(sets), each)
    margin, helps = dice.normal(size=count), dice.normal(size=count)
    of_set = place + 0.1 * dice.normal(size=count)
    harder = np.linspace(-1.5, 1.5, sets)[place]
    wrong = dice.random(count) < sigmoid(-1 - margin + 0.8 * helps + harder)
    names = np.array([f"set{at}" for at in place])
    return Doubts(["of_set", "margin", "helps"], np.column_stack([of_set, margin, helps]), wrong, names, names)


def test_a_number_that_helps_on_sets_left_out_counts_and_the_mark_of_a_set_does_not() -> None:
    chosen = doubts().chosen()
    assert [chosen.names[at] for at in chosen.columns] == ["margin", "helps"]
    assert chosen.fit().weights[0] == 0
    for own, margin in chosen.by_set(chosen.left_out()).values():
        assert own > margin


def test_where_nothing_helps_the_margin_is_left_as_it_is() -> None:
    whole = doubts()
    noise = np.random.default_rng(5).normal(size=len(whole.wrong))
    inputs = np.column_stack([whole.inputs[:, :2], noise])
    chosen = dataclasses.replace(whole, inputs=inputs).chosen()
    assert [chosen.names[at] for at in chosen.columns] == ["margin"]
    for own, margin in chosen.by_set(chosen.left_out()).values():
        assert own == pytest.approx(margin)


def test_no_set_is_scored_by_a_fit_that_saw_its_family() -> None:
    """One set's answers are turned round: only a fit that saw it could follow."""
    whole = dataclasses.replace(doubts(), columns=(1, 2))
    of = whole.sets == "set3"
    turned = dataclasses.replace(whole, wrong=np.where(of, ~whole.wrong, whole.wrong))
    assert turned.left_out()[of] == pytest.approx(whole.left_out()[of])
    other = whole.of("set3", whole.inputs[:5])
    assert other == pytest.approx(whole.fit("set3")(whole.inputs[:5]))


def test_the_report_names_the_numbers_and_both_areas() -> None:
    told = report(doubts().chosen())
    assert told["numbers"] == ["margin", "helps"]
    assert set(told["auroc"]) == {f"set{at}" for at in range(6)} == set(told["ece_by_set"])
    assert 0 < told["ece"] < 0.2


def test_the_error_of_calibration_is_the_distance_from_the_share() -> None:
    chances = np.array([0.1] * 10 + [0.9] * 10)
    wrong = np.array([True] * 3 + [False] * 7 + [True] * 9 + [False])
    assert calibration_error(chances, wrong) == pytest.approx(0.1)


def test_a_label_is_known_where_the_set_tells() -> None:
    assert truth(Row("sentiment/sst5", "x", {"label3": "neutral", "label5": 2})) == "neutral"
    assert truth(Row("cascade/sst3", "x", {"label": "positive"})) == "positive"
    both = [{"polarity": "positive"}, {"polarity": "negative"}]
    assert truth(Row("aspects/mams", "x", {"aspects": both})) == "mixed"
    assert truth(Row("aspects/mams", "x", {"aspects": both[:1]})) == "positive"
    assert truth(Row("sarcasm/isarcasm", "x", {"label": "sarcastic"})) is None
    assert truth(Row("sentiment/news_targets", "x", {"label": "positive"})) is None
    assert family("cascade/dynasent_r2") == family("sentiment/dynasent") != family("sentiment/tweets")
