"""Stores the numbers of a layer in a `.int8` file: as tensors, with the weights in the smaller of two forms."""

from collections.abc import Collection
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.layer import IntegerLayer
from openwork.operations.entry import Arrays
from openwork.tensors import NetworkError

STORED: dict[str, np.dtype[Any]] = {"bias": np.dtype("<i4"), "shift": np.dtype(np.uint8)}
"""What of a layer is stored as tensors besides its weights, each under the layer's name, a point and its own."""

DENSE: dict[str, np.dtype[Any]] = {"weights": np.dtype(np.int8)}
SPARSE: dict[str, np.dtype[Any]] = {
    "values": np.dtype(np.int8),
    "columns": np.dtype("<i4"),
    "row_starts": np.dtype("<i4"),
}
"""What the weights are stored as: all of them, or the nonzeros of each row with their places in it."""


def table_name(layer: str) -> str:
    """Name of the activation table of a layer in a file."""
    return f"{layer}.table"


def layer_arrays(layer: IntegerLayer) -> dict[str, NDArray[Any]]:
    """The arrays of a layer that a file stores, by their names in the file."""
    arrays: dict[str, NDArray[Any]] = {name: getattr(layer, name).astype(dtype) for name, dtype in STORED.items()}
    rows = layer.weights.reshape(layer.rows, -1)
    numbers, columns = np.nonzero(rows)
    starts = np.searchsorted(numbers, np.arange(layer.rows + 1))
    found: list[NDArray[Any]] = [rows[numbers, columns], columns, starts]
    sparse = {name: array.astype(SPARSE[name]) for name, array in zip(SPARSE, found, strict=True)}
    smaller = sum(array.nbytes for array in sparse.values()) < rows.nbytes
    arrays |= sparse if smaller else {"weights": layer.weights}
    if layer.activation.table is not None:
        arrays["table"] = np.array(layer.activation.table, np.int8)
    return {f"{layer.name}.{name}": np.ascontiguousarray(array) for name, array in arrays.items()}


def stored_names(layer: str, found: Collection[str]) -> set[str]:
    """Names of a layer's arrays in a file that holds arrays of these names."""
    return {f"{layer}.{name}" for name in (*STORED, *_weights_of(layer, found))}


def _weights_of(layer: str, found: Collection[str]) -> dict[str, np.dtype[Any]]:
    return DENSE if f"{layer}.weights" in found else SPARSE


def layer_numbers(layer: str, shape: tuple[int, ...], arrays: Arrays) -> dict[str, NDArray[Any]]:
    """A layer's weights, bias and shift, from what `layer_arrays` made of them.

    Args:
        layer: its name.
        shape: of the weights, zeros included.
        arrays: of the file.

    Raises:
        NetworkError: an array has another dtype or shape, or the nonzeros are not in order.
    """
    weights = _weights_of(layer, arrays.keys())
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
    """Rows of weights, made from their nonzeros."""
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
