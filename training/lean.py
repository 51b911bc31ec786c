"""Owns the lean graph of a DistilBERT: a node for each layer, and nothing that computes shapes.

Weights come by the names that Hugging Face's DistilBERT gives them, as numpy arrays: from a
network (`export.py`) or out of another ONNX file (`quantise.py`). No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.functions import DOMAIN, FLOAT_DOMAIN, OPSET, Nodes, functions

IR_VERSION = 9
PRODUCER = "undertone"  # by which the gateway knows that texts may share a pass
# Steps of a weight, either way. A product's weights have 7 bits: then two products with an activation
# of 8 bits, added, stay within 16, and AVX2's `vpmaddubsw` is as exact as VNNI.
MOST = 63
MOST_OF_WORDS = 127  # the table of words is looked up, not multiplied
EPSILON = 1e-12  # of DistilBERT's norms

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Shape:
    """What the weights do not say by themselves."""

    width: int
    layers: int
    heads: int


class Graph(Nodes):
    """Collects nodes and weights: INT8 ones in `DOMAIN`, floats in `FLOAT_DOMAIN`."""

    def __init__(self, quantised: bool) -> None:
        super().__init__(DOMAIN if quantised else FLOAT_DOMAIN)
        self.quantised = quantised
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def product(
        self, name: str, weight: np.ndarray, bias: np.ndarray, factor: np.ndarray | None = None
    ) -> list[str]:
        """The weights of one of our products; `weight` is [outputs, inputs], as in PyTorch. In
        INT8 its inputs are divided by `factor`, and the weights make up for it."""
        if not self.quantised:
            return [self.weight(f"{name}.weight", weight.T), self.weight(f"{name}.bias", bias)]
        factor = np.ones(weight.shape[1], dtype=np.float32) if factor is None else factor
        steps, scale = steps_of(weight * factor)
        return [
            self.weight(f"{name}.weight", steps.T),
            self.weight(f"{name}.scale", scale),
            self.weight(f"{name}.bias", bias),
            self.weight(f"{name}.divide", (1 / factor).astype(np.float32)),
        ]

    def norm(self, name: str, weights: Weights, source: str) -> list[str]:
        return [
            self.weight(f"{name}.{part}", weights[f"{source}.{part}"]) for part in ("weight", "bias")
        ]

    def last(self, name: str, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """A head's last product, for `x` [batch, width]. It has few outputs: nothing to gain
        from INT8, and precision to lose. Weights times text, and not the other way round: then
        each text is a product of its own, whose sums are the same whatever the batch."""
        place = self.weight(f"{name}/place", np.array([2]))
        weight = self.weight(f"{name}/out.weight", weight)
        product = self.op("MatMul", f"{name}/out", weight, self.op("Unsqueeze", f"{name}/column", x, place))
        product = self.op("Squeeze", f"{name}/flat", product, place)
        return self.op("Add", f"{name}/logits", product, self.weight(f"{name}/out.bias", bias))

    def finished(self, outputs: dict[str, list], shape: Shape) -> onnx.ModelProto:
        """The file of a graph that reads `input_ids` and `attention_mask`."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ]
        results = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)
            for name, sizes in outputs.items()
        ]
        model = helper.make_model(
            helper.make_graph(self.nodes, PRODUCER, inputs, results, self.weights),
            functions=functions(self.domain, shape.width, shape.heads),
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(self.domain, 1)],
            ir_version=IR_VERSION,
            producer_name=PRODUCER,
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def steps_of(weight: np.ndarray, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """Weights [rows, columns] as steps of −`most` to `most`, and what a step of each row is worth: [rows]."""
    scale = np.maximum(np.abs(weight).max(axis=1), 1e-12) / most
    return np.rint(weight / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def encoder(
    graph: Graph, weights: Weights, shape: Shape, smooth: Mapping[str, np.ndarray] | None = None
) -> str:
    """Embeddings and layers; the name of the last hidden states [batch, sequence, width].
    `smooth` has factors for the inputs of some products (`smooth.py`)."""
    x = _words(graph, weights["embeddings.word_embeddings.weight"])
    table = graph.weight("positions.weight", weights["embeddings.position_embeddings.weight"])
    length = graph.op("Shape", "length", "input_ids", start=1, end=2)
    zero = graph.weight("zero", np.array([0]))
    x = graph.op("Add", "embedded", x, graph.op("Slice", "positions", table, zero, length, zero))
    norm = graph.norm("embedded/norm", weights, "embeddings.LayerNorm")
    x = graph.op("LayerNormalization", "embedded/norm", x, *norm, epsilon=EPSILON)
    for number in range(shape.layers):
        inputs = [x, "attention_mask", *_layer(graph, weights, number, shape, smooth or {})]
        at = f"layer{number}"
        x = graph.own("EncoderLayer", at, *inputs, heads=shape.heads, epsilon=EPSILON)
    return x


def _layer(
    graph: Graph, weights: Weights, number: int, shape: Shape, smooth: Mapping[str, np.ndarray]
) -> list[str]:
    at, source = f"layer{number}", f"transformer.layer.{number}"

    def part(name: str) -> tuple[np.ndarray, np.ndarray]:
        return weights[f"{source}.{name}.weight"], weights[f"{source}.{name}.bias"]

    # Queries carry the scale of the attention.
    scale = np.float32((shape.width // shape.heads) ** -0.5)
    q, k, v = (part(f"attention.{name}_lin") for name in "qkv")
    qkv = [np.concatenate([q[at] * scale, k[at], v[at]]) for at in (0, 1)]
    return [
        *graph.product(f"{at}/qkv", *qkv, smooth.get(f"{at}/qkv")),
        *graph.product(f"{at}/attended", *part("attention.out_lin")),
        *graph.norm(f"{at}/norm1", weights, f"{source}.sa_layer_norm"),
        *graph.product(f"{at}/inner", *part("ffn.lin1"), smooth.get(f"{at}/inner")),
        *graph.product(f"{at}/outer", *part("ffn.lin2"), smooth.get(f"{at}/outer")),
        *graph.norm(f"{at}/norm2", weights, f"{source}.output_layer_norm"),
    ]


def _words(graph: Graph, table: np.ndarray) -> str:
    """The embeddings of the words; a scale for each where they are INT8."""
    if not graph.quantised:
        return graph.op("Gather", "words", graph.weight("words.weight", table), "input_ids")
    steps, scale = steps_of(table, MOST_OF_WORDS)
    words = graph.op("Gather", "words/steps", graph.weight("words.weight", steps), "input_ids")
    words = graph.op("Cast", "words/floats", words, to=TensorProto.FLOAT)
    scale = graph.weight("words.scale", scale[:, None])
    return graph.op("Mul", "words", words, graph.op("Gather", "words/scale", scale, "input_ids"))
