"""Which text may train: never one that is measured, set aside, or in `domain/`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLE, TINY, tiny_network

from training import recipe
from training.data import normalised, read, split
from training.encode import Example, encode, plan, soften


def write(folder: Path, part: str, rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{part}.jsonl").write_text(lines, encoding="utf-8")


def test_no_dev_text_trains_whatever_set_or_spelling_it_comes_in(tmp_path: Path) -> None:
    sentiment, sarcasm = tmp_path / "sentiment" / "a", tmp_path / "sarcasm" / "b"
    write(sentiment, "dev", [{"text": "A fine  film", "label": "positive"}])
    write(
        sentiment,
        "train",
        [{"text": "a fine film", "label": "positive"}, {"text": "Dull.", "label": "negative"}],
    )
    write(
        sarcasm,
        "train",
        [{"text": " A FINE\tFILM ", "label": "sarcastic"}, {"text": "No.", "label": "sarcastic"}],
    )
    rows = split(tmp_path)
    assert [row.text for row in rows.train] == ["No.", "Dull."]


def test_a_dev_text_whose_words_were_cut_elsewhere_does_not_train_either(tmp_path: Path) -> None:
    write(tmp_path / "sentiment" / "a", "dev", [{"text": "it's a fine film.", "label": "positive"}])
    rows = [{"text": text, "label": "positive"} for text in ("it 's a fine film .", "it's fine.")]
    write(tmp_path / "sentiment" / "b", "train", rows)
    assert [row.text for row in split(tmp_path).train] == ["it's fine."]


def test_no_piece_of_a_measured_sentence_trains(tmp_path: Path) -> None:
    write(
        tmp_path / "sentiment" / "sst5",
        "dev",
        [{"text": "It is a long and winding road .", "label3": "neutral", "label5": 2}],
    )
    pieces = ["a long and winding", "long and winding", "a short and winding road"]
    write(
        tmp_path / "sentiment" / "sst2",
        "train",
        [{"text": piece, "label": "positive"} for piece in pieces],
    )
    assert [row.text for row in split(tmp_path).train] == pieces[1:]


def test_domain_is_never_opened(tmp_path: Path) -> None:
    write(tmp_path / "sentiment" / "a", "train", [{"text": "Good.", "label": "positive"}])
    domain = tmp_path / "domain" / "airline"
    domain.mkdir(parents=True)
    (domain / "train.jsonl").write_text("not JSON: reading it would fail")
    assert [row.set for row in split(tmp_path).train] == ["sentiment/a"]


def test_train_aside_and_dev_share_no_text() -> None:
    rows = split(SAMPLE)
    parts = [{normalised(row.text) for row in part} for part in (rows.train, rows.aside, rows.dev)]
    assert all(parts)
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


def test_a_folder_without_sets_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no sets: expected sentiment, sarcasm"):
        split(tmp_path)


def test_batches_hold_one_task_and_shares_hold_over_epochs(
    converted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "RARE_EMOTION", 0)  # in a sample every emotion is rare
    tokenizer = converted[1]
    examples = encode(split(SAMPLE).train, tokenizer, 96)
    batches = plan(examples, TINY, recipe.SHARES)
    assert all(len({examples[index].task for index in batch}) == 1 for batch in batches)
    for name in {example.set for example in examples}:
        size = sum(example.set == name for example in examples)
        reads = sum(examples[index].set == name for batch in batches for index in batch)
        assert reads == TINY.epochs * round(size * recipe.SHARES.get(name, 1)), name
    assert batches == plan(examples, TINY, recipe.SHARES), "a resumed run must meet the same batches"


def test_tags_cover_a_term_and_ignore_a_conflict(tmp_path: Path, converted) -> None:
    text = "The battery life is great but the keyboard, hm."
    aspects = [
        {"term": "battery life", "polarity": "positive", "from": 4, "to": 16},
        {"term": "keyboard", "polarity": "conflict", "from": 34, "to": 42},
        {"term": None, "polarity": "negative"},
    ]
    write(tmp_path / "aspects" / "a", "train", [{"text": text, "aspects": aspects}])
    example = encode(split(tmp_path).train, converted[1], 96)[0]
    names = {
        converted[1].id_to_token(i): [tag for tag, chance in zip(recipe.TAGS, t) if chance]
        for i, t in zip(example.ids, example.target, strict=True)
    }
    assert names["battery"] == ["B-positive"]
    assert names["life"] == ["I-positive"]
    assert names["keyboard"] == names["[CLS]"] == names["[SEP]"] == []
    assert names["great"] == ["O"]


def test_an_answer_moves_a_target_and_leaves_out_what_was_left_out() -> None:
    weight = recipe.TEACHER_WEIGHT
    outside, ignored = [1.0] + [0.0] * 6, [0.0] * 7
    examples = [
        Example("sentiment/a", "sentiment", [1], [0.0, 0.0, 1.0]),
        Example("aspects/a", "aspects", [1, 2], np.array([ignored, outside])),
    ]
    begins = np.eye(7)[1]
    softened = soften(
        examples, {0: np.array([0.5, 0.0, 0.5]), 1: np.stack([begins, begins])}
    )
    np.testing.assert_allclose(softened[0].target, [weight / 2, 0, 1 - weight / 2])
    np.testing.assert_allclose(softened[1].target[0], ignored)
    np.testing.assert_allclose(softened[1].target[1][:2], [1 - weight, weight])
    assert soften(examples, {}) == examples


def test_a_text_without_a_label_trains_only_by_a_teachers_answer() -> None:
    outside = np.array([[0.0] * 7, [1.0] + [0.0] * 6])
    examples = [Example("aspects/taught", "aspects", [1, 2], outside, is_labelled=False)]
    assert soften(examples, {}) == []
    answer = np.stack([np.eye(7)[1], np.eye(7)[1]])
    np.testing.assert_allclose(soften(examples, {0: answer})[0].target, [[0] * 7, np.eye(7)[1]])


def test_of_a_long_review_a_run_of_its_words_trains(tmp_path: Path) -> None:
    text = " ".join(f"w{number}" for number in range(200))
    write(tmp_path / "sentiment" / "review_domains", "train", [{"text": text, "label": "positive"}])
    row = split(tmp_path).train[0]
    assert len(row.text.split()) == 60 and row.text in text
    assert row == split(tmp_path).train[0]


def test_what_a_sarcastic_writer_meant_and_plain_texts_are_not_sarcastic(tmp_path: Path) -> None:
    write(
        tmp_path / "sarcasm" / "a",
        "train",
        [{"text": "Love delays.", "label": "sarcastic", "rephrase": "I hate delays."}],
    )
    plain = [{"text": "A fine kettle.", "label": "positive"}]
    write(tmp_path / "sentiment" / "product_sentences", "train", plain)
    rows = {row.text: row for row in split(tmp_path).train if row.task == "sarcasm"}
    assert set(rows) == {"Love delays.", "I hate delays.", "A fine kettle."}
    for text in ("I hate delays.", "A fine kettle."):
        assert rows[text].fields["label"] == "not_sarcastic"


def test_a_forward_pass_gives_the_shapes_of_the_contract(converted) -> None:
    model = tiny_network(converted[1]).eval()
    ids = torch.ones(2, 9, dtype=torch.long)
    shapes = {name: tuple(output.shape) for name, output in model(ids, ids).items()}
    assert shapes == {
        "sentiment": (2, 3), "sarcasm": (2, 1), "emotions": (2, 28), "odds": (2, 1),
        "aspects": (2, 9, 7),
    }  # fmt: skip


def test_the_written_sentences_train_and_those_in_tests_never_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "WRITTEN", tmp_path / "written")
    monkeypatch.setattr(recipe, "WRITTEN_DEV", tmp_path / "measuring")
    row = {"text": "The box was torn.", "aspects": []}
    write(tmp_path / "data" / "aspects" / "a", "train", [{"text": "Good soup.", "aspects": []}])
    write(tmp_path / "written" / "aspects" / "orders", "train", [row, {**row, "text": "Fine."}])
    write(tmp_path / "measuring" / "aspects" / "orders", "dev", [row])
    rows = split(tmp_path / "data")
    texts = [row.text for row in rows.train if row.task != "odds"]
    assert texts == ["Good soup.", "Fine."]
    assert [row.text for row in rows.dev] == ["The box was torn."]


def test_the_odds_of_whole_texts_follow_from_what_their_sets_tell(tmp_path: Path) -> None:
    def aspects(*polarities: str) -> list[dict]:
        return [{"term": "x", "from": 0, "to": 1, "polarity": polarity} for polarity in polarities]

    rows = [
        {"text": "a b", "aspects": aspects("positive", "negative")},
        {"text": "c d", "aspects": aspects("positive", "neutral")},
        {"text": "e f", "aspects": aspects("conflict")},
    ]
    write(tmp_path / "aspects" / "mams", "train", rows)
    write(tmp_path / "sentiment" / "dynasent", "train", [{"text": "g h", "label": "negative"}])
    written = [{"text": "i j", "label": "mixed"}, {"text": "k l", "label": "neutral"}]
    write(tmp_path / "sentiment" / "kinds", "train", written)
    odds = [row for row in split(tmp_path).train if row.task == "odds"]
    assert {row.text: (row.set, row.fields.get("odds")) for row in odds} == {
        "a b": ("odds/aspects", True),
        "c d": ("odds/aspects", False),
        "e f": ("odds/aspects", True),
        "g h": ("odds/plain", False),
        "i j": ("odds/written", True),
        "k l": ("odds/written", False),
    }


def test_no_shipped_sentence_both_trains_and_measures() -> None:
    folder = Path(__file__).parents[1] / "sentences"
    measured = [
        json.loads(line)["text"]
        for line in (recipe.WRITTEN_DEV / "aspects/orders/dev.jsonl").read_text().splitlines()
    ]
    trained = {
        normalised(row.text)
        for name in ("aspects/orders", "sentiment/orders")
        for row in read(folder, name, "train")
    }
    assert len(measured) == 150 and len(trained) > 1000
    assert not trained & {normalised(text) for text in measured}


def test_terms_stand_where_the_written_sentences_say() -> None:
    for folder in (Path(__file__).parents[1] / "sentences", recipe.WRITTEN_DEV):
        for path in folder.glob("aspects/*/*.jsonl"):
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                for aspect in row["aspects"]:
                    assert row["text"][aspect["from"] : aspect["to"]] == aspect["term"]


def test_texts_with_a_rare_emotion_are_read_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "RARE_EMOTION", 2)
    labels = [["joy"], ["joy"], ["grief", "joy"]]
    examples = [
        Example("emotion/a", "emotions", [1], [float(name in of) for name in recipe.EMOTIONS])
        for of in labels
    ]
    batches = plan(examples, dataclasses.replace(TINY, epochs=1), recipe.SHARES)
    reads = sorted(index for batch in batches for index in batch)
    assert reads == [0, 1] + [2] * recipe.RARE_EMOTION_READS


def test_half_an_epoch_reads_half_of_a_set() -> None:
    examples = [Example("aspects/a", "aspects", [1], [0]) for _ in range(40)]
    batches = plan(examples, dataclasses.replace(TINY, epochs=1.5), {})
    assert sum(len(batch) for batch in batches) == 60


def test_a_text_feels_what_its_terms_come_to(tmp_path: Path) -> None:
    def aspects(*polarities: str) -> list[dict]:
        return [
            {"term": "it", "from": 0, "to": 2, "polarity": polarity} for polarity in polarities
        ]

    given = {
        "it is good": aspects("positive", "neutral"),
        "it is bad": aspects("negative"),
        "it is both": aspects("negative", "positive"),
        "it is odd": aspects("conflict"),
        "it is": aspects("neutral"),
    }
    rows = [{"text": text, "aspects": of} for text, of in given.items()]
    write(tmp_path / "aspects" / "a", "train", rows)
    overall = {
        row.text: row.fields["label"]
        for row in split(tmp_path).train
        if row.set == "sentiment/overall"
    }
    assert overall == {
        "it is good": "positive",
        "it is bad": "negative",
        "it is both": "mixed",
        "it is odd": "mixed",
    }


def test_a_part_of_the_tweets_is_left_to_the_teacher_for_sarcasm(tmp_path: Path) -> None:
    rows = [{"text": f"tweet {number}", "label": "neutral"} for number in range(400)]
    write(tmp_path / "sentiment" / "tweets", "train", rows)
    train = split(tmp_path).train
    taught = [row for row in train if row.set == "sarcasm/taught"]
    share = recipe.TAUGHT["sarcasm/taught"]["sentiment/tweets"]
    assert 0.5 * share < len(taught) / len(rows) < 1.5 * share
    assert taught == [row for row in split(tmp_path).train if row.set == "sarcasm/taught"]
    assert all("label" not in row.fields for row in taught)
    # A text that was set aside is left to nobody.
    assert {row.text for row in taught} <= {row.text for row in train if row.set == "sentiment/tweets"}


def test_long_reviews_are_left_to_the_teacher_sentence_by_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "TAUGHT", {"sentiment/taught": {"sentiment/review_domains": 1}})
    review = "The lid does not close . Why ? " + "and so on " * 20 + ". I sent it back !"
    write(tmp_path / "sentiment" / "review_domains", "train", [{"text": review, "label": "negative"}])
    dev = [{"text": "the lid does not close.", "label": "negative"}]
    write(tmp_path / "sentiment" / "a", "dev", dev)
    taught = [row for row in split(tmp_path).train if row.set == "sentiment/taught"]
    # The first is measured, the second says too little, the third is hardly one sentence.
    assert [row.text for row in taught] == ["I sent it back !"]
    assert "label" not in taught[0].fields
