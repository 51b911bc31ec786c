"""Owns finding a DistilBERT classifier's weights in an ONNX file, and writing it again, lean.

Exporters keep the parameters' names, but for the matrices: those are found as what stands
beside a named bias. Needs only onnx, onnxruntime and numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from training.lean import Graph, Shape, encoder
from training.session import open_session

ARCHITECTURE = "DistilBertForSequenceClassification"
# How far logits of the fp32 form may be from the file's own: sums in another order.
TOLERANCE = 1e-3


def lean(source: Path, config: dict[str, Any]) -> onnx.ModelProto | None:
    """The INT8 form of a DistilBERT classifier; None where the file is another network, or one
    that computes anything else than a DistilBERT of its configuration."""
    if ARCHITECTURE not in config.get("architectures", []) or config.get("activation") != "gelu":
        return None
    weights = _weights(onnx.load(source).graph)
    shape = Shape(config["dim"], config["n_layers"], config["n_heads"])
    try:
        if not _same(source, _classifier(weights, shape, False), config["vocab_size"]):
            return None
        return _classifier(weights, shape, True)
    except KeyError:  # a part that has no name of its own here
        return None


def _classifier(weights: dict[str, np.ndarray], shape: Shape, quantised: bool) -> onnx.ModelProto:
    graph = Graph(quantised)
    hidden = encoder(graph, weights, shape)
    first = graph.op("Gather", "first", hidden, graph.weight("place", np.array(0)), axis=1)
    head = graph.product(
        "head/inner", weights["pre_classifier.weight"], weights["pre_classifier.bias"]
    )
    head = graph.op("Relu", "head/relu", graph.own("Linear", "head/inner", first, *head))
    last = weights["classifier.weight"], weights["classifier.bias"]
    graph.op("Identity", "logits", graph.last("head", head, *last))
    return graph.finished({"logits": ["batch", len(last[1])]}, shape)


def _weights(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The parameters by DistilBERT's names, without what a wrapper puts before them."""
    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    made = {output: node for node in graph.node for output in node.output}
    found = {_short(name): array for name, array in stored.items()}
    for node in graph.node:
        biases = [name for name in node.input if name in stored and name.endswith(".bias")]
        if node.op_type not in ("Add", "Gemm") or len(biases) != 1:
            continue
        if node.op_type == "Gemm":
            turned = any(item.name == "transB" and item.i for item in node.attribute)
            matrix = stored.get(node.input[1])
            matrix = matrix if turned or matrix is None else matrix.T
        else:
            other = next((made.get(name) for name in node.input if name in made), None)
            matrix = _factor(other, stored, made)
        if matrix is not None:
            found[_short(biases[0]).removesuffix("bias") + "weight"] = matrix
    return found


def _factor(
    node: onnx.NodeProto | None, stored: dict[str, np.ndarray], made: dict[str, onnx.NodeProto]
) -> np.ndarray | None:
    """The constant matrix of a product, [outputs, inputs]; None where there is none."""
    if node is None or node.op_type != "MatMul":
        return None
    if node.input[1] in stored:
        return stored[node.input[1]].T
    turned = made.get(node.input[1])
    if turned is not None and turned.op_type == "Transpose":
        return stored.get(turned.input[0])
    return None


def _short(name: str) -> str:
    """`model.distilbert.embeddings…` and `distilbert.embeddings…` are the same."""
    name = name.rpartition("distilbert.")[2]
    return name.removeprefix("model.")


def _same(source: Path, rebuilt: onnx.ModelProto, words: int) -> bool:
    """Whether two graphs say the same of random tokens, some of them padded."""
    ids = np.random.default_rng(1).integers(0, words, (3, 24))
    mask = np.ones_like(ids)
    mask[1, 9:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    logits = [
        open_session(graph).run(["logits"], inputs)[0]
        for graph in (source, rebuilt.SerializeToString())
    ]
    return logits[0].shape == logits[1].shape and np.abs(logits[0] - logits[1]).max() < TOLERANCE
