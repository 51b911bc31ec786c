"""The formulas, on cases that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer

from training.metrics import auroc, calibration_error, macro_f1, odds, restricted, spans, true_spans
from training.reader import Reading
from training.recipe import TAGS


def test_restricted_scores_of_a_two_way_set() -> None:
    scores = np.array([[0.2, 0.5, 0.3]])
    assert restricted(scores, np.array([0, 2])) == pytest.approx(np.array([[0.4, 0.0, 0.6]]))


def test_macro_f1_is_over_the_labels_that_occur() -> None:
    truth, predicted = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2])
    assert macro_f1(truth, predicted, 3) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_auroc_counts_ties_half() -> None:
    scores, positive = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    assert auroc(scores, positive) == pytest.approx(3.5 / 4)


def test_calibration_error() -> None:
    confidence, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, True, True, False])
    assert calibration_error(confidence, right) == pytest.approx(0.05)


def reading(tokenizer: Tokenizer, text: str, tags: list[str]) -> Reading:
    """A reading whose tags are certain; one tag per token between [CLS] and [SEP]."""
    encoding = tokenizer.encode(text)
    logits = np.zeros((len(encoding.ids), len(TAGS)))
    for index, tag in enumerate(["O", *tags, "O"]):
        logits[index, TAGS.index(tag)] = 20
    return Reading(np.zeros(3), 0.0, np.zeros(28), logits, encoding)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["O"] * 4, set()),
        (["B-positive", "I-positive", "O", "O"], {(0, 12, "positive")}),
        (["B-positive", "B-negative", "O", "O"], {(0, 7, "positive"), (8, 12, "negative")}),
        (["O", "I-negative", "O", "O"], {(8, 12, "negative")}),
        (["O", "O", "O", "B-neutral"], {(17, 21, "neutral")}),
    ],
)
def test_spans(converted, tags: list[str], expected: set) -> None:
    assert spans(reading(converted[1], "battery life and case", tags)) == expected


def test_a_word_in_pieces_is_one_term(converted) -> None:
    tokens = converted[1].encode("zephyrite is good").tokens
    assert len(tokens) > 5, "the word has to be one that the vocabulary lacks"
    pieces = len(tokens) - 4
    # A B in the middle of a word must not cut the word in two.
    tags = ["B-positive"] * pieces + ["O", "O"]
    assert spans(reading(converted[1], "zephyrite is good", tags)) == {(0, 9, "positive")}


def test_odds_need_both_polarities(converted) -> None:
    tags = ["B-positive", "O", "O", "B-negative"]
    assert odds(reading(converted[1], "battery life and case", tags)) > 0.99
    tags[3] = "O"
    assert odds(reading(converted[1], "battery life and case", tags)) < 0.01


def test_true_spans_leave_null_terms_out_and_rename_conflicts() -> None:
    aspects = [
        {"term": "food", "from": 0, "to": 4, "polarity": "conflict"},
        {"term": None, "polarity": "negative"},
    ]
    assert true_spans(aspects) == {(0, 4, "mixed")}
