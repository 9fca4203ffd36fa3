"""Quantized networks as `.int8` files: safetensors with the graph as JSON in the metadata (`docs/formats.md`)."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import to_builtins
from numpy.typing import NDArray
from safetensors.numpy import save

from openwork.files.container import METADATA_KEY, decode_entries, open_container
from openwork.files.graph import TAIL, Graph, Header
from openwork.files.whole import FileError, read_whole, write_whole
from openwork.layer import LayerError
from openwork.limits import FREE_WEIGHTS, MAX_STEPS, MAX_UNPACKING, MAX_WEIGHTS, check_limit
from openwork.network import IntegerNetwork, NetworkError, NetworkSizeError, Output, Tail, Tensor
from openwork.operations import Step

FORMAT = "openwork integer network"
VERSION = 2


def encode_network(network: IntegerNetwork) -> bytes:
    """The content of a `.int8` file; equal networks give equal bytes."""
    arrays = {name: array for step in network.steps for name, array in step.arrays().items()}
    graph: dict[str, Any] = {
        "tensors": [
            {"name": one.name, "shape": list(one.shape), "scale": one.scale, "zero_point": one.zero_point}
            for one in network.tensors
        ],
        "steps": [_entry(step) for step in network.steps],
        "outputs": list(network.outputs),
    }
    if network.named:
        graph["results"] = [
            {"name": one.name, "tensors": list(one.tensors), "shape": list(one.shape)} for one in network.named
        ]
    if network.tail is not None:
        graph["tail"] = {"batch": network.tail.batch, "names": list(network.tail.names)}
        arrays[TAIL] = np.frombuffer(network.tail.program, np.uint8)
    header = {"format": FORMAT, "version": VERSION, "crc32": checksum(graph, arrays), "graph": graph}
    return save(arrays, {METADATA_KEY: json.dumps(header, ensure_ascii=False)})


def _entry(step: Step) -> dict[str, Any]:
    """A step in the JSON: the keys that all steps have stand in front."""
    values: dict[str, Any] = to_builtins(step.entry())
    return {name: values[name] for name in ("inputs", "output", "kind")} | values


def decode_network(content: bytes, name: str = "the content") -> IntegerNetwork:
    """The network of a `.int8` file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        FileError: the file is not whole, of another format or version, or holds a network that means nothing or is
            beyond the limits of `openwork.limits`.
    """
    arrays, entries = open_container(content, name, suffix=".int8", file_format=FORMAT, version=VERSION)
    if entries.get("crc32") != checksum(entries.get("graph"), arrays):
        raise FileError(f"{name} is damaged: its checksum does not match its content")
    header = decode_entries(entries, Header, name, "a network")
    try:
        _check_sizes(header.graph, len(content))
        return _network(header.graph, arrays)
    except NetworkSizeError as error:
        raise FileError(f"{name} holds a network that is too large: {error}") from None
    except (NetworkError, LayerError) as error:
        raise FileError(f"{name} holds a network that means nothing: {error}") from None


def read_network(path: Path) -> IntegerNetwork:
    """The network in a `.int8` file.

    Raises:
        FileError: there is no such file, or see `decode_network`.
    """
    return decode_network(read_whole(path), str(path))


def write_network(path: Path, network: IntegerNetwork) -> None:
    """Write a `.int8` file, as a whole or not at all."""
    write_whole(path, encode_network(network))


def checksum(graph: Any, arrays: Mapping[str, NDArray[Any]]) -> str:
    """CRC-32 of the graph as JSON without spaces, keys sorted, and then of every tensor's bytes in order of their names."""
    text = json.dumps(graph, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    checksum = zlib.crc32(text.encode())
    for name in sorted(arrays):
        checksum = zlib.crc32(arrays[name].tobytes(), zlib.crc32(name.encode(), checksum))
    return f"{checksum:08x}"


def _check_sizes(graph: Graph, file_bytes: int) -> None:
    """Before anything is allocated: how much the weights of a graph unpack to.

    Raises:
        NetworkSizeError: more than the limits, or than a file of this size should.
    """
    check_limit(NetworkSizeError, "the network", len(graph.steps), MAX_STEPS, "steps")
    limit = min(MAX_WEIGHTS, max(FREE_WEIGHTS, MAX_UNPACKING * file_bytes))
    weights = 0
    for step in graph.steps:
        weights += step.unpacked_bytes
        what = f"with step {step.output!r} the network, in a file of {file_bytes:,} bytes,"
        check_limit(NetworkSizeError, what, weights, limit, "bytes of weights, zeros included")


def _network(graph: Graph, arrays: Mapping[str, NDArray[Any]]) -> IntegerNetwork:
    """The network of a graph.

    Raises:
        NetworkError, LayerError: the graph or the arrays mean nothing, or do not belong to each other.
    """
    tensors = {one.name: Tensor(one.name, one.shape, one.scale, one.zero_point) for one in graph.tensors}
    if len(tensors) < len(graph.tensors):
        raise NetworkError("two of its tensors have one name")
    expected = set().union(*(step.stored(arrays.keys()) for step in graph.steps))
    if graph.tail is not None:
        expected.add(TAIL)
    if expected - arrays.keys():
        raise NetworkError(f"the file lacks {sorted(expected - arrays.keys())[:5]}, arrays of its layers")
    if arrays.keys() - expected:
        raise NetworkError(f"the file holds {sorted(arrays.keys() - expected)[:5]}, arrays of no layer")
    for step in graph.steps:
        unknown = [name for name in (*step.inputs, step.output) if name not in tensors]
        if unknown:
            raise NetworkError(f"step {step.output!r} names {unknown[:3]}, which are no tensors of the network")
    steps = tuple(entry.step(tensors, arrays) for entry in graph.steps)
    named = tuple(Output(one.name, one.tensors, one.shape) for one in graph.results)
    tail = None
    if graph.tail is not None:
        if arrays[TAIL].dtype != np.uint8 or arrays[TAIL].ndim != 1:
            raise NetworkError(f"{TAIL!r} must be an array of uint8, in one row")
        tail = Tail(arrays[TAIL].tobytes(), graph.tail.batch, graph.tail.names)
    return IntegerNetwork(tuple(tensors.values()), steps, graph.outputs, named, tail)
