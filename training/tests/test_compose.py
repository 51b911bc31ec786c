"""Texts whose label follows from how they are made, and edits that change nothing."""

from __future__ import annotations

import collections
import json
import random

import torch

from training import recipe
from training.canonical import canonical
from training.compose import composed, with_edits
from training.data import as_written
from training.edits import edited, frames, slip
from training.encode import Example, collate, plan
from training.fit import difference
from training.model import base_tokenizer
from training.templates import NEGATIVE, NEUTRAL, POSITIVE, polar, templates

PARTS = [
    {"text": "The box is blue", "label": "neutral"},
    {"text": "We open at nine.", "label": "neutral"},
    {"text": "It came on Monday.", "label": "neutral"},
    {"text": "The soup was cold.", "label": "negative"},
    {"text": "Never again.", "label": "negative"},
    {"text": "Lovely people.", "label": "positive"},
    {"text": "I would buy it again!", "label": "positive"},
]
# The composer draws up to six neutral sentences.
MANY = PARTS + [{"text": f"There are {n} screws.", "label": "neutral"} for n in range(6)]


def test_a_composed_text_has_the_label_of_its_parts() -> None:
    made = composed(MANY, 400, seed=1)
    labels = {one["text"].rstrip("."): one["label"] for one in MANY}
    for one in made:
        found = {label for text, label in labels.items() if text in one["text"]}
        judged = found - {"neutral"}
        expected = "mixed" if len(judged) == 2 else next(iter(judged), "neutral")
        assert one["label"] == expected, one
        assert one["odds"] == (expected == "mixed")
    assert {one["label"] for one in made} == {*recipe.SENTIMENTS, "mixed"}
    assert made == composed(MANY, 400, seed=1)


def test_nothing_is_composed_of_one_label_alone() -> None:
    assert composed(PARTS[:3], 10, seed=1) == []


def test_an_edited_form_stands_beside_its_text() -> None:
    made = with_edits(PARTS, share=2, seed="here")
    assert len(made) > len(PARTS)
    assert all(one["edited"] != one["text"] for one in made)
    assert made == with_edits(PARTS, share=2, seed="here")


def test_a_slip_keeps_all_words_but_one_or_two() -> None:
    text = "They repaired the boiler within the hour"
    for seed in range(50):
        words = slip(text, random.Random(seed)).split()
        changed = [pair for pair in zip(text.split(), words, strict=True) if pair[0] != pair[1]]
        assert 0 <= len(changed) <= 2
    assert slip("on 7 of it", random.Random(1)) == "on 7 of it"


def test_frames_of_each_part_are_there() -> None:
    for part in "greeting opening sign_off signature footer device reference quoted marker".split():
        assert len(frames(part)) >= 20, part
    assert any("\n\n" in edited("The soup was cold.", str(n)) for n in range(40))


def test_templates_know_the_sign_of_a_rating_and_what_rates_nothing() -> None:
    made = dict(templates(4_000, seed=3))
    assert made == dict(templates(4_000, seed=3))
    for text, label in made.items():
        if text.startswith("★★★★★"):
            assert label == POSITIVE, text
        if text.startswith(("☆☆☆☆☆", "0/10")):
            assert label == NEGATIVE, text
        if text.lower().startswith(("page ", "seats ")):
            assert label == NEUTRAL, text
    counts = collections.Counter(made.values())
    assert min(counts[label] for label in recipe.SENTIMENTS) > 500


def test_a_group_of_people_has_no_label() -> None:
    groups = collections.defaultdict(collections.Counter)
    for text, label in templates(60_000, seed=5):
        for group in ("muslim", "jewish", "gay", "black", "polish", "deaf"):
            if f" {group} " in text.lower():
                groups[group][label] += 1
    assert len(groups) == 6
    for group, labels in groups.items():
        assert min(labels[POSITIVE], labels[NEGATIVE]) > 5, group
        assert abs(labels[POSITIVE] - labels[NEGATIVE]) < 0.5 * max(labels.values()), (group, labels)


def test_emoji_say_what_the_lexicon_says(tmp_path) -> None:
    lexicon = tmp_path / "emoji_polarity.json"
    seen = {"negative": 10, "neutral": 20, "positive": 70}
    lexicon.write_text(json.dumps({"🐳": {**seen, "polarity": 0.6}, "🐌": {**seen, "polarity": -0.2},
                                   "🐦": {"negative": 1, "neutral": 1, "positive": 2, "polarity": 0.9}}))  # fmt: skip
    spoken = polar(lexicon)
    assert "🐳" in spoken[POSITIVE] and "🐌" in spoken[NEGATIVE]
    assert not any("🐦" in chars for chars in spoken.values()), "too few tweets"
    assert "🙃" in spoken[NEGATIVE], "newer meanings stand by themselves"


def test_a_batch_of_pairs_holds_the_edited_forms_after_the_texts() -> None:
    examples = [
        Example("sentiment/edited", "sentiment", [1, 2], [1.0, 0, 0], edited=[1, 2, 3]),
        Example("sentiment/edited", "sentiment", [4], [0.0, 0, 1], edited=[5]),
    ]
    stacked = collate(examples)
    assert stacked["pairs"] and stacked["input_ids"].tolist() == [[1, 2, 0], [4, 0, 0], [1, 2, 3], [5, 0, 0]]
    assert torch.equal(stacked["targets"][:2], stacked["targets"][2:])
    plain = [Example("sentiment/sst5", "sentiment", [1], [1.0, 0, 0])] * 3
    for batch in plan(examples + plain, recipe.Hyper(epochs=1, batch=2), {}):
        kinds = {(examples + plain)[index].edited is None for index in batch}
        assert len(kinds) == 1, "pairs have batches of their own"


def test_the_difference_of_two_readings_is_zero_where_they_agree() -> None:
    one = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]])
    assert float(difference(one, one)) == 0
    assert float(difference(one, one.flip(1))) > 0.1
    assert float(difference(one[:, :1], -one[:, :1])) > 0.1


def test_offsets_follow_a_text_that_was_cut_into_tokens() -> None:
    text = "It is n't bad , and the staff 's desk ( large ) was fine ."
    start = text.index("desk")
    row = as_written({"text": text, "aspects": [{"term": "desk", "from": start, "to": start + 4}, {"term": None}]})
    assert row["text"] == "It isn't bad, and the staff's desk (large) was fine."
    aspect = row["aspects"][0]
    assert row["text"][aspect["from"] : aspect["to"]] == "desk"
    assert as_written({"text": "As it came."}) == {"text": "As it came."}


def test_one_form_of_what_is_written_in_several_ways() -> None:
    tokenizer, _ = base_tokenizer()
    ids = tokenizer.encode("It's \"great\"").ids
    for text in ("It’s “great”.", "it's  \"GREAT\" .", "It‘s „great“"):
        assert tokenizer.encode(text).ids == ids, text
    assert tokenizer.encode("Hm...").ids != tokenizer.encode("Hm").ids
    end = tokenizer.encode("The soup, I said.")
    assert [text for text in end.tokens[1:-1]] == ["the", "soup", ",", "i", "said"]
    assert end.offsets[-2] == (12, 16)
    assert canonical(tokenizer).to_str() == tokenizer.to_str()
