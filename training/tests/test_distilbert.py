"""A DistilBERT classifier's weights are found in its export, and the lean graph says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from training.distilbert import lean
from training.quantise import quantise
from training.session import open_session
from training.tiny_models import export_classifier


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A small classifier whose parameters are all different, as a trained one's are."""
    torch.manual_seed(5)
    config = DistilBertConfig(
        vocab_size=200, dim=32, hidden_dim=64, n_layers=2, n_heads=2, num_labels=3
    )
    model = DistilBertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    path = tmp_path_factory.mktemp("distilbert") / "fp32.onnx"
    export_classifier(model, ["input_ids", "attention_mask"], path)
    described = {**config.to_dict(), "architectures": [type(model).__name__]}
    return path, described


def logits(graph: Path | bytes, texts: int) -> np.ndarray:
    ids = np.random.default_rng(2).integers(0, 200, (texts, 12))
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return open_session(graph).run(["logits"], inputs)[0]


def test_the_lean_graph_stays_near_the_floats(exported: tuple[Path, dict]) -> None:
    path, config = exported
    rebuilt = lean(path, config)
    assert rebuilt is not None
    assert [node.op_type for node in rebuilt.graph.node].count("EncoderLayer") == 2
    apart = np.abs(logits(path, 20) - logits(rebuilt.SerializeToString(), 20))
    assert apart.max() < 0.05


def test_a_network_that_is_another_one_keeps_its_graph(
    exported: tuple[Path, dict], tmp_path: Path
) -> None:
    path, config = exported
    # Another activation, other heads, another family: none of them is what lean.py writes.
    for changed in ({"activation": "relu"}, {"n_heads": 4}, {"architectures": ["BertModel"]}):
        target = tmp_path / "int8.onnx"
        assert not quantise(path, target, {**config, **changed})
        assert "EncoderLayer" not in {node.op_type for node in onnx.load(target).graph.node}
