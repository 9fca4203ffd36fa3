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

from openwork.files.container import METADATA_KEY, open_container
from openwork.files.whole import FileError, read_whole, write_whole
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Reshape, Step, Tensor, Upsample

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

LARGEST_LAYER = 1 << 30
"""Weights of a layer, zeros included, that are unpacked; a network that has a larger one is refused."""


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
    header = {"format": FORMAT, "version": VERSION, "crc32": _checksum(graph, arrays), "graph": graph}
    return save(arrays, {METADATA_KEY: json.dumps(header, ensure_ascii=False)})


def decode_network(content: bytes, name: str = "the content") -> IntegerNetwork:
    """The network of a `.int8` file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        FileError: the file is not whole, of another format or version, or holds a network that means nothing.
    """
    arrays, header = open_container(content, name, suffix=".int8", file_format=FORMAT, version=VERSION)
    try:
        if header["crc32"] != _checksum(header["graph"], arrays):
            raise FileError(f"{name} is damaged: its checksum does not match its content")
        graph = header["graph"]
        tensors = [
            Tensor(one["name"], _shape(one["shape"]), float(one["scale"]), int(one["zero_point"]))
            for one in graph["tensors"]
        ]
        shapes = {tensor.name: tensor for tensor in tensors}
        steps = [_decode_step(entry, shapes, arrays) for entry in graph["steps"]]
        return IntegerNetwork(tuple(tensors), tuple(steps), tuple(graph["outputs"]))
    except FileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FileError(f"{name} holds a network that means nothing: {type(error).__name__}: {error}") from None


def read_network(path: Path) -> IntegerNetwork:
    """The network in a `.int8` file.

    Raises:
        FileError: there is no such file, or see `decode_network`.
    """
    return decode_network(read_whole(path), str(path))


def write_network(path: Path, network: IntegerNetwork) -> None:
    """Write a `.int8` file, as a whole or not at all."""
    write_whole(path, encode_network(network))


def _checksum(graph: Any, arrays: Mapping[str, NDArray[Any]]) -> str:
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


def _decode_arrays(layer: str, shape: tuple[int, ...], arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A layer's weights, bias and shift, from what `_encode_layer` made of them."""
    weights = DENSE if f"{layer}.weights" in arrays else SPARSE
    stored = {name: arrays[f"{layer}.{name}"] for name in (*STORED, *weights)}
    for name, dtype in (STORED | weights).items():
        if stored[name].dtype != dtype:
            raise ValueError(f"{layer}.{name} holds {stored[name].dtype}, not {dtype}")
    if weights is SPARSE:
        stored["weights"] = _dense(shape, *(stored[name] for name in SPARSE)).reshape(shape)
    if stored["weights"].shape != shape:
        raise ValueError(f"{layer}.weights is {list(stored['weights'].shape)}, not {list(shape)}")
    return {name: stored[name] for name in ("weights", *STORED)}


def _dense(
    shape: tuple[int, ...], values: NDArray[np.int8], columns: NDArray[np.int32], starts: NDArray[np.int32]
) -> NDArray[np.int8]:
    """Rows of weights, of which the nonzeros are given."""
    size = prod(shape)
    if min(shape, default=0) < 1 or size > LARGEST_LAYER:
        raise ValueError(f"weights of {list(shape)}")
    if starts.shape != (shape[0] + 1,) or values.ndim != 1 or columns.shape != values.shape:
        raise ValueError("row starts, columns and values of weights disagree")
    lengths = starts[1:].astype(np.int64) - starts[:-1]
    if starts[0] != 0 or starts[-1] != len(values) or lengths.min() < 0:
        raise ValueError("row starts and values of weights disagree")
    places = np.repeat(np.arange(shape[0]), lengths) * (size // shape[0]) + columns
    inside = (columns >= 0) & (columns < size // shape[0])
    if not inside.all() or (np.diff(places) <= 0).any() or not values.all():
        raise ValueError(
            "the nonzeros of weights are not in ascending order of their places, each once, or hold a zero"
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


def _decode_step(entry: Mapping[str, Any], tensors: Mapping[str, Tensor], arrays: Mapping[str, NDArray[Any]]) -> Step:
    inputs, output = tuple(entry["inputs"]), entry["output"]
    match entry["kind"]:
        case "layer":
            stored = _decode_arrays(output, tuple(entry["weights"]), arrays)
            read = [tensors[name].shape for name in inputs]
            return LayerStep(
                inputs,
                output,
                IntegerLayer(
                    name=output,
                    weights=stored["weights"],
                    bias=stored["bias"].astype(np.int64),
                    shift=stored["shift"].astype(np.int64),
                    input_zero_point=entry["pad_value"],
                    output_zero_point=tensors[output].zero_point,
                    low=entry["low"],
                    high=entry["high"],
                    input_shape=(sum(shape[0] for shape in read), *read[0][1:]),
                    stride=entry["stride"],
                    padding=_padding(entry["padding"]),
                    dilation=entry["dilation"],
                    groups=entry["groups"],
                ),
            )
        case "max_pool":
            kernel_h, kernel_w = entry["kernel"]
            return MaxPool(inputs, output, (kernel_h, kernel_w), entry["stride"], _padding(entry["padding"]))
        case "upsample":
            return Upsample(inputs, output, entry["factor"])
        case "reshape":
            return Reshape(inputs, output, _shape(entry["shape"]))
    raise ValueError(f"there is no step of kind {entry['kind']!r}")


def _shape(value: Any) -> tuple[int, int, int]:
    channels, height, width = value
    return channels, height, width


def _padding(value: Any) -> tuple[int, int, int, int]:
    top, left, bottom, right = value
    return top, left, bottom, right
