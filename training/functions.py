"""Owns the operators that a graph of ours is made of, as functions of standard ONNX nodes.

`EncoderLayer`, `Linear` and `LinearGelu` of the domain `undertone` say in one node what the
gateway's kernels compute in one step (`src/kernels/`). ONNX Runtime without those kernels
follows the functions, here and wherever else a graph is opened.

A product's activations are quantised row by row, so that no token's result depends on
another's; the formula is that of ONNX's DynamicQuantizeLinear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu; ONNX Runtime reads it from 1.17 on
DOMAIN = "undertone"
FLOAT_DOMAIN = "undertone.fp32"  # the same operators with weights that are floats

MASKED = -10_000.0  # added to the score of a padding token: its softmax is exactly 0
STEPS = 255.0
LEAST_STEP = 1e-30  # a row of zeros has steps of some size too


class Nodes:
    """Collects nodes under readable names."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.nodes: list[onnx.NodeProto] = []

    def op(self, kind: str, name: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [name] if outputs == 1 else [f"{name}:{part}" for part in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def own(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """One of the operators below."""
        return self.op(kind, name, *inputs, domain=self.domain, **attributes)

    def constant(self, name: str, value: Any) -> str:
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        return self.op("Constant", name, value=numpy_helper.from_array(array))

    def function(self, kind: str, inputs: list[str], attributes: list[str]) -> onnx.FunctionProto:
        """What was collected, as a function whose output is the last node's."""
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(self.domain, 1)]
        output = self.nodes[-1].output[0]
        return helper.make_function(
            self.domain, kind, inputs, [output], self.nodes, imports, attributes
        )


def weights_of(domain: str, product: str) -> list[str]:
    """The names of a product's weights, as a function's inputs."""
    own = ["weight", "scale", "bias", "divide"]
    parts = own if domain == DOMAIN else ["weight", "bias"]
    return [f"{product}.{part}" for part in parts]


def functions(domain: str, width: int, heads: int) -> list[onnx.FunctionProto]:
    """The domain's operators for an encoder of that width."""
    return [linear(domain, False), linear(domain, True), encoder_layer(domain, width, heads)]


def linear(domain: str, gelu: bool) -> onnx.FunctionProto:
    """x · weight + bias. INT8 weights are [inputs, outputs], their scales [outputs], and x is
    multiplied by `divide`, [inputs], before it is quantised: `smooth.py` says why."""
    body = Nodes(domain)
    if domain == DOMAIN:
        product = _rows_by_int8(body)
    else:
        product = body.op("MatMul", "product", "x", "weight")
    summed = body.op("Add", "sum", product, "bias")
    if gelu:
        body.op("Gelu", "gelu", summed)
    inputs = ["x", *(name.partition(".")[2] for name in weights_of(domain, ""))]
    return body.function("LinearGelu" if gelu else "Linear", inputs, [])


def _rows_by_int8(body: Nodes) -> str:
    zero = body.constant("zero", 0.0)
    last = body.constant("last", np.array([-1]))
    x = body.op("Mul", "smooth", "x", "divide")
    least = body.op("Min", "least", body.op("ReduceMin", "smallest", x, last), zero)
    most = body.op("Max", "most", body.op("ReduceMax", "largest", x, last), zero)
    span = body.op("Sub", "span", most, least)
    step = body.op("Div", "even", span, body.constant("steps", STEPS))
    step = body.op("Max", "step", step, body.constant("least_step", LEAST_STEP))
    inverse = body.op("Reciprocal", "inverse", step)
    place = body.op("Mul", "place", body.op("Neg", "below", least), inverse)
    place = body.op("Round", "zero_point", place)
    values = body.op("Round", "rounded", body.op("Mul", "divided", x, inverse))
    values = body.op("Add", "moved", values, place)
    values = body.op("Clip", "clipped", values, zero, body.constant("highest", STEPS))
    values = body.op("Cast", "bytes", values, to=TensorProto.UINT8)
    product = body.op("MatMulInteger", "integers", values, "weight")
    first = body.constant("first", np.array([0]))
    wide = body.op("Cast", "wide", "weight", to=TensorProto.INT32)
    total = body.op("ReduceSum", "total", wide, first, keepdims=0)
    place = body.op("Cast", "whole_zero_point", place, to=TensorProto.INT32)
    product = body.op("Sub", "off_zero", product, body.op("Mul", "offset", place, total))
    product = body.op("Cast", "product", product, to=TensorProto.FLOAT)
    return body.op("Mul", "scaled", product, body.op("Mul", "worth", step, "scale"))


def encoder_layer(domain: str, width: int, heads: int) -> onnx.FunctionProto:
    """Attention and feed-forward, each with its residual and norm: `x` [batch, tokens, width],
    `mask` [batch, tokens], 0 for the padding behind a text. Queries come scaled."""
    body = Nodes(domain)
    inputs = ["x", "mask"]

    def product(kind: str, name: str, x: str) -> str:
        inputs.extend(weights_of(domain, name))
        return body.own(kind, name, x, *weights_of(domain, name))

    def norm(name: str, x: str) -> str:
        inputs.extend([f"{name}.weight", f"{name}.bias"])
        return body.op("LayerNormalization", name, x, *inputs[-2:], epsilon=1e-12)

    mask = body.op("Cast", "kept", "mask", to=TensorProto.FLOAT)
    mask = body.op("Sub", "padding", body.constant("one", 1.0), mask)
    mask = body.op("Mul", "mask/bias", mask, body.constant("masked", MASKED))
    mask = body.op("Unsqueeze", "mask/scores", mask, body.constant("axes", np.array([1, 2])))

    qkv = product("Linear", "qkv", "x")
    apart = body.constant("apart", np.array([0, 0, 3 * heads, width // heads]))
    qkv = body.op("Transpose", "by_head", body.op("Reshape", "heads", qkv, apart), perm=[0, 2, 1, 3])
    q, k, v = body.op("Split", "thirds", qkv, outputs=3, axis=1, num_outputs=3)
    k = body.op("Transpose", "keys", k, perm=[0, 1, 3, 2])
    scores = body.op("Add", "scores", body.op("MatMul", "matches", q, k), mask)
    mixed = body.op("MatMul", "mixed", body.op("Softmax", "shares", scores, axis=-1), v)
    together = body.constant("together", np.array([0, 0, width]))
    mixed = body.op("Transpose", "by_token", mixed, perm=[0, 2, 1, 3])
    mixed = body.op("Reshape", "joined", mixed, together)
    attended = product("Linear", "attended", mixed)
    middle = norm("norm1", body.op("Add", "residual1", attended, "x"))
    inner = product("LinearGelu", "inner", middle)
    outer = product("Linear", "outer", inner)
    norm("norm2", body.op("Add", "residual2", outer, middle))
    return body.function("EncoderLayer", inputs, ["heads", "epsilon"])
