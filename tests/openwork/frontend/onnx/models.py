"""ONNX models made by hand: a layer that makes a map, and operators behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

SHAPE = (1, 3, 6, 6)
"""Of an input."""


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """An operator; names with spaces between them, and `-` for an input that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), name=f"the {kind}", **attributes)


def proto(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, NDArray[Any]],
    *,
    shape: Sequence[int | str] = ("n", *SHAPE[1:]),
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
) -> onnx.ModelProto:
    """A model of the input `x` and float32."""
    graph = helper.make_graph(
        nodes,
        "a graph",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def weights(*shape: int, seed: int = 1) -> NDArray[np.float32]:
    """Random numbers of both signs."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def behind_a_layer(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, NDArray[Any]] | None = None, **more: Any
) -> onnx.ModelProto:
    """A model whose first layer makes the map `m` of 4 channels and 6 x 6 pixels."""
    first = node("Conv", "x first.weight first.bias", "m")
    known = {"first.weight": weights(4, 3, 1, 1), "first.bias": weights(4, seed=2)}
    return proto([first, *nodes], known | dict(constants or {}), **more)


def whole(*numbers: int) -> NDArray[np.int64]:
    """Whole numbers, as shapes, axes and places are given."""
    return np.array(numbers, np.int64)
