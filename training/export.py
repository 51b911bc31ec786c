"""Owns the bundled model's ONNX graph: its encoder (`lean.py`) and the heads.

    python -m training.export --run RUN --out FILE.onnx [--fp32]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from training import recipe
from training.lean import Graph, Shape, encoder
from training.model import Heads, load
from training.smooth import Factors


def graph_of(
    model: Heads, quantised: bool = False, smooth: Factors | None = None
) -> onnx.ModelProto:
    """The whole model: ids and mask in, a tensor of logits for each head out."""
    config = model.encoder.config
    shape = Shape(config.dim, config.n_layers, config.n_heads)
    graph = Graph(quantised)
    weights = {name: tensor.numpy() for name, tensor in model.encoder.state_dict().items()}
    factors = {name: factor.numpy() for name, factor in (smooth or {}).items()}
    hidden = encoder(graph, weights, shape, factors)
    _text_heads(graph, model, hidden)
    inner, last, bias = _head(graph, "aspects", hidden, [model.aspects])
    tags = graph.op("MatMul", "aspects/out", inner, graph.weight("aspects/out.weight", last.T))
    graph.op("Add", "aspects", tags, graph.weight("aspects/out.bias", bias))
    outputs = {name: ["batch", getattr(model, name)[4].out_features] for name in model.on_text}
    outputs["aspects"] = ["batch", "sequence", len(recipe.TAGS)]
    return graph.finished(outputs, shape)


def _text_heads(graph: Graph, model: Heads, hidden: str) -> None:
    """The heads that read the mean."""
    mask = graph.op("Cast", "mask", "attention_mask", to=TensorProto.FLOAT)
    one = graph.weight("axis1", np.array([1]))
    total = graph.op("MatMul", "mean/total", graph.op("Unsqueeze", "mean/mask", mask, one), hidden)
    total = graph.op("Squeeze", "mean/flat", total, one)
    count = graph.op("ReduceSum", "mean/count", mask, one, keepdims=1)
    mean = graph.op("Div", "mean", total, count)
    heads = [getattr(model, name) for name in model.on_text]
    logits = graph.last("heads", *_head(graph, "heads", mean, heads))
    sizes = graph.weight("heads/sizes", np.array([head[4].out_features for head in heads]))
    graph.nodes.append(
        helper.make_node("Split", [logits, sizes], model.on_text, name="heads", axis=1)
    )


def _head(
    graph: Graph, name: str, x: str, heads: list[torch.nn.Sequential]
) -> tuple[str, np.ndarray, np.ndarray]:
    """Some heads as one: what their first layers give, side by side, and their last ones as the
    blocks of a block-diagonal matrix, with the biases."""
    with torch.no_grad():
        first = torch.cat([head[1].weight for head in heads]).numpy()
        biases = torch.cat([head[1].bias for head in heads]).numpy()
        last = torch.block_diag(*[head[4].weight for head in heads]).numpy()
        last_biases = torch.cat([head[4].bias for head in heads]).numpy()
    inner = graph.product(f"{name}/inner", first, biases)
    inner = graph.own("LinearGelu", f"{name}/inner", x, *inner)
    return inner, last, last_biases


def export(run: Path, out: Path, quantised: bool) -> None:
    """Writes a graph of a finished run."""
    model, _ = load(run / "model")
    onnx.save(graph_of(model, quantised), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training run")
    parser.add_argument("--out", type=Path, required=True, help="the graph to write")
    parser.add_argument("--fp32", action="store_true", help="floats, not INT8")
    given = parser.parse_args()
    export(given.run, given.out, not given.fp32)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
