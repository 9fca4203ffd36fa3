"""Runs a verified model in ONNX's own reference implementation: what was read must compute the same.

The reference never sees the file. It gets a model that is made anew of what was verified.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from openwork.frontend.errors import ImportingError
from openwork.frontend.functional import silenced
from openwork.frontend.onnx.model import OnnxModel, OnnxNode
from openwork.frontend.onnx.reader import Replacement

IR_VERSION = 10
"""Of the file format: the one of ONNX's operators of version 21."""


def outputs_of_model(model: OnnxModel, inputs: torch.Tensor, replaced: Mapping[str, Replacement]) -> list[torch.Tensor]:
    """The results of a model, in the order in which it gives them.

    Args:
        model: verified.
        inputs: for its one input.
        replaced: results of operators, by name, in whose place stands what `OnnxGraph.replaced` says.

    Raises:
        ImportingError: the model cannot be run.
    """
    try:
        with silenced(), np.errstate(all="ignore"):
            found = ReferenceEvaluator(_rebuilt(model, inputs.shape, replaced)).run(
                None, {model.inputs[0].name: inputs.numpy()}
            )
    except Exception as error:  # whatever an operator of the reference raises
        first = str(error).strip().partition("\n")[0]
        raise ImportingError(f"the model cannot be run: {type(error).__name__}: {first}") from error
    return [torch.from_numpy(np.array(one)) for one in found]


def _rebuilt(model: OnnxModel, shape: Sequence[int], replaced: Mapping[str, Replacement]) -> Any:
    """The model for inputs of one shape."""
    (one,) = model.inputs
    dtype = helper.np_dtype_to_tensor_dtype(one.dtype)
    graph = helper.make_graph(
        [node for old in model.nodes for node in _nodes(old, model.opset, replaced, one.dtype)],
        "model",
        [helper.make_tensor_value_info(one.name, dtype, list(shape))],
        [onnx.ValueInfoProto(name=name) for name in model.outputs],
        [numpy_helper.from_array(array, name) for name, array in model.constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", model.opset)], ir_version=IR_VERSION)


def _nodes(node: OnnxNode, opset: int, replaced: Mapping[str, Replacement], dtype: "np.dtype[Any]") -> Iterator[Any]:
    """A node as it was, or what takes its place."""
    name = node.outputs[0]
    limits = replaced.get(name)
    if isinstance(limits, np.ndarray):
        yield helper.make_node("Constant", [], [name], value=numpy_helper.from_array(limits))
    elif limits is not None:
        names = [f"{name}/low", f"{name}/high"]
        for one, limit in zip(names, limits, strict=True):
            yield helper.make_node("Constant", [], [one], value=numpy_helper.from_array(np.array(limit, dtype)))
        yield helper.make_node("Clip", [node.inputs[0], *names], [name])
    elif name in replaced:
        yield helper.make_node("Identity", node.inputs[:1], [name])
    elif (
        node.kind in ("Softmax", "LogSoftmax") and opset < 13
    ):  # of all axes from one on, which the reference does not know
        shape, flat, made = (f"{name}/{part}" for part in ("shape", "flat", "made"))
        yield helper.make_node("Shape", node.inputs, [shape])
        yield helper.make_node("Flatten", node.inputs, [flat], axis=node.attributes.get("axis", 1))
        yield helper.make_node(node.kind, [flat], [made], axis=1)
        yield helper.make_node("Reshape", [made, shape], [name])
    else:
        made = helper.make_node(node.kind, list(node.inputs), list(node.outputs))
        made.attribute.extend(_attribute(key, value) for key, value in node.attributes.items())
        yield made


def _attribute(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return helper.make_attribute(name, numpy_helper.from_array(value))
    empty = onnx.AttributeProto.INTS if value == [] else None
    return helper.make_attribute(name, value, attr_type=empty)
