"""The one verifier of `.onnx` files: what it gives is all that anybody reads of a file.

Nothing of a file is run, and no other file is opened. The verifier knows no operators: what an operator does with its inputs
is looked at when the model is read (`openwork.frontend.onnx.reader`).
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from openwork.frontend.model_files import LoadingError, content_of
from openwork.frontend.onnx.tensors import array_of, kind_of
from openwork.frontend.onnx.wire import OnnxError, check_wire
from openwork.limits import MAX_ONNX, MAX_STEPS, MAX_WEIGHTS

OPSETS = range(11, 22)
"""Versions of ONNX's operators that are read."""

MAX_NAME = 1000
"""Characters of a name."""

MAX_LIST = 1 << 16
"""Numbers in an attribute, or inputs of an operator."""

OWN_DOMAINS = ("", "ai.onnx")
"""The names of ONNX's own set of operators."""

VALUES = {
    onnx.AttributeProto.FLOAT: "f",
    onnx.AttributeProto.INT: "i",
    onnx.AttributeProto.STRING: "s",
    onnx.AttributeProto.TENSOR: "t",
    onnx.AttributeProto.FLOATS: "floats",
    onnx.AttributeProto.INTS: "ints",
    onnx.AttributeProto.STRINGS: "strings",
}
"""The field that holds an attribute's value, by the attribute's type."""

GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)

Value = float | int | str | list[float] | list[int] | list[str] | NDArray[Any]
"""Of an attribute."""


@dataclass(frozen=True)
class OnnxNode:
    """An operator as it stands in a file.

    Attributes:
        name: empty if the file does not say one.
        kind: the name of the operator, with its domain if that is not ONNX's own.
        inputs, outputs: names of values; an empty name is one that is left out.
        attributes: by name.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Value]

    @property
    def path(self) -> str:
        """Its name as the path of a module, as steps are called; empty if it has none."""
        return path_of(self.name)

    @property
    def place(self) -> str:
        """Where it stands, in words that follow its kind."""
        return f" at node {self.name!r}" if self.name else f" at the node that makes {next(iter(self.outputs), '')!r}"


@dataclass(frozen=True, eq=False)
class OnnxInput:
    """An input of a model: its name, the dtype of its numbers, and its sizes; None for a size that is open."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """What is known to be harmless of an `.onnx` file.

    Attributes:
        opset: the version of ONNX's operators.
        inputs: those that have no value in the file.
        outputs: names of the results.
        constants: tensors of the file, by name.
        nodes: each reads inputs, constants and what nodes before it make; every value has one name, and every name one value.
    """

    opset: int
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]]
    nodes: tuple[OnnxNode, ...]


def path_of(name: str) -> str:
    """A name as the path of a module.

    >>> path_of("/features/features.0/Conv"), path_of("Conv@0")
    ('features.features.0.Conv', 'Conv_0')
    """
    return re.sub(r"[^\w.-]+", "_", re.sub(r"[/.]+", ".", name).strip("."), flags=re.ASCII)


def read_model(path: Path) -> OnnxModel:
    """The model in an `.onnx` file.

    Raises:
        LoadingError: there is no such file, or see `model_of`.
    """
    return model_of(content_of(path, MAX_ONNX), str(path))


def model_of(content: bytes, name: str) -> OnnxModel:
    """The model in the content of an `.onnx` file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        LoadingError: the file is damaged or ambiguous, reads other files, holds graphs in graphs or functions of its own, is of
            another version, or larger than `openwork.limits` says.
    """
    try:
        if len(content) > MAX_ONNX:
            raise OnnxError(f"is of {len(content):,} bytes, and {MAX_ONNX:,} are possible")
        check_wire(content)
        try:
            proto = onnx.ModelProto.FromString(content)
        except Exception as error:  # protobuf's own, of a kind that it does not export
            raise OnnxError(f"cannot be parsed: {str(error).partition(chr(10))[0]}") from None
        return _verified(proto)
    except OnnxError as error:
        raise LoadingError(f"{name} {error}") from None


def _verified(proto: Any) -> OnnxModel:
    """The parts of a parsed model, each of them checked."""
    if not proto.HasField("graph"):
        raise OnnxError("is not a whole .onnx file: it has no graph")
    if proto.functions or proto.training_info:
        raise OnnxError("defines functions of its own, or how it is trained: export the model for inference, inlined")
    graph = proto.graph
    if graph.sparse_initializer:
        raise OnnxError("holds sparse tensors; dense ones are possible")
    opset = _opset(proto.opset_import)
    _check_control_flow(graph.node)
    if len(graph.node) > MAX_STEPS:
        raise OnnxError(f"has {len(graph.node):,} nodes, and {MAX_STEPS:,} are possible")
    constants: dict[str, NDArray[Any]] = {}
    for one in graph.initializer:
        _check_new(_name(one.name, "tensor"), constants)
        constants[one.name] = array_of(one, f"a tensor {one.name!r}")
    if sum(array.size for array in constants.values()) > MAX_WEIGHTS:
        raise OnnxError(f"has more than {MAX_WEIGHTS:,} weights")
    # Files of old versions list their tensors among the inputs, too.
    inputs = tuple(_input(one) for one in graph.input if one.name not in constants)
    known = {*constants}
    for one in inputs:
        _check_new(one.name, known)
        known.add(one.name)
    nodes = tuple(_node(one) for one in graph.node)
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                raise OnnxError(
                    f"has a node that reads {name!r}, which nothing before it makes ({node.kind}{node.place}): "
                    "nodes stand in the order in which they run"
                )
        for name in node.outputs:
            if name:
                _check_new(name, known)
                known.add(name)
    outputs = tuple(_name(one.name, "result") for one in graph.output)
    for name in outputs:
        if name not in known:
            raise OnnxError(f"gives {name!r}, which no node of it makes")
    if not outputs or len({*outputs}) < len(outputs):
        raise OnnxError("gives no result, or one of its results twice")
    return OnnxModel(opset, inputs, outputs, constants, nodes)


def _opset(imported: Any) -> int:
    versions = [one.version for one in imported if one.domain in OWN_DOMAINS]
    if len(versions) != 1:
        raise OnnxError("does not say which version of ONNX's operators it means")
    if versions[0] not in OPSETS:
        raise OnnxError(
            f"has operators of ONNX's version {versions[0]}; {OPSETS[0]} to {OPSETS[-1]} are read: export the model for one of "
            "them, or convert it with onnx.version_converter"
        )
    return int(versions[0])


def _check_control_flow(nodes: Any) -> None:
    """Refuse graphs in graphs, by the names of their operators."""
    found = [one for one in nodes if any(attribute.type in GRAPHS or attribute.HasField("g") or attribute.graphs
                                         for attribute in one.attribute)]  # fmt: skip
    if found:
        kinds = Counter(one.op_type for one in found)
        text = ", ".join(f"{kind!r:.60} x{count}" for kind, count in kinds.most_common(5))
        raise OnnxError(f"has graphs in its graph, as of control flow ({text}); a model without them is possible")


def _name(text: str, what: str) -> str:
    if not text or len(text) > MAX_NAME or not text.isprintable():
        raise OnnxError(f"has a {what} whose name {text[:100]!r} is empty, too long, or not printable")
    return text


def _check_new(name: str, known: Any) -> None:
    if name in known:
        raise OnnxError(f"is ambiguous: two of its values have the name {name!r}")


def _input(one: Any) -> OnnxInput:
    name = _name(one.name, "input")
    what = one.type.WhichOneof("value")
    if what != "tensor_type":
        raise OnnxError(f"takes an input {name!r} that is no tensor")
    tensor = one.type.tensor_type
    dtype = np.dtype(kind_of(tensor.elem_type, f"an input {name!r}").dtype)
    if not tensor.HasField("shape") or len(tensor.shape.dim) > 8:
        raise OnnxError(f"does not say how many dimensions its input {name!r} has, or more than 8")
    sizes = tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)
    if any(size is not None and size >= 1 << 31 for size in sizes):
        raise OnnxError(f"takes an input {name!r} of sizes that no tensor has")
    return OnnxInput(name, dtype, sizes)


def _node(one: Any) -> OnnxNode:
    kind = _name(one.op_type, "operator")
    if one.domain not in OWN_DOMAINS:
        kind = f"{_name(one.domain, 'domain')}.{kind}"
    if one.name:
        _name(one.name, "node")
    names = tuple(one.input), tuple(one.output)
    for name in (*names[0], *names[1]):
        if name:
            _name(name, "value")
    if max(map(len, names)) > MAX_LIST or not any(names[1]):
        raise OnnxError(
            f"has a node {one.name[:100]!r} ({kind:.60}) without results, or with more than {MAX_LIST:,} inputs"
        )
    attributes: dict[str, Value] = {}
    for attribute in one.attribute:
        _check_new(_name(attribute.name, "attribute"), attributes)
        attributes[attribute.name] = _value(attribute, f"{kind:.60}'s {attribute.name!r:.60}")
    return OnnxNode(one.name, kind, *names, attributes)


def _value(attribute: Any, what: str) -> Value:
    """The value of an attribute, which has the type that it says and no other one."""
    field = VALUES.get(attribute.type)
    present = {one.name for one, _ in attribute.ListFields()} - {"name", "type", "doc_string"}
    if field is None or not present <= {field}:
        raise OnnxError(f"has {what}, an attribute that is no number, text or tensor, or of two types")
    value = getattr(attribute, field)
    if field == "t":
        return array_of(value, f"{what}, a tensor")
    if field in ("s", "strings"):
        texts = [_text(one, what) for one in ([value] if field == "s" else value)]
        return texts[0] if field == "s" else texts
    if field in ("f", "i"):
        return float(value) if field == "f" else int(value)
    if len(value) > MAX_LIST:
        raise OnnxError(f"has {what} of {len(value):,} numbers; {MAX_LIST:,} are possible in an attribute")
    return [float(one) for one in value] if field == "floats" else [int(one) for one in value]


def _text(value: bytes, what: str) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if len(text) > MAX_NAME or not text.isprintable():
        raise OnnxError(f"has {what}, a text that is too long or not printable")
    return text
