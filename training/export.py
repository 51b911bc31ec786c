"""Owns the ONNX graph: written node by node, so that it holds nothing but the model.

A traced export spends dozens of small nodes on computing shapes. This one has constant
reshapes, Q, K and V in one product with the scale folded in, an additive mask and
LayerNormalization and Gelu as one node each.

    python -m training.export --run RUN --out FILE.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from training import recipe
from training.calibrate import read_aside
from training.model import FourHeads, load
from training.smooth import Factors, factors

OPSET = 20  # the first with Gelu; ONNX Runtime reads it from 1.17 on
IR_VERSION = 9
MASKED = -10_000.0  # added to the score of a padding token: its softmax is exactly 0

# Products with fewer than 32 outputs: nothing to gain from INT8, and precision to lose.
KEPT_FLOAT = ["heads/out", "aspects/out"]


Factor = torch.Tensor | int  # per channel; 1 where nothing is scaled


class Graph:
    """Collects nodes and weights under readable names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def op(self, kind: str, name: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [name] if outputs == 1 else [f"{name}:{part}" for part in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def weight(self, name: str, value: torch.Tensor | np.ndarray | list[int]) -> str:
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def linear(self, name: str, x: str, weight: torch.Tensor, bias: torch.Tensor) -> str:
        product = self.op("MatMul", name, x, self.weight(f"{name}.weight", weight.T))
        return self.op("Add", f"{name}.sum", product, self.weight(f"{name}.bias", bias))

    def norm(self, name: str, x: str, layer: torch.nn.LayerNorm, factor: Factor = 1) -> str:
        """The norm with its channels divided by `factor`."""
        scale = self.weight(f"{name}.weight", layer.weight / factor)
        bias = self.weight(f"{name}.bias", layer.bias / factor)
        return self.op("LayerNormalization", name, x, scale, bias, epsilon=layer.eps)

    def times(self, name: str, x: str, factor: Factor) -> str:
        """`x` times `factor`, channel by channel; no node where that is 1."""
        if not isinstance(factor, torch.Tensor) or bool((factor == 1).all()):
            return x
        return self.op("Mul", name, x, self.weight(f"{name}.factor", factor))


def graph_of(model: FourHeads, smooth: Factors | None = None) -> onnx.ModelProto:
    """The whole model in fp32: ids and mask in, four tensors of logits out.

    The factors of `smooth` move scale from activations to weights, for quantisation.
    """
    graph = Graph()
    mask = graph.op("Cast", "mask", "attention_mask", to=TensorProto.FLOAT)
    hidden = _encoder(graph, model, mask, smooth or {})
    _text_heads(graph, model, hidden, mask)
    first, last = model.aspects[1], model.aspects[4]
    inner = graph.linear("aspects/inner", hidden, first.weight, first.bias)
    inner = graph.op("Gelu", "aspects/gelu", inner)
    logits = graph.linear("aspects/out", inner, last.weight, last.bias)
    graph.op("Identity", "aspects", logits)

    shape = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask")
    ]
    widths = {
        "sentiment": ["batch", len(recipe.SENTIMENTS)],
        "sarcasm": ["batch", 1],
        "emotions": ["batch", len(recipe.EMOTIONS)],
        "aspects": [*shape, len(recipe.TAGS)],
    }
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, width)
        for name, width in widths.items()
    ]
    built = helper.make_graph(graph.nodes, "undertone", inputs, outputs, graph.weights)
    exported = helper.make_model(
        built,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="undertone",
    )
    onnx.checker.check_model(exported, full_check=True)
    return exported


def _encoder(graph: Graph, model: FourHeads, mask: str, smooth: Factors) -> str:
    """Embeddings and layers; the name of the last hidden states [batch, sequence, width]."""
    config, embeddings = model.encoder.config, model.encoder.embeddings
    words = graph.weight("words.weight", embeddings.word_embeddings.weight)
    x = graph.op("Gather", "words", words, "input_ids")
    positions = graph.weight("positions.weight", embeddings.position_embeddings.weight)
    length = graph.op("Shape", "length", "input_ids", start=1, end=2)
    zero = graph.weight("zero", np.array([0]))
    x = graph.op(
        "Add", "embedded", x, graph.op("Slice", "positions", positions, zero, length, zero)
    )
    one = graph.weight("one", np.float32(1))
    hidden_tokens = graph.op("Sub", "mask/inverse", one, mask)
    bias = graph.op("Mul", "mask/bias", hidden_tokens, graph.weight("masked", np.float32(MASKED)))
    bias = graph.op("Unsqueeze", "mask/scores", bias, graph.weight("axes", np.array([1, 2])))

    heads, width = config.n_heads, config.dim
    graph.weight("apart", np.array([0, 0, 3 * heads, width // heads]))
    graph.weight("together", np.array([0, 0, width]))
    x = graph.norm("embedded/norm", x, embeddings.LayerNorm, smooth.get("layer0/qkv", 1))
    for number, layer in enumerate(model.encoder.transformer.layer):
        qkv, following = (
            smooth.get(f"layer{number}/qkv", 1),
            smooth.get(f"layer{number + 1}/qkv", 1),
        )
        inner, outer = smooth.get(f"layer{number}/inner", 1), smooth.get(f"layer{number}/outer", 1)
        x = _attention(graph, f"layer{number}", layer, x, bias, qkv, inner)
        x = _feed_forward(graph, f"layer{number}", layer, x, inner, outer, following)
    return x


def _attention(
    graph: Graph, at: str, layer: Any, x: str, bias: str, divided: Factor, divide: Factor
) -> str:
    """Self-attention, residual and norm. `x` comes divided by one factor, and the result
    is divided by the other."""
    attention = layer.attention
    thirds = [attention.q_lin, attention.k_lin, attention.v_lin]
    scales = [layer.attention.attention_head_size**-0.5, 1, 1]
    qkv = graph.linear(
        f"{at}/qkv",
        x,
        torch.cat([part.weight * scale for part, scale in zip(thirds, scales, strict=True)])
        * divided,
        torch.cat([part.bias * scale for part, scale in zip(thirds, scales, strict=True)]),
    )
    qkv = graph.op("Reshape", f"{at}/apart", qkv, "apart")
    qkv = graph.op("Transpose", f"{at}/by_head", qkv, perm=[0, 2, 1, 3])
    q, k, v = graph.op("Split", f"{at}/thirds", qkv, outputs=3, axis=1, num_outputs=3)
    k = graph.op("Transpose", f"{at}/keys", k, perm=[0, 1, 3, 2])
    scores = graph.op("Add", f"{at}/masked", graph.op("MatMul", f"{at}/scores", q, k), bias)
    shares = graph.op("Softmax", f"{at}/shares", scores, axis=-1)
    mixed = graph.op("MatMul", f"{at}/mixed", shares, v)
    mixed = graph.op("Transpose", f"{at}/by_token", mixed, perm=[0, 2, 1, 3])
    mixed = graph.op("Reshape", f"{at}/together", mixed, "together")
    out = graph.linear(f"{at}/attended", mixed, attention.out_lin.weight, attention.out_lin.bias)
    whole = graph.times(f"{at}/whole1", x, divided)
    out = graph.op("Add", f"{at}/residual1", out, whole)
    return graph.norm(f"{at}/norm1", out, layer.sa_layer_norm, divide)


def _feed_forward(
    graph: Graph, at: str, layer: Any, x: str, divided: Factor, within: Factor, divide: Factor
) -> str:
    """The two products, residual and norm; `within` divides what lies between the two."""
    first, second = layer.ffn.lin1, layer.ffn.lin2
    inner = graph.linear(f"{at}/inner", x, first.weight * divided, first.bias)
    inner = graph.op("Gelu", f"{at}/gelu", inner)
    inner = graph.times(f"{at}/smooth", inner, 1 / within)
    out = graph.linear(f"{at}/outer", inner, second.weight * within, second.bias)
    whole = graph.times(f"{at}/whole2", x, divided)
    out = graph.op("Add", f"{at}/residual2", out, whole)
    return graph.norm(f"{at}/norm2", out, layer.output_layer_norm, divide)


def _text_heads(graph: Graph, model: FourHeads, hidden: str, mask: str) -> None:
    """The three heads on the mean, as one: their first layers side by side, their last
    ones as the blocks of a block-diagonal matrix."""
    one = graph.weight("axis1", np.array([1]))
    weights = graph.op("Unsqueeze", "mean/weights", mask, one)
    total = graph.op("MatMul", "mean/total", weights, hidden)
    total = graph.op("Squeeze", "mean/flat", total, one)
    count = graph.op("ReduceSum", "mean/count", mask, one, keepdims=1)
    mean = graph.op("Div", "mean", total, count)

    heads = [model.sentiment, model.sarcasm, model.emotions]
    first = [head[1] for head in heads]
    last = [head[4] for head in heads]
    inner = graph.linear(
        "heads/inner",
        mean,
        torch.cat([layer.weight for layer in first]),
        torch.cat([layer.bias for layer in first]),
    )
    inner = graph.op("Gelu", "heads/gelu", inner)
    blocks = torch.block_diag(*[layer.weight for layer in last])
    logits = graph.linear("heads/out", inner, blocks, torch.cat([layer.bias for layer in last]))
    sizes = graph.weight("heads/sizes", np.array([layer.out_features for layer in last]))
    graph.nodes.append(
        helper.make_node(
            "Split", [logits, sizes], ["sentiment", "sarcasm", "emotions"], name="heads", axis=1
        )
    )


def export(run: Path, out: Path) -> None:
    """Writes the fp32 graph of a finished run, smoothed over some of its texts set aside."""
    model, tokenizer = load(run / "model")
    texts = [row.text for row in read_aside(run / "aside.jsonl")]
    onnx.save(graph_of(model, factors(model, tokenizer, texts[:: max(1, len(texts) // 400)])), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training run")
    parser.add_argument("--out", type=Path, required=True, help="the fp32 graph to write")
    given = parser.parse_args()
    export(given.run, given.out)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB, fp32")


if __name__ == "__main__":
    main()
