"""`.int8` files: what is written is read again, and what is damaged is refused in a sentence."""

import json
import os
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from tests.openwork.frontend.zoo import inputs, trained
from tests.openwork.networks import integer_networks

from openwork.activation import Clip
from openwork.files import FileError, decode_network, encode_network, read_network, write_network, write_whole
from openwork.files.networks import checksum
from openwork.frontend import import_module
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, Tensor
from openwork.quantization import quantize


def a_network() -> IntegerNetwork:
    return quantize(import_module(trained("residual"), inputs("residual", 1)), inputs("residual", 10))


def header(content: bytes) -> dict[str, Any]:
    """As anybody would read it: a length, JSON, and JSON in its metadata."""
    outer = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    result: dict[str, Any] = json.loads(outer["__metadata__"]["openwork"])
    return result


@given(network=integer_networks())
@settings(max_examples=60)
def test_decode_undoes_encode(network: IntegerNetwork) -> None:
    content = encode_network(network)
    result = decode_network(content)
    assert (result.tensors, result.outputs) == (network.tensors, network.outputs)
    for step, expected in zip(result.steps, network.steps, strict=True):
        if isinstance(step, LayerStep) and isinstance(expected, LayerStep):
            assert (step.inputs, step.output) == (expected.inputs, expected.output)
            for name, value in vars(expected.layer).items():
                assert np.array_equal(getattr(step.layer, name), value), name
                assert type(getattr(step.layer, name)) is type(value)
        else:
            assert step == expected
    assert encode_network(result) == content


def test_readable_without_openwork() -> None:
    network = a_network()
    content = encode_network(network)
    assert header(content)["format"] == "openwork integer network" and header(content)["version"] == 2
    graph = header(content)["graph"]
    assert graph["tensors"][0] == {
        "name": "input", "shape": [3, 9, 7], "scale": network.input.scale, "zero_point": network.input.zero_point
    }  # fmt: skip
    assert graph["steps"][0]["kind"] == "layer" and graph["steps"][0]["inputs"] == ["input"]
    assert graph["steps"][0]["weights"] == [4, 3, 3, 3]
    arrays = load(content)
    assert arrays["first.weights"].dtype == np.int8
    assert np.array_equal(arrays["first.weights"], network.layers[0].weights)


def a_sparse_network() -> IntegerNetwork:
    """A layer of 2 rows and 12 columns with the nonzeros 5 and -6; its second row is empty, and so small is it stored."""
    weights = np.zeros((2, 12, 1, 1), np.int8)
    weights[0, [3, 11], 0, 0] = 5, -6
    numbers = np.zeros(2, np.int64)
    layer = IntegerLayer("sparse", weights, numbers, numbers, 0, 0, Clip(), (12, 1, 1))
    tensors = (Tensor("input", (12, 1, 1), 1.0, 0), Tensor("sparse", (2, 1, 1), 1.0, 0))
    return IntegerNetwork(tensors, (LayerStep(("input",), "sparse", layer),), ("sparse",))


def test_weights_are_stored_in_the_smaller_form() -> None:
    arrays = load(encode_network(a_sparse_network()))
    assert "sparse.weights" not in arrays
    assert arrays["sparse.values"].tolist() == [5, -6] and arrays["sparse.values"].dtype == np.int8
    assert arrays["sparse.columns"].tolist() == [3, 11] and arrays["sparse.columns"].dtype == np.int32
    assert arrays["sparse.row_starts"].tolist() == [0, 2, 2] and arrays["sparse.row_starts"].dtype == np.int32
    layer = a_sparse_network().layers[0]
    dense = replace(
        layer, weights=np.where(np.arange(12) < 3, 1, layer.weights[:, :, 0, 0])[..., None, None].astype(np.int8)
    )
    tensors, outputs = a_sparse_network().tensors, ("sparse",)
    full = IntegerNetwork(
        tensors, (LayerStep(("input",), "sparse", dense),), outputs
    )  # 7 x 5 + 12 bytes are more than 24
    assert load(encode_network(full))["sparse.weights"].tolist() == dense.weights.tolist()


def test_the_bytes_are_those_of_the_document() -> None:
    """Built here by hand, so that a file of version 2 never becomes another one."""
    graph = {
        "tensors": [
            {"name": "input", "shape": [12, 1, 1], "scale": 1.0, "zero_point": 0},
            {"name": "sparse", "shape": [2, 1, 1], "scale": 1.0, "zero_point": 0},
        ],
        "steps": [
            {
                "inputs": ["input"], "output": "sparse", "kind": "layer", "weights": [2, 12, 1, 1], "stride": 1,
                "padding": [0, 0, 0, 0], "dilation": 1, "groups": 1, "pad_value": 0, "low": -128, "high": 127,
            }
        ],
        "outputs": ["sparse"],
    }  # fmt: skip
    arrays: dict[str, Any] = {
        "sparse.bias": np.zeros(2, np.int32),
        "sparse.columns": np.array([3, 11], np.int32),
        "sparse.row_starts": np.array([0, 2, 2], np.int32),
        "sparse.shift": np.zeros(2, np.uint8),
        "sparse.values": np.array([5, -6], np.int8),
    }
    text = json.dumps(graph, sort_keys=True, separators=(",", ":"))
    checksum = zlib.crc32(text.encode() + b"".join(name.encode() + array.tobytes() for name, array in arrays.items()))
    entries = {"format": "openwork integer network", "version": 2, "crc32": f"{checksum:08x}", "graph": graph}
    assert encode_network(a_sparse_network()) == save(arrays, {"openwork": json.dumps(entries)})


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("columns", np.array([3, 12], np.int32), "ascending order"),
        ("columns", np.array([-1, 11], np.int32), "ascending order"),
        ("columns", np.array([11, 3], np.int32), "ascending order"),
        ("columns", np.array([3, 3], np.int32), "ascending order"),
        ("columns", np.array([3], np.int32), "disagree"),
        ("columns", np.array([3, 11], np.int64), "sparse.columns holds int64, not int32"),
        ("values", np.array([5, 0], np.int8), "hold a zero"),
        ("values", np.array([[5], [-6]], np.int8), "disagree"),
        ("row_starts", np.array([0, 2], np.int32), "disagree"),
        ("row_starts", np.array(0, np.int32), "disagree"),
        ("row_starts", np.array([0, 3, 2], np.int32), "disagree"),
        ("row_starts", np.array([1, 2, 2], np.int32), "disagree"),
        ("row_starts", np.array([0, 1, 1], np.int32), "disagree"),
        ("weights", [2, 12], "expected array of length 4, got 2"),
        ("weights", [2, 1 << 40, 1, 1], "expected int <= 16777216"),
        ("weights", [0, 12, 1, 1], "expected int >= 1"),
        ("weights", [], "expected array of length 4, got 0"),
    ],
)
def test_refuses_sparse_weights_that_mean_nothing(name: str, change: Any, reason: str) -> None:

    content = encode_network(a_sparse_network())
    arrays, graph = load(content), header(content)["graph"]
    if name == "weights":
        graph["steps"][0]["weights"] = change
    else:
        arrays[f"sparse.{name}"] = change
    entries = header(content) | {"graph": graph, "crc32": checksum(graph, arrays)}
    with pytest.raises(FileError, match=f"x.int8 holds a network that means nothing: .*{reason}"):
        decode_network(save(arrays, {"openwork": json.dumps(entries)}), "x.int8")


@given(data=st.data())
@settings(max_examples=150)
def test_damaged_content_is_refused(data: st.DataObject) -> None:
    whole = CONTENT
    damaged = bytearray(whole)
    if data.draw(st.booleans()):
        damaged = damaged[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        result = decode_network(bytes(damaged), "model.int8")
    except FileError as error:
        assert str(error).startswith("model.int8 ")
    else:  # a blank that became another blank
        assert encode_network(result) == whole


CONTENT = encode_network(a_network())


def changed(**entries: Any) -> bytes:
    """The content with other entries in the header, and nothing else."""
    return save(load(CONTENT), {"openwork": json.dumps(header(CONTENT) | entries)})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a whole .int8 file"),
        (b"\x93NUMPY" + bytes(100), "is not a whole .int8 file"),
        (save({"a": np.zeros(3)}), "is not a whole .int8 file: KeyError"),
        (changed(format="gguf"), "a file of another kind"),
        (changed(version=1), "is a .int8 file of version 1, and this Openwork reads version 2"),
        (changed(graph=header(CONTENT)["graph"] | {"outputs": ["left"]}), "is damaged: its checksum"),
    ],
)
def test_refuses_other_files(content: bytes, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        decode_network(content, "x.int8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda graph: graph["steps"][0].update(kind="attention"),
            r"in graph.steps\[0\].kind, invalid value 'attention'",
        ),
        (lambda graph: graph["steps"][0].update(stride=[2, 0]), r"in graph.steps\[0\].stride\[1\], expected int >= 1"),
        (
            lambda graph: graph["steps"][0].update(dilation=[2]),
            r"in graph.steps\[0\].dilation, expected array of length 2",
        ),
        (
            lambda graph: graph["steps"][0].update(stride=[2, 1, 1]),
            r"in graph.steps\[0\].stride, expected array of length 2",
        ),
        (lambda graph: graph["steps"][0].update(stride=-1), r"in graph.steps\[0\].stride, expected int >= 1"),
        (lambda graph: graph["steps"][0].update(stride=True), "expected int . array, got bool"),
        (lambda graph: graph["steps"][0].update(stride=1.0), "expected int . array, got float"),
        (lambda graph: graph["steps"][0].update(stride="1"), "expected int . array, got str"),
        (lambda graph: graph["steps"][0].update(bias=1), "object contains unknown field bias"),
        (lambda graph: graph["steps"][0].update(inputs=["nowhere"]), "names \\['nowhere'\\], which are no tensors"),
        (lambda graph: graph["steps"][0].update(inputs=[]), "expected array of length >= 1"),
        (lambda graph: graph["tensors"][1].update(name="input"), "two of its tensors have one name"),
        (lambda graph: graph["tensors"][1].update(shape=[4, 9, 8]), "its tensor is 4 x 9 x 8"),
        (lambda graph: graph["tensors"][1].update(scale=0), "expected float > 0"),
        (lambda graph: graph["tensors"][1].update(scale=None), "expected float, got null"),
        (lambda graph: graph["tensors"][1].update(zero_point=128), "expected int <= 127"),
        (lambda graph: graph.update(outputs=[]), "expected array of length >= 1"),
        (lambda graph: graph["steps"][0].update(padding=[1]), "expected array of length 4, got 1"),
        (
            lambda graph: graph["steps"][0].update(weights=[4, 3, 9, 1]),
            r"first.weights is \[4, 3, 3, 3\], not \[4, 3, 9, 1\]",
        ),
        (lambda graph: graph["steps"][0].pop("low"), "missing required field low"),
        (lambda graph: graph["steps"].pop(), "arrays of no layer"),
        (lambda graph: graph.update(outputs=7), "expected array, got int"),
    ],
)
def test_refuses_networks_that_mean_nothing_although_the_checksum_is_right(change: Any, reason: str) -> None:

    graph = header(CONTENT)["graph"]
    change(graph)
    arrays = load(CONTENT)
    content = save(
        arrays, {"openwork": json.dumps(header(CONTENT) | {"graph": graph, "crc32": checksum(graph, arrays)})}
    )
    with pytest.raises(FileError, match=f"x.int8 holds a network that means nothing: .*{reason}"):
        decode_network(content, "x.int8")


def test_files_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.int8"
    write_network(path, a_network())
    assert path.read_bytes() == CONTENT and str(read_network(path)) == str(a_network())

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"model\.int8 cannot be written: no space left on device"):
        write_whole(path, b"something else")
    assert path.read_bytes() == CONTENT and [one.name for one in tmp_path.iterdir()] == ["model.int8"]
    with pytest.raises(FileError, match="there is no file"):
        read_network(tmp_path / "other.int8")
    with pytest.raises(FileError, match="is a folder"):
        read_network(tmp_path)


def test_the_example_of_the_document_reads_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    (example,) = [one for one in re.findall(r"```python\n(.*?)```", document, re.S) if "model.int8" in one]
    write_network(tmp_path / "model.int8", a_network())
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert capsys.readouterr().out.splitlines()[:2] == ["layer ['input'] -> first", "layer ['first'] -> slice"]
    for network in (a_network(), a_sparse_network()):
        write_network(tmp_path / "model.int8", network)
        names: dict[str, Any] = {}
        exec(example, names)
        assert np.array_equal(names["weights"], network.layers[-1].weights)
