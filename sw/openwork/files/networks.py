"""Quantized networks as `.int8` files: safetensors with the graph as JSON in the metadata (`docs/formats.md`)."""

import json
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from openwork.files.container import METADATA_KEY, decode_entries, open_container
from openwork.files.graph import Graph, Header, LayerEntry, MaxPoolEntry, ReshapeEntry, StepEntry, UpsampleEntry
from openwork.files.whole import FileError, read_whole, write_whole
from openwork.layer import IntegerLayer, LayerError
from openwork.limits import FREE_WEIGHTS, MAX_STEPS, MAX_UNPACKING, MAX_WEIGHTS, check_limit
from openwork.network import (
    IntegerNetwork,
    LayerStep,
    MaxPool,
    NetworkError,
    NetworkSizeError,
    Reshape,
    Step,
    Tensor,
    Upsample,
)

FORMAT = "openwork integer network"
VERSION = 2

STORED: dict[str, np.dtype[Any]] = {"bias": np.dtype("<i4"), "shift": np.dtype(np.uint8)}
"""What of a layer is stored as tensors besides its weights, each under the layer's name, a point and its own."""

DENSE: dict[str, np.dtype[Any]] = {"weights": np.dtype(np.int8)}
SPARSE: dict[str, np.dtype[Any]] = {
    "values": np.dtype(np.int8),
    "columns": np.dtype("<i4"),
    "row_starts": np.dtype("<i4"),
}
"""What the weights are stored as: all of them, or the nonzeros of each row with their places in it."""


def encode_network(network: IntegerNetwork) -> bytes:
    """The content of a `.int8` file; equal networks give equal bytes."""
    arrays = {
        f"{layer.name}.{name}": np.ascontiguousarray(array)
        for layer in network.layers
        for name, array in _encode_layer(layer).items()
    }
    graph = {
        "tensors": [
            {"name": one.name, "shape": list(one.shape), "scale": one.scale, "zero_point": one.zero_point}
            for one in network.tensors
        ],
        "steps": [_encode_step(step) for step in network.steps],
        "outputs": list(network.outputs),
    }
    header = {"format": FORMAT, "version": VERSION, "crc32": checksum(graph, arrays), "graph": graph}
    return save(arrays, {METADATA_KEY: json.dumps(header, ensure_ascii=False)})


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


def _encode_layer(layer: IntegerLayer) -> dict[str, NDArray[Any]]:
    """The arrays that are stored of a layer; its weights in the smaller of the two forms."""
    arrays: dict[str, NDArray[Any]] = {name: getattr(layer, name).astype(dtype) for name, dtype in STORED.items()}
    rows = layer.weights.reshape(layer.rows, -1)
    numbers, columns = np.nonzero(rows)
    starts = np.searchsorted(numbers, np.arange(layer.rows + 1))
    found: list[NDArray[Any]] = [rows[numbers, columns], columns, starts]
    sparse = {name: array.astype(SPARSE[name]) for name, array in zip(SPARSE, found, strict=True)}
    smaller = sum(array.nbytes for array in sparse.values()) < rows.nbytes
    return arrays | (sparse if smaller else {"weights": layer.weights})


def _check_sizes(graph: Graph, file_bytes: int) -> None:
    """Before anything is allocated: how much the weights of a graph unpack to.

    Raises:
        NetworkSizeError: more than the limits, or than a file of this size should.
    """
    check_limit(NetworkSizeError, "the network", len(graph.steps), MAX_STEPS, "steps")
    limit = min(MAX_WEIGHTS, max(FREE_WEIGHTS, MAX_UNPACKING * file_bytes))
    weights = 0
    for step in graph.steps:
        if isinstance(step, LayerEntry):
            weights += prod(step.weights)
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
    layers = [step for step in graph.steps if isinstance(step, LayerEntry)]
    forms = {step.output: DENSE if f"{step.output}.weights" in arrays else SPARSE for step in layers}
    expected = {f"{layer}.{name}" for layer, weights in forms.items() for name in (*STORED, *weights)}
    if expected - arrays.keys():
        raise NetworkError(f"the file lacks {sorted(expected - arrays.keys())[:5]}, arrays of its layers")
    if arrays.keys() - expected:
        raise NetworkError(f"the file holds {sorted(arrays.keys() - expected)[:5]}, arrays of no layer")
    for step in graph.steps:
        unknown = [name for name in (*step.inputs, step.output) if name not in tensors]
        if unknown:
            raise NetworkError(f"step {step.output!r} names {unknown[:3]}, which are no tensors of the network")
    steps = tuple(_decode_step(entry, tensors, arrays) for entry in graph.steps)
    return IntegerNetwork(tuple(tensors.values()), steps, graph.outputs)


def _decode_arrays(layer: str, shape: tuple[int, ...], arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A layer's weights, bias and shift, from what `_encode_layer` made of them."""
    weights = DENSE if f"{layer}.weights" in arrays else SPARSE
    stored = {name: arrays[f"{layer}.{name}"] for name in (*STORED, *weights)}
    for name, dtype in (STORED | weights).items():
        if stored[name].dtype != dtype:
            raise NetworkError(f"{layer}.{name} holds {stored[name].dtype}, not {dtype}")
    if weights is SPARSE:
        stored["weights"] = _dense(layer, shape, *(stored[name] for name in SPARSE)).reshape(shape)
    if stored["weights"].shape != shape:
        raise NetworkError(f"{layer}.weights is {list(stored['weights'].shape)}, not {list(shape)}")
    return {name: stored[name] for name in ("weights", *STORED)}


def _dense(
    layer: str,
    shape: tuple[int, ...],
    values: NDArray[np.int8],
    columns: NDArray[np.int32],
    starts: NDArray[np.int32],
) -> NDArray[np.int8]:
    """Rows of weights, of which the nonzeros are given."""
    size = prod(shape)
    if starts.shape != (shape[0] + 1,) or values.ndim != 1 or columns.shape != values.shape:
        raise NetworkError(f"row starts, columns and values of the weights of {layer!r} disagree")
    lengths = starts[1:].astype(np.int64) - starts[:-1]
    if starts[0] != 0 or starts[-1] != len(values) or lengths.min() < 0:
        raise NetworkError(f"row starts and values of the weights of {layer!r} disagree")
    places = np.repeat(np.arange(shape[0]), lengths) * (size // shape[0]) + columns
    inside = (columns >= 0) & (columns < size // shape[0])
    if not inside.all() or (np.diff(places) <= 0).any() or not values.all():
        raise NetworkError(
            f"the nonzeros of the weights of {layer!r} are not in ascending order of their places, each once, or hold a zero"
        )
    dense = np.zeros(size, np.int8)
    dense[places] = values
    return dense


def _encode_step(step: Step) -> dict[str, Any]:
    entry: dict[str, Any] = {"inputs": list(step.inputs), "output": step.output}
    match step:
        case LayerStep(layer=layer):
            return entry | {
                "kind": "layer",
                "weights": list(layer.weights.shape),
                "stride": layer.stride,
                "padding": list(layer.padding),
                "dilation": layer.dilation,
                "groups": layer.groups,
                "pad_value": layer.input_zero_point,
                "low": layer.low,
                "high": layer.high,
            }
        case MaxPool(kernel=kernel, stride=stride, padding=padding):
            return entry | {"kind": "max_pool", "kernel": list(kernel), "stride": stride, "padding": list(padding)}
        case Upsample(factor=factor):
            return entry | {"kind": "upsample", "factor": factor}
        case Reshape(shape=shape):
            return entry | {"kind": "reshape", "shape": list(shape)}


def _decode_step(entry: StepEntry, tensors: Mapping[str, Tensor], arrays: Mapping[str, NDArray[Any]]) -> Step:
    inputs, output = entry.inputs, entry.output
    match entry:
        case LayerEntry():
            stored = _decode_arrays(output, entry.weights, arrays)
            read = [tensors[name].shape for name in inputs]
            return LayerStep(
                inputs,
                output,
                IntegerLayer(
                    name=output,
                    weights=stored["weights"],
                    bias=stored["bias"].astype(np.int64),
                    shift=stored["shift"].astype(np.int64),
                    input_zero_point=entry.pad_value,
                    output_zero_point=tensors[output].zero_point,
                    low=entry.low,
                    high=entry.high,
                    input_shape=(sum(shape[0] for shape in read), *read[0][1:]),
                    stride=entry.stride,
                    padding=entry.padding,
                    dilation=entry.dilation,
                    groups=entry.groups,
                ),
            )
        case MaxPoolEntry():
            return MaxPool(inputs, output, entry.kernel, entry.stride, entry.padding)
        case UpsampleEntry():
            return Upsample(inputs, output, entry.factor)
        case ReshapeEntry():
            return Reshape(inputs, output, entry.shape)
