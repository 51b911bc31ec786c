"""The network: the converted base is the base, the graph is the network, runs resume."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from conftest import SAMPLE, TINY, Chain, tiny_network
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from training.blend import blend
from training.data import split
from training.export import graph_of
from training.fit import pushed, task_loss
from training.model import Heads, conversion_difference, distil, load, save
from training.reader import Reader
from training.restore import restore
from training.session import open_session
from training.smooth import factors
from training.train import train_model


def test_the_conversion_equals_the_original(converted) -> None:
    # base() raises where the real one differs by more than 1e-5; here with weights for which
    # a forgotten token type or a swapped part would show.
    torch.manual_seed(3)
    bert = BertModel(
        BertConfig(
            vocab_size=99, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=64, initializer_range=0.5,
        ),
        add_pooling_layer=False,
    )  # fmt: skip
    distilled = distil(bert)
    with torch.no_grad():
        distilled.embeddings.position_embeddings.weight.add_(
            torch.randn_like(distilled.embeddings.position_embeddings.weight)
        )
    assert conversion_difference(bert, distilled) > 1e-2
    assert conversion_difference(bert, distil(bert)) <= 1e-5
    assert converted[0].encoder.config.dim == 384


def test_the_fp32_graph_equals_pytorch_text_by_text(converted, tmp_path: Path) -> None:
    model, tokenizer = converted
    model.eval()
    path = tmp_path / "fp32.onnx"
    onnx.save(graph_of(model), path)
    session = open_session(path)
    for row in split(SAMPLE).dev:
        ids = torch.tensor([tokenizer.encode(row.text).ids])
        mask = torch.ones_like(ids)
        with torch.no_grad():
            expected = model(ids, mask)
        outputs = session.run(
            list(expected), {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
        )
        for (name, tensor), output in zip(expected.items(), outputs, strict=True):
            np.testing.assert_allclose(output, tensor.numpy(), atol=1e-4, err_msg=name)


def test_int8_scores_a_text_alone_as_it_does_beside_others(converted) -> None:
    model = tiny_network(converted[1]).eval()
    graph = graph_of(model, quantised=True).SerializeToString()
    session = open_session(graph)
    long = [101, *range(2000, 2030), 102]
    ids = np.zeros((2, len(long)), dtype=np.int64)
    ids[0, :4], ids[1] = [101, 2307, 3185, 102], long
    mask = (ids != 0).astype(np.int64)
    names = ["sentiment", "sarcasm", "emotions"]
    together = session.run(names, {"input_ids": ids, "attention_mask": mask})
    alone = session.run(names, {"input_ids": ids[:1, :4], "attention_mask": mask[:1, :4]})
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[0], two[0], atol=1e-5)


def test_int8_stays_near_the_floats(converted) -> None:
    model, tokenizer = converted
    sessions = [
        open_session(graph_of(model.eval(), quantised).SerializeToString())
        for quantised in (False, True)
    ]
    for row in split(SAMPLE).dev[:20]:
        ids = np.array([tokenizer.encode(row.text).ids])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        for whole, steps in zip(*(session.run(None, inputs) for session in sessions), strict=True):
            assert np.abs(whole - steps).max() < 0.05


def test_padding_changes_nothing_in_fp32(converted, tmp_path: Path) -> None:
    model = tiny_network(converted[1]).eval()
    path = tmp_path / "fp32.onnx"
    onnx.save(graph_of(model), path)
    session = open_session(path)
    ids = np.array([[101, 2307, 3185, 102]])
    padded = np.array([[101, 2307, 3185, 102, 0, 0], [101, 2919, 3185, 2062, 4013, 102]])
    mask = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    names = ["sentiment", "sarcasm", "emotions"]
    alone = session.run(names, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    together = session.run(names, {"input_ids": padded, "attention_mask": mask})
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[0], two[0], atol=1e-5)


def test_a_resumed_run_ends_where_an_unbroken_one_does(converted, tmp_path: Path) -> None:
    tokenizer = converted[1]
    whole = tmp_path / "whole"
    train_model(tiny_network(tokenizer), tokenizer, SAMPLE, whole, TINY)
    broken = tmp_path / "broken"
    checkpoints = sorted(
        (whole / "checkpoints").iterdir(), key=lambda path: int(path.name.split("-")[1])
    )
    shutil.copytree(checkpoints[0], broken / "checkpoints" / checkpoints[0].name)
    train_model(tiny_network(tokenizer), tokenizer, SAMPLE, broken, TINY, resume=True)
    expected = load_file(str(whole / "model" / "model.safetensors"))
    for name, tensor in load_file(str(broken / "model" / "model.safetensors")).items():
        torch.testing.assert_close(tensor, expected[name], msg=name)


def test_a_served_graph_becomes_the_network_again(finished: Chain) -> None:
    restored, tokenizer = restore(finished.model)
    trained, _ = load(finished.run / "model")
    reader = Reader(finished.model / "model.onnx", finished.model / "tokenizer.json")
    for row in split(SAMPLE).dev:
        ids = torch.tensor([tokenizer.encode(row.text).ids[:128]])
        with torch.no_grad():
            outputs = restored(ids, torch.ones_like(ids))
            before = trained(ids, torch.ones_like(ids))
        served = reader.read(row.text)
        for name, values in (("sentiment", served.sentiment), ("aspects", served.aspects)):
            # To what INT8 costs, on both sides.
            np.testing.assert_allclose(outputs[name][0].numpy(), values, atol=0.15)
            np.testing.assert_allclose(outputs[name][0], before[name][0], atol=0.15)


def test_a_network_without_a_head_for_odds_stays_one_until_it_gets_one(
    converted, tmp_path: Path
) -> None:
    network = tiny_network(converted[1])
    without = Heads(network.encoder, has_odds=False).eval()
    onnx.save(graph_of(without), tmp_path / "model.onnx")
    converted[1].save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "manifest.json").write_text(
        json.dumps({"graph": {"file": "model.onnx"}, "tokenizer": {"file": "tokenizer.json"}})
    )
    assert Reader(tmp_path / "model.onnx", tmp_path / "tokenizer.json").read("hm").odds is None
    restored, tokenizer = restore(tmp_path)
    assert restored.odds is None
    save(restored.with_odds(), tokenizer, tmp_path / "run")
    again, _ = load(tmp_path / "run")
    assert torch.equal(again.odds[4].weight, restored.odds[4].weight)


def test_pushed_embeddings_hurt_and_come_back(converted) -> None:
    model = tiny_network(converted[1])
    model.eval()
    ids, targets = torch.tensor([[101, 2204, 102]]), torch.tensor([[0.0, 0.0, 1.0]])

    def loss() -> torch.Tensor:
        outputs = model(ids, torch.ones_like(ids), "sentiment")
        return task_loss("sentiment", outputs["sentiment"], targets, 0.0)

    first = loss()
    first.backward()
    words = model.encoder.embeddings.word_embeddings.weight
    before = words.detach().clone()
    with pushed(words, ids.unique(), 1.0):
        assert loss() > first
        assert abs(float((words.detach() - before).norm()) - 1.0) < 1e-4
    assert torch.equal(words, before)


def test_a_blend_lies_between_two_runs(converted, tmp_path: Path) -> None:
    tokenizer = converted[1]
    for seed, run in enumerate(("earlier", "later")):
        network = tiny_network(tokenizer)
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        save(network, tokenizer, tmp_path / run / "model")
    blend(tmp_path / "later", tmp_path / "earlier", 0.75, tmp_path / "between")
    parts = [
        load_file(str(tmp_path / run / "model" / "model.safetensors"))
        for run in ("later", "earlier", "between")
    ]
    for name, between in parts[2].items():
        torch.testing.assert_close(between, 0.75 * parts[0][name] + 0.25 * parts[1][name])


def test_smoothing_moves_scale_and_changes_no_answer(converted) -> None:
    model, tokenizer = converted
    texts = [row.text for row in split(SAMPLE).dev][:20]
    smooth = factors(model, tokenizer, texts, 0.3)
    assert max(float(factor.max()) for factor in smooth.values()) > 2, "there is something to smooth"
    graphs = [
        graph_of(model),
        graph_of(model, quantised=True),
        graph_of(model, quantised=True, smooth=smooth),
    ]
    sessions = [open_session(graph.SerializeToString()) for graph in graphs]
    apart = [0.0, 0.0]
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids])
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        whole, plain, smoothed = (session.run(None, inputs) for session in sessions)
        for at, steps in enumerate((plain, smoothed)):
            gaps = [np.square(a - b).mean() for a, b in zip(whole, steps, strict=True)]
            apart[at] += float(np.mean(gaps))
    assert max(apart) < 1e-3
