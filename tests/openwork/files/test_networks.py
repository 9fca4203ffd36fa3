"""`.int8` files: what is written is read again, and what is damaged is refused in a sentence."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from tests.openwork.frontend.zoo import inputs, trained
from tests.openwork.networks import integer_networks

from openwork.files import FileError, decode_network, encode_network, read_network, write_network, write_whole
from openwork.frontend import import_module
from openwork.network import IntegerNetwork, LayerStep
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
    assert header(content)["format"] == "openwork integer network" and header(content)["version"] == 1
    graph = header(content)["graph"]
    assert graph["tensors"][0] == {
        "name": "input", "shape": [3, 9, 7], "scale": network.input.scale, "zero_point": network.input.zero_point
    }  # fmt: skip
    assert graph["steps"][0]["kind"] == "layer" and graph["steps"][0]["inputs"] == ["input"]
    arrays = load(content)
    assert arrays["first.weights"].dtype == np.int8
    assert np.array_equal(arrays["first.weights"], network.layers[0].weights)


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
        (changed(format="gguf"), "of version None"),
        (changed(version=2), "is a .int8 file of version 2, and this Openwork reads version 1"),
        (changed(graph=header(CONTENT)["graph"] | {"outputs": ["left"]}), "is damaged: its checksum"),
    ],
)
def test_refuses_other_files(content: bytes, reason: str) -> None:
    with pytest.raises(FileError, match=reason):
        decode_network(content, "x.int8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda graph: graph["steps"][0].update(kind="attention"), "no step of kind 'attention'"),
        (lambda graph: graph["steps"][0].update(stride=-1), "stride must be"),
        (lambda graph: graph["steps"][0].update(padding=[1]), "ValueError"),
        (lambda graph: graph["steps"][0].pop("low"), "KeyError: 'low'"),
        (lambda graph: graph["steps"].pop(), "NetworkError"),
        (lambda graph: graph.update(outputs=7), "TypeError"),
        (lambda graph: graph["tensors"][1].update(zero_point=1e400), "OverflowError"),
    ],
)
def test_refuses_networks_that_mean_nothing_although_the_checksum_is_right(change: Any, reason: str) -> None:
    from openwork.files.networks import _checksum

    graph = header(CONTENT)["graph"]
    change(graph)
    arrays = load(CONTENT)
    content = save(
        arrays, {"openwork": json.dumps(header(CONTENT) | {"graph": graph, "crc32": _checksum(graph, arrays)})}
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
    with pytest.raises(OSError, match="No space left"):
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
    (example,) = re.findall(r"```python\n(.*?)```", document, re.S)
    write_network(tmp_path / "model.int8", a_network())
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert capsys.readouterr().out.splitlines()[:2] == ["layer ['input'] -> first", "layer ['first'] -> slice"]
