"""The teacher: it reads the student's tokens, and its answers belong to the texts it was asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from conftest import tiny_network
from tokenizers import Tokenizer
from transformers import MPNetConfig, MPNetModel

from training.data import Row
from training.encode import Example
from training.model import Heads
from training.teacher import SameTokens, answer, further, read_answers, write_answers
from training.train import _own


def tiny_teacher() -> Heads:
    torch.manual_seed(5)
    config = MPNetConfig(
        vocab_size=30527, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4,
    )  # fmt: skip
    return Heads(SameTokens(MPNetModel(config, add_pooling_layer=False)))


def test_berts_tokens_become_mpnets() -> None:
    teacher = tiny_teacher().eval()
    # [CLS] good [SEP] [PAD] of one vocabulary, <s> good </s> <pad> of the other.
    ids, mask = torch.tensor([[101, 2204, 102, 0]]), torch.tensor([[1, 1, 1, 0]])
    with torch.no_grad():
        through = teacher.encoder(ids, mask).last_hidden_state
        direct = teacher.encoder.inner(torch.tensor([[0, 2208, 2, 1]]), mask).last_hidden_state
    torch.testing.assert_close(through, direct)


def test_answers_come_back_as_probabilities_in_the_shape_of_the_targets(tmp_path: Path) -> None:
    tags = np.zeros((3, 7), np.float32)
    examples = [
        Example("sentiment/a", "sentiment", [101, 2204, 102], [0.0, 0.0, 1.0]),
        Example("sarcasm/a", "sarcasm", [101, 2204, 2204, 102], 1.0),
        Example("aspects/a", "aspects", [101, 2204, 102], tags),
        Example("sentiment/a", "sentiment", [101, 102], [1.0, 0.0, 0.0]),
    ]
    rows = [Row(example.set, f"text {at}", {}) for at, example in enumerate(examples)]
    write_answers(_made(tmp_path / "teacher"), rows, answer(tiny_teacher(), examples, [0, 1, 2]))
    answers = read_answers(tmp_path, rows, examples)
    assert sorted(answers) == [0, 1, 2]
    assert answers[0].shape == (3,) and abs(answers[0].sum() - 1) < 1e-5
    assert np.shape(answers[1]) == () and 0 < answers[1] < 1
    np.testing.assert_allclose(answers[2].sum(axis=-1), np.ones(3), atol=1e-5)


def test_answers_go_with_their_texts(tmp_path: Path) -> None:
    assert read_answers(tmp_path, [], []) == {}
    asked = [Row("sentiment/a", "one", {}), Row("aspects/a", "two", {})]
    given = {0: np.array([0.2, 0.3, 0.5]), 1: np.zeros((4, 7))}
    write_answers(_made(tmp_path / "teacher"), asked, given)
    now = [Row("sentiment/a", "new", {}), asked[0], asked[1]]
    examples = [Example(row.set, row.task, [101, 2204, 102], None) for row in now]
    # The last one has three tokens now, and had four.
    assert list(read_answers(tmp_path, now, examples)) == [1]


def test_a_model_is_held_to_what_it_said_of_the_sets_that_it_knows(
    converted: tuple[Heads, Tokenizer], tmp_path: Path
) -> None:
    examples = [
        Example("sentiment/a", "sentiment", [101, 2204, 102], [0.0, 0.0, 1.0]),
        Example("sarcasm/a", "sarcasm", [101, 2204, 102], 1.0),
        Example("emotion/a", "emotions", [101, 2204, 102], [0.0] * 28),
        Example("sentiment/new", "sentiment", [101, 2204, 102], [0.0, 0.0, 1.0]),
        Example("sentiment/a", "sentiment", [101, 102], [0.0, 0.0, 1.0]),
    ]
    model, path = tiny_network(converted[1]), tmp_path / "kept.safetensors"
    known = {"sentiment/a", "sarcasm/a", "emotion/a"}
    said = _own(model, examples, known, {4: "answered by a teacher"}, path)
    assert sorted(said) == [0, 1, 2]
    assert np.shape(said[1]) == () and said[0].shape == (3,)
    assert said[0].sum() == pytest.approx(1, abs=1e-5)
    assert said[2].sum() > 2, "emotions are yes or no each"
    with torch.no_grad():
        model.sentiment[4].bias.add_(torch.tensor([5.0, 0.0, 0.0]))
    again = _own(model, examples, known, {4: "answered by a teacher"}, path)
    np.testing.assert_allclose(again[0], said[0])


def test_a_teacher_goes_on_with_a_fresh_head_where_it_had_none(tmp_path: Path) -> None:
    earlier = tiny_teacher()
    folder = _made(tmp_path / "teacher")
    config = earlier.encoder.inner.config.to_dict()
    (folder / "encoder.json").write_text(json.dumps(config))
    weights = {
        name: part for name, part in earlier.state_dict().items() if not name.startswith("odds.")
    }
    save_file(weights, str(folder / "model.safetensors"))
    now = further(tmp_path).state_dict()
    assert all(torch.equal(now[name], part) for name, part in weights.items())
    assert "odds.4.weight" in now
    save_file({"encoder.x": torch.zeros(1)}, str(folder / "model.safetensors"))
    with pytest.raises(SystemExit, match="another network"):
        further(tmp_path)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
