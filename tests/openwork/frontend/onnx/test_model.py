"""`.onnx` files: nothing beside them is read, they cannot explode, and damaged or ambiguous ones are refused in a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from tests.openwork.frontend.onnx.models import behind_a_layer, node, proto, weights

from openwork.frontend import LoadingError, load
from openwork.frontend.onnx import model as model_module
from openwork.frontend.onnx import wire
from openwork.frontend.onnx.model import model_of, read_model


def small() -> onnx.ModelProto:
    return behind_a_layer([node("Relu", "m", "y")])


def refusal(content: bytes) -> str:
    """The sentence that reading a file ends in."""
    with pytest.raises(LoadingError) as caught:
        model_of(content, "model.onnx")
    message = str(caught.value)
    assert message.startswith("model.onnx ") and "\n" not in message
    return message


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    made = small()
    onnx.save_model(made, tmp_path / "a.onnx")
    found = read_model(tmp_path / "a.onnx")
    assert [one.kind for one in found.nodes] == ["Conv", "Relu"] and found.outputs == ("y",)
    assert np.array_equal(found.constants["first.weight"], weights(4, 3, 1, 1))
    assert found.inputs[0].shape == (None, 3, 6, 6)
    with pytest.raises(LoadingError, match="there is no file"):
        read_model(tmp_path / "b.onnx")


def external(made: onnx.ModelProto, location: str) -> None:
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def subgraph(made: onnx.ModelProto, kind: str) -> None:
    inner = helper.make_graph([], "inner", [], [])
    made.graph.node.append(helper.make_node(kind, ["x"], ["z"], then_branch=inner, else_branch=inner))


def replaced(made: onnx.ModelProto, **fields: Any) -> None:
    """The first tensor with other fields."""
    tensor = made.graph.initializer[0]
    for name, value in fields.items():
        tensor.ClearField(name)
        if isinstance(value, list):
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: external(made, "/etc/passwd"), "has a tensor 'first.weight' in another file"),
        (lambda made: external(made, "../../secret"), "has a tensor 'first.weight' in another file"),
        (lambda made: subgraph(made, "If"), r"graphs in its graph, as of control flow \('If' x1\)"),
        (lambda made: subgraph(made, "Loop"), r"graphs in its graph, as of control flow \('Loop' x1\)"),
        (lambda made: made.functions.add(name="f", domain="d"), "defines functions of its own"),
        (lambda made: made.graph.sparse_initializer.add(), "holds sparse tensors"),
        (lambda made: replaced(made, dims=[4, 3, 1, 2]), r"of 48 bytes, and its shape \[4, 3, 1, 2\] takes 96"),
        (lambda made: replaced(made, dims=[1 << 40, 1 << 20]), "of the shape .*, which no tensor has"),
        (lambda made: replaced(made, dims=[-4, -3, 1, 1]), "of the shape .*, which no tensor has"),
        (lambda made: replaced(made, dims=[0, 1 << 30, 1 << 30]), "of the shape .*, which no tensor has"),
        (lambda made: replaced(made, data_type=onnx.TensorProto.STRING), "of STRING; floating point numbers"),
        (lambda made: replaced(made, data_type=onnx.TensorProto.INT4), "of INT4; floating point numbers"),
        (lambda made: replaced(made, float_data=[1.0]), "several sets of data"),
        (lambda made: replaced(made, raw_data=b"", float_data=[1.0]), "several sets of data"),
        (lambda made: made.graph.node[1].input.append("nothing"),
         r"reads 'nothing', which nothing before it makes \(Relu at node 'the Relu'\)"),
        (lambda made: made.graph.node.insert(0, made.graph.node.pop()), "reads 'm', which nothing before it makes"),
        (lambda made: made.graph.node[1].output.append("m"), "two of its values have the name 'm'"),
        (lambda made: made.graph.node.append(made.graph.node[1]), "two of its values have the name 'y'"),
        (lambda made: made.graph.initializer.append(made.graph.initializer[0]), "two of its values have the name 'first.weight'"),
        (lambda made: setattr(made.graph.output[0], "name", "z"), "gives 'z', which no node of it makes"),
        (lambda made: made.graph.output.append(made.graph.output[0]), "one of its results twice"),
        (lambda made: setattr(made.opset_import[0], "version", 10), "operators of ONNX's version 10; 11 to 21 are read"),
        (lambda made: setattr(made.opset_import[0], "version", 99), "operators of ONNX's version 99; 11 to 21 are read"),
        (lambda made: made.opset_import.pop(), "does not say which version"),
        (lambda made: made.ClearField("graph"), "it has no graph"),
        (lambda made: setattr(made.graph.node[1], "name", "a\nb"), "not printable"),
        (lambda made: setattr(made.graph.node[1], "op_type", ""), "empty, too long, or not printable"),
        (lambda made: setattr(made.graph.node[1], "op_type", "x" * 5000), "empty, too long, or not printable"),
        (lambda made: made.graph.node[0].attribute.add(name="group", type=onnx.AttributeProto.INTS, i=3), "of two types"),
        (lambda made: made.graph.node[0].attribute.add(name="group", type=onnx.AttributeProto.SPARSE_TENSOR), "no number, text or"),
        (lambda made: made.graph.node[0].attribute.extend([helper.make_attribute("group", 1)] * 2), "the name 'group'"),
        (lambda made: made.graph.input[0].type.Clear(), "that is no tensor"),
        (lambda made: made.graph.input[0].type.tensor_type.ClearField("shape"), "how many dimensions"),
    ],
)  # fmt: skip
def test_what_no_model_needs_is_refused(change: Callable[[onnx.ModelProto], Any], said: str) -> None:
    made = small()
    change(made)
    with pytest.raises(LoadingError, match=said) as caught:
        model_of(made.SerializeToString(), "model.onnx")
    assert "\n" not in str(caught.value)


def test_bytes_that_are_cut_off_or_of_another_format_are_refused() -> None:
    content = small().SerializeToString()
    for end in (1, 10, 100, len(content) // 2, len(content) - 1):
        refusal(content[:end])
    for other in (b"", b"PK\3\4", b"\x89PNG\r\n", b"\xff" * 100, bytes(1000)):
        refusal(other)
    assert "does not know" in refusal(content + b"\xfa\x7f\x00")  # a field of a number that there is not
    assert "stands there twice" in refusal(content + made_twice(content))


def made_twice(content: bytes) -> bytes:
    """The graph of a file once more: protobuf would merge the two."""
    graph = onnx.ModelProto.FromString(content).graph.SerializeToString()
    return b"\x3a" + varint(len(graph)) + graph


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def test_a_file_of_many_empty_messages_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = field(
        7, field(1, b"") * 200_000
    )  # a graph of nodes of which each takes 2 bytes, and some hundred once parsed
    monkeypatch.setattr(wire, "MAX_ONNX_FIELDS", 100_000)
    monkeypatch.setattr(onnx.ModelProto, "FromString", None)
    assert "has more than 100,000 fields" in refusal(bomb)


def test_messages_inside_each_other_without_end_are_refused() -> None:
    inner = b""
    for _ in range(5000):
        inner = field(1, field(5, field(6, inner)))  # a node with an attribute that is a graph
    assert "nested more than 12 deep" in refusal(field(7, inner))


def test_long_lists_of_small_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ONNX_PACKED", 1000)
    tensor = onnx.TensorProto(name="t", data_type=onnx.TensorProto.INT64, dims=[2000], int64_data=[1] * 2000)
    made = small()
    made.graph.initializer.append(tensor)
    assert "more than 1,000 bytes of whole numbers" in refusal(made.SerializeToString())


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "MAX_ONNX", 100)
    (tmp_path / "a.onnx").write_bytes(small().SerializeToString())
    with pytest.raises(LoadingError, match="bytes, and 100 are possible"):
        load(tmp_path / "a.onnx", torch.zeros(1, 3, 6, 6))


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint16", "uint8", "bool"]
)
@pytest.mark.parametrize("raw", [True, False])
def test_every_type_is_read_however_it_is_stored(dtype: str, raw: bool) -> None:
    array = (
        np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype)
        if dtype == "bool"
        else np.array([[0, 1, 100], [3, 5, 7]]).astype(dtype)
    )
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    values = array.tobytes() if raw else array.flatten().tolist()
    tensor = helper.make_tensor("t", kind, array.shape, values, raw=raw)
    made = proto([node("Relu", "x", "y")], {})
    made.graph.initializer.append(tensor)
    found = model_of(made.SerializeToString(), "a.onnx").constants["t"]
    assert found.dtype == array.dtype and np.array_equal(found, array)


def test_a_number_that_its_type_does_not_have_is_refused() -> None:
    made = small()
    made.graph.initializer.append(
        onnx.TensorProto(name="t", data_type=onnx.TensorProto.INT8, dims=[1], int32_data=[200])
    )
    assert "numbers that its type does not have" in refusal(made.SerializeToString())


def test_tensors_that_old_files_list_among_the_inputs_are_no_inputs() -> None:
    made = small()
    made.graph.input.append(helper.make_tensor_value_info("first.weight", 1, [4, 3, 1, 1]))
    assert [one.name for one in model_of(made.SerializeToString(), "a.onnx").inputs] == ["x"]
    assert numpy_helper.to_array(made.graph.initializer[0]).size == 12
