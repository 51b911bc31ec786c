"""The measure of the routing, on traffic of which the answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from training.data import alike
from training.metrics import auroc
from training.routing import Traffic
from training.routing_figures import (
    by_kind,
    catch,
    escalated,
    fired_by_fold,
    interval,
    isotonic,
    risk_area,
    weighted_auroc,
    weighted_ece,
)


def mix(needs: list[bool], kind: list[str], weight: list[float] | None = None) -> Traffic:
    weights = np.array(weight or [1.0] * len(needs))
    return Traffic(
        np.array(["a"] * len(needs)), np.array(kind), np.array(needs), weights / weights.sum()
    )


def test_texts_are_written_alike_whatever_their_set_does() -> None:
    treebank, tweet = "it 's ( not )  bad , is n't it ?", "It's (not) bad, isn't it?"
    assert alike(treebank) == alike(tweet) == "it's (not) bad, isn't it?"


def test_with_equal_weights_it_is_the_usual_auroc_and_weights_count_as_repetition() -> None:
    dice = np.random.default_rng(1)
    score, needs = dice.integers(0, 5, 60).astype(float), dice.random(60) < 0.4
    plain = mix(list(needs), ["plain"] * 60)
    assert weighted_auroc(score, plain) == pytest.approx(auroc(score, needs))
    times = dice.integers(1, 4, 60)
    weighted = mix(list(needs), ["plain"] * 60, list(times.astype(float)))
    expected = auroc(np.repeat(score, times), np.repeat(needs, times))
    assert weighted_auroc(score, weighted) == pytest.approx(expected)


def test_what_scores_highest_is_escalated_up_to_the_share() -> None:
    of = mix([True, False, True, False], ["odds", "plain", "sarcastic", "plain"])
    score = np.array([0.9, 0.8, 0.1, 0.2])
    chosen = escalated(score, of, 0.5)
    assert chosen.tolist() == [True, True, False, False]
    # An oracle would have caught both that need it.
    assert catch(chosen, of) == pytest.approx(0.5)
    assert catch(escalated(of.needs.astype(float), of, 0.5), of) == pytest.approx(1.0)
    shares = by_kind(chosen, of)
    assert (shares["at odds"], shares["sarcastic"], shares["plain and right"]) == (1.0, 0.0, 0.5)


def test_risk_is_least_where_what_needs_help_is_kept_last() -> None:
    of = mix([True, False, False, False], ["odds", "plain", "plain", "plain"])
    best = risk_area(np.array([1.0, 0.0, 0.1, 0.2]), of)
    worst = risk_area(np.array([-1.0, 0.0, 0.1, 0.2]), of)
    assert best == pytest.approx(1 / 16)
    assert worst == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_an_interval_holds_the_measured_value() -> None:
    dice = np.random.default_rng(2)
    kinds = [name for name in ("plain", "their plain", "odds", "sarcastic") for _ in range(50)]
    needs = np.array([name in ("odds", "sarcastic") for name in kinds])
    score = dice.random(200) + 0.3 * needs
    of = mix(list(needs), kinds)
    low, high = interval(score, of, weighted_auroc)
    assert low < weighted_auroc(score, of) < high < low + 0.25


def test_the_calibration_error_is_the_distance_to_what_came() -> None:
    kinds = ["plain"] * 4
    of = mix([True, False, False, False], kinds)
    assert weighted_ece(np.array([0.25] * 4), of) == pytest.approx(0)
    assert weighted_ece(np.array([1.0, 0.0, 0.0, 0.0]), of) == pytest.approx(0)
    assert weighted_ece(np.array([0.65] * 4), of) == pytest.approx(0.4)


def test_the_isotonic_map_rises_and_pools_what_falls() -> None:
    score = np.array([0.1, 0.2, 0.3, 0.4])
    line = isotonic(score, np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4))
    assert line(score).tolist() == pytest.approx([0, 0.5, 0.5, 1])
    assert line(np.array([0.0, 0.9])).tolist() == pytest.approx([0, 1])


def test_thresholds_are_chosen_without_the_fold_that_they_measure() -> None:
    """One fold's texts, all in need, score below everything else: a threshold chosen with them
    would reach down to them."""
    kinds = [name for name in ("plain", "their plain", "odds", "sarcastic") for _ in range(100)]
    folds = np.tile(np.arange(5), 80)
    needs = folds == 4
    chance = np.where(needs, 0.2, np.random.default_rng(4).random(400) * 0.5 + 0.3)
    chances = {name: chance for name in ("ambiguous", "sarcasm", "multi_aspect")}
    fired = fired_by_fold(chances, mix(list(needs), kinds), folds)
    assert not fired[needs].any()
    assert 0.15 < fired[~needs].mean() < 0.3
