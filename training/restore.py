"""Owns the way back: from a served INT8 graph to a network that can be trained further.

The bundled model travels as 24 MB of INT8 instead of 90 MB of floats. Its weights times
their scales are the floats again, to half a step of their channel, and training goes on
from there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer
from torch import nn
from transformers import DistilBertConfig, DistilBertModel

from training.model import Heads


def restore(folder: Path) -> tuple[Heads, Tokenizer]:
    """The model of a folder that `python -m training` wrote, and its tokenizer."""
    manifest = json.loads((folder / "manifest.json").read_text())
    graph = onnx.load(folder / manifest["graph"]["file"])
    weights = Weights(graph)
    has_odds = "odds" in [output.name for output in graph.graph.output]
    model = Heads(DistilBertModel(_config(weights)), has_odds)
    with torch.no_grad():
        _encoder(model, weights)
        _heads(model, weights)
    tokenizer = Tokenizer.from_file(str(folder / manifest["tokenizer"]["file"]))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return model.eval(), tokenizer


class Weights:
    """The constants of a graph by the names that export.py gave them, INT8 ones as floats."""

    def __init__(self, graph: onnx.ModelProto) -> None:
        self.stored = {
            item.name: numpy_helper.to_array(item) for item in graph.graph.initializer
        }
        self.layers = [node for node in graph.graph.node if node.op_type == "EncoderLayer"]

    def __contains__(self, name: str) -> bool:
        return name in self.stored

    def __getitem__(self, name: str) -> torch.Tensor:
        array = self.stored[name]
        if array.dtype == np.int8:
            array = array * self.stored[name.replace(".weight", ".scale")]
            divide = self.stored.get(name.replace(".weight", ".divide"))
            array = array if divide is None else array * divide[:, None]
        return torch.tensor(array)


def _config(weights: Weights) -> DistilBertConfig:
    words, positions = weights["words.weight"], weights["positions.weight"]
    heads = next(item.i for item in weights.layers[0].attribute if item.name == "heads")
    return DistilBertConfig(
        vocab_size=words.shape[0],
        max_position_embeddings=positions.shape[0],
        dim=words.shape[1],
        hidden_dim=weights["layer0/inner.weight"].shape[1],
        n_layers=len(weights.layers),
        n_heads=heads,
    )


def _encoder(model: Heads, weights: Weights) -> None:
    embeddings, layers = model.encoder.embeddings, model.encoder.transformer.layer
    embeddings.word_embeddings.weight.copy_(weights["words.weight"])
    embeddings.position_embeddings.weight.copy_(weights["positions.weight"])
    _norm(embeddings.LayerNorm, weights, "embedded/norm")
    for number, layer in enumerate(layers):
        at, attention = f"layer{number}", layer.attention
        qkv, biases = weights[f"{at}/qkv.weight"].T.chunk(3), weights[f"{at}/qkv.bias"].chunk(3)
        scales = [attention.attention_head_size**0.5, 1, 1]
        parts = [attention.q_lin, attention.k_lin, attention.v_lin]
        for part, weight, bias, scale in zip(parts, qkv, biases, scales, strict=True):
            part.weight.copy_(weight * scale)
            part.bias.copy_(bias * scale)
        _linear(attention.out_lin, weights, f"{at}/attended")
        _norm(layer.sa_layer_norm, weights, f"{at}/norm1")
        _linear(layer.ffn.lin1, weights, f"{at}/inner")
        _linear(layer.ffn.lin2, weights, f"{at}/outer")
        _norm(layer.output_layer_norm, weights, f"{at}/norm2")


def _heads(model: Heads, weights: Weights) -> None:
    """The heads on the mean, out of the one that export.py made of them."""
    heads = [getattr(model, name) for name in model.on_text]
    inner = weights["heads/inner.weight"].T.chunk(len(heads))
    biases = weights["heads/inner.bias"].chunk(len(heads))
    block, last = weights["heads/out.weight"], weights["heads/out.bias"]
    row = 0
    for number, head in enumerate(heads):
        head[1].weight.copy_(inner[number])
        head[1].bias.copy_(biases[number])
        rows, width = slice(row, row + head[4].out_features), head[4].in_features
        head[4].weight.copy_(block[rows, number * width : (number + 1) * width])
        head[4].bias.copy_(last[rows])
        row = rows.stop
    if "aspects/inner.weight" in weights:
        _linear(model.aspects[1], weights, "aspects/inner")
        _linear(model.aspects[4], weights, "aspects/out")


def _linear(layer: nn.Linear, weights: Weights, name: str) -> None:
    layer.weight.copy_(weights[f"{name}.weight"].T)
    layer.bias.copy_(weights[f"{name}.bias"])


def _norm(layer: nn.LayerNorm, weights: Weights, name: str) -> None:
    layer.weight.copy_(weights[f"{name}.weight"])
    layer.bias.copy_(weights[f"{name}.bias"])
