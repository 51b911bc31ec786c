"""Owns the way back: from a served INT8 graph to a network that can be trained further.

The bundled model travels as 24 MB of INT8 instead of 90 MB of floats. Its weights times
their scales are the floats again, to half a step of their channel, and training goes on
from there; the channels that `smooth` divided are multiplied back.
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

from training.model import FourHeads


def restore(folder: Path) -> tuple[FourHeads, Tokenizer]:
    """The model of a folder that `python -m training` wrote, and its tokenizer."""
    manifest = json.loads((folder / "manifest.json").read_text())
    graph = onnx.load(folder / manifest["graph"]["file"])
    weights = Weights(graph)
    model = FourHeads(DistilBertModel(_config(weights)))
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

    def __contains__(self, name: str) -> bool:
        return name in self.stored or f"{name}_quantized" in self.stored

    def __getitem__(self, name: str) -> torch.Tensor:
        if name in self.stored:
            return torch.tensor(self.stored[name])
        steps = self.stored[f"{name}_quantized"].astype(np.float32)
        zero = self.stored[f"{name}_zero_point"].astype(np.float32)
        return torch.tensor((steps - zero) * self.stored[f"{name}_scale"])

    def factor(self, name: str) -> torch.Tensor | float:
        """What `smooth` divided a channel by; 1 where it left all alone."""
        return self[f"{name}.factor"] if f"{name}.factor" in self else 1.0


def _config(weights: Weights) -> DistilBertConfig:
    words, positions = weights["words.weight"], weights["positions.weight"]
    layers = 0
    while f"layer{layers}/inner.weight" in weights:
        layers += 1
    _, _, thrice, head = (int(size) for size in weights["apart"])
    return DistilBertConfig(
        vocab_size=words.shape[0],
        max_position_embeddings=positions.shape[0],
        dim=words.shape[1],
        hidden_dim=weights["layer0/inner.weight"].shape[1],
        n_layers=layers,
        n_heads=thrice // 3,
    )


def _encoder(model: FourHeads, weights: Weights) -> None:
    embeddings, layers = model.encoder.embeddings, model.encoder.transformer.layer
    embeddings.word_embeddings.weight.copy_(weights["words.weight"])
    embeddings.position_embeddings.weight.copy_(weights["positions.weight"])
    _norm(embeddings.LayerNorm, weights, "embedded/norm", weights.factor("layer0/whole1"))
    for number, layer in enumerate(layers):
        at = f"layer{number}"
        divided, inner = weights.factor(f"{at}/whole1"), weights.factor(f"{at}/whole2")
        within = 1 / weights.factor(f"{at}/smooth")
        following = weights.factor(f"layer{number + 1}/whole1")
        attention = layer.attention
        qkv = (weights[f"{at}/qkv.weight"].T / divided).chunk(3)
        biases = weights[f"{at}/qkv.bias"].chunk(3)
        scales = [attention.attention_head_size**0.5, 1, 1]
        parts = [attention.q_lin, attention.k_lin, attention.v_lin]
        for part, weight, bias, scale in zip(parts, qkv, biases, scales, strict=True):
            part.weight.copy_(weight * scale)
            part.bias.copy_(bias * scale)
        _linear(attention.out_lin, weights, f"{at}/attended")
        _norm(layer.sa_layer_norm, weights, f"{at}/norm1", inner)
        _linear(layer.ffn.lin1, weights, f"{at}/inner", inner)
        _linear(layer.ffn.lin2, weights, f"{at}/outer", within)
        _norm(layer.output_layer_norm, weights, f"{at}/norm2", following)


def _heads(model: FourHeads, weights: Weights) -> None:
    """The three heads on the mean, out of the one that export.py made of them."""
    heads = [model.sentiment, model.sarcasm, model.emotions]
    inner, biases = weights["heads/inner.weight"].T.chunk(3), weights["heads/inner.bias"].chunk(3)
    block, last = weights["heads/out.weight"].T, weights["heads/out.bias"]
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


def _linear(
    layer: nn.Linear, weights: Weights, name: str, factor: torch.Tensor | float = 1
) -> None:
    layer.weight.copy_(weights[f"{name}.weight"].T / factor)
    layer.bias.copy_(weights[f"{name}.bias"])


def _norm(
    layer: nn.LayerNorm, weights: Weights, name: str, factor: torch.Tensor | float
) -> None:
    layer.weight.copy_(weights[f"{name}.weight"] * factor)
    layer.bias.copy_(weights[f"{name}.bias"] * factor)
