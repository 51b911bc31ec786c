"""The estimators of doubt: the regression, the numbers that it reads, and the choice of thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer

from training import deferral, logistic, recipe
from training.data import FOLDS, Row, fold
from training.deferral import Question, common_thresholds, features, fit_needs
from training.metrics import logit
from training.model import Heads
from training.reader import Reading, sigmoid
from training.routing import Traffic

CALIBRATION = {
    "temperatures": {"sentiment": 1.0, "sarcasm": 2.0},
    "emotion_thresholds": dict.fromkeys(recipe.EMOTIONS, 0.5),
}


def reading(
    tokenizer: Tokenizer,
    text: str,
    sentiment: tuple[float, float, float] = (0.2, 0.1, 0.7),
    tags: dict[int, dict[str, float]] | None = None,
    emotions: dict[str, float] | None = None,
    sarcasm: float = 0.0,
) -> Reading:
    """A reading with these probabilities; `tags` by token, the rest of it O."""
    encoding = tokenizer.encode(text)
    chances = np.full((len(encoding.ids), len(recipe.TAGS)), 1e-9)
    chances[:, 0] = 1
    for at, of_token in (tags or {}).items():
        chances[at, 0] = 1 - sum(of_token.values())
        for tag, chance in of_token.items():
            chances[at, recipe.TAGS.index(tag)] = chance
    felt = np.array([(emotions or {}).get(name, 0.01) for name in recipe.EMOTIONS])
    return Reading(np.log(sentiment), sarcasm, logit(felt), np.log(chances), encoding)


def test_the_regression_finds_what_made_the_data() -> None:
    dice = np.random.default_rng(1)
    inputs = dice.normal(size=(20_000, 2)) * [1, 50] + [0, 300]
    truth = dice.random(20_000) < sigmoid(-7 + 1.5 * inputs[:, 0] + 0.02 * inputs[:, 1])
    fitted = logistic.fit(inputs, truth, np.ones(20_000))
    assert fitted.intercept == pytest.approx(-7, abs=0.4)
    assert fitted.weights == pytest.approx([1.5, 0.02], rel=0.08)
    # At the optimum the mean probability is the share.
    assert fitted(inputs).mean() == pytest.approx(truth.mean(), abs=1e-6)


def test_weights_count_as_repetition_and_the_penalty_knows_no_unit() -> None:
    dice = np.random.default_rng(2)
    inputs, times = dice.normal(size=(300, 3)), dice.integers(1, 4, 300)
    truth = dice.random(300) < sigmoid(inputs[:, 0])
    weighted = logistic.fit(inputs, truth, times.astype(float), 0.01)
    repeated = logistic.fit(
        np.repeat(inputs, times, axis=0), np.repeat(truth, times), np.ones(times.sum()), 0.01
    )
    assert weighted.weights == pytest.approx(repeated.weights)
    in_thousandths = logistic.fit(inputs * [1000, 1, 1], truth, times.astype(float), 0.01)
    assert in_thousandths(inputs * [1000, 1, 1]) == pytest.approx(weighted(inputs))
    penalised = logistic.fit(inputs, truth, times.astype(float), 10.0)
    assert np.abs(penalised.weights).max() < 0.2 * np.abs(weighted.weights).max()


def test_a_number_that_never_changes_weighs_nothing() -> None:
    inputs = np.column_stack([[0.0, 1.0] * 20, np.full(40, 7.0)])
    fitted = logistic.fit(inputs, np.array([False, True, True, False] * 10), np.ones(40), 0.01)
    assert fitted.weights[1] == 0


def test_features_are_what_their_names_say(converted: tuple[Heads, Tokenizer]) -> None:
    of = features(
        reading(
            converted[1],
            "battery and case",
            tags={1: {"B-positive": 0.7, "B-negative": 0.1}, 3: {"B-negative": 0.5, "I-negative": 0.1}},
            emotions={"anger": 0.9},
            sarcasm=2.0,
        ),
        CALIBRATION,
    )
    assert of["margin"] == pytest.approx(logit(0.5))
    assert of["top"] == pytest.approx(logit(0.7))
    assert of["entropy"] == pytest.approx(-sum(p * np.log(p) for p in (0.2, 0.1, 0.7)))
    assert of["sarcasm"] == pytest.approx(1.0)
    assert of["sides"] == pytest.approx(logit(0.2))
    assert (of["p_negative"], of["p_neutral"]) == pytest.approx((0.2, 0.1))
    assert of["tags_odds"] == pytest.approx(logit(0.6))
    assert of["tags_positive"] == pytest.approx(logit(0.7))
    assert of["tags_neutral"] == pytest.approx(logit(1e-9))
    # The first term: (0.7 - 0.1) / 0.8 above the next polarity, 2 · 0.8 - 1 above being none.
    # The second: alone with its polarity, 2 · 0.6 - 1 above being none.
    assert of["tags_margin"] == pytest.approx(0.2, abs=1e-6)
    assert of["liked_yet_negative"] == pytest.approx(0.2)
    assert of["disliked_yet_positive"] == of["conflict"] == pytest.approx(0.6)
    assert of["tokens"] == pytest.approx(np.log(5))
    assert of["emotion_anger"] == pytest.approx(logit(0.9))
    assert of["emotions_doubt"] == pytest.approx(0.2)
    assert of["emotions_contradict"] == 1.0
    assert "odds" not in of


def test_a_text_without_terms_or_emotions_is_as_doubtful_as_the_gateway_has_it(
    converted: tuple[Heads, Tokenizer],
) -> None:
    of = features(reading(converted[1], "hm", emotions={"surprise": 0.6}), CALIBRATION)
    assert of["tags_margin"] == 1.0
    assert of["emotions_contradict"] == 0.0
    assert features(reading(converted[1], "hm"), CALIBRATION)["emotions_doubt"] == 1.0


def test_no_text_is_scored_by_a_fit_that_saw_it() -> None:
    """Each fold's own texts say the opposite of all others."""
    folds = np.repeat(np.arange(FOLDS), 40)
    inputs = np.tile([[0.0], [1.0]], (100, 1))
    truth = inputs[:, 0] == 1
    truth[folds == 2] = ~truth[folds == 2]
    everything = np.ones(200, dtype=bool)
    chances = Question(inputs, truth, everything, np.ones(200), folds, 1e-3).chances()
    assert (chances[(folds == 2) & truth] < 0.1).all()
    assert (chances[(folds != 2) & (inputs[:, 0] == 1)] > 0.6).all()


def test_what_is_not_known_trains_nothing() -> None:
    folds = np.arange(200) % FOLDS
    inputs = np.tile([[0.0], [0.0], [1.0], [1.0]], (50, 1))
    known = np.arange(200) % 2 == 0
    truth = np.where(known, inputs[:, 0] == 1, inputs[:, 0] == 0)
    chances = Question(inputs, truth, known, np.ones(200), folds, 1e-3).chances()
    assert (chances[inputs[:, 0] == 1] > 0.9).all()


def test_thresholds_let_a_fifth_through_and_lie_about_a_level() -> None:
    dice = np.random.default_rng(3)
    kinds = np.array(["plain"] * 400 + ["their plain"] * 400 + ["sarcastic"] * 100 + ["odds"] * 100)
    needs = np.isin(kinds, ["sarcastic", "odds"])
    mix = Traffic(kinds, kinds, needs, np.full(1000, 1e-3))
    chances = {
        "ambiguous": dice.random(1000) * 0.3,
        "sarcasm": np.where(kinds == "sarcastic", 0.6, 0.1) + dice.random(1000) * 0.2,
        "multi_aspect": np.where(kinds == "odds", 0.6, 0.1) + dice.random(1000) * 0.2,
    }
    chosen = common_thresholds(chances, mix)
    fired = np.any([chances[name] >= chosen[name] for name in chosen], axis=0)
    assert fired.sum() <= 202  # the levels are rounded
    assert fired[needs].sum() >= 195  # a fifth is a bound
    assert np.ptp([logit(value) for value in chosen.values()]) <= 1.01


def test_too_few_texts_have_no_estimators(converted: tuple[Heads, Tokenizer]) -> None:
    rows = [
        Row("sarcasm/isarcasm", "Oh, great.", {"label": "sarcastic"}),
        Row("sarcasm/isarcasm", "Rain again.", {"label": "not_sarcastic"}),
        Row("aspects/mams", "a b", {"aspects": [{"polarity": "positive"}, {"polarity": "negative"}]}),
        Row("sentiment/dynasent", "good", {"label": "positive"}),
    ]
    read = [(row, reading(converted[1], row.text)) for row in rows]
    doubts = deferral.doubts(read, CALIBRATION)
    assert not doubts.is_enough()
    assert fit_needs(read, doubts, CALIBRATION) is None
    assert fit_needs(read[:1], deferral.doubts([], CALIBRATION), CALIBRATION) is None
    assert deferral.chances(read[0][1], CALIBRATION) == {}


def test_the_folds_share_no_text() -> None:
    assert fold("It  is GOOD") == fold("it is good")
    assert {fold(str(number)) for number in range(100)} == set(range(FOLDS))
