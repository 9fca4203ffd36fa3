"""Reads the tensors of an `.onnx` file: each must be exactly as large as the file claims, and in the file itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from openwork.frontend.onnx.wire import OnnxError
from openwork.limits import MAX_WEIGHTS

MAX_RANK, MAX_SIZE = 16, 1 << 31
"""Dimensions of a tensor, and the largest of them."""


@dataclass(frozen=True)
class Kind:
    """How numbers of a type stand in a file.

    Attributes:
        dtype: of the array.
        field: that holds the numbers if `raw_data` does not.
        stored: the dtype of that field's numbers.
        bits: the field's numbers are the bits of a value, and not the value.
    """

    dtype: Any
    field: str
    stored: Any
    bits: bool = False


KINDS: Mapping[int, Kind] = {
    onnx.TensorProto.FLOAT: Kind(np.float32, "float_data", np.float32),
    onnx.TensorProto.DOUBLE: Kind(np.float64, "double_data", np.float64),
    onnx.TensorProto.FLOAT16: Kind(np.float16, "int32_data", np.uint16, bits=True),
    onnx.TensorProto.INT64: Kind(np.int64, "int64_data", np.int64),
    onnx.TensorProto.INT32: Kind(np.int32, "int32_data", np.int32),
    onnx.TensorProto.INT16: Kind(np.int16, "int32_data", np.int16),
    onnx.TensorProto.INT8: Kind(np.int8, "int32_data", np.int8),
    onnx.TensorProto.UINT16: Kind(np.uint16, "int32_data", np.uint16),
    onnx.TensorProto.UINT8: Kind(np.uint8, "int32_data", np.uint8),
    onnx.TensorProto.BOOL: Kind(np.bool_, "int32_data", np.uint8, bits=True),
}
"""The types of numbers that are read."""

FIELDS = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")


def kind_of(number: int, what: str) -> Kind:
    """The kind of a type, by ONNX's number of it.

    Raises:
        OnnxError: it is none of those that are read; `what` begins the sentence's end.
    """
    if number not in KINDS:
        names = onnx.TensorProto.DataType
        name = names.Name(number) if number in names.values() else f"the type {number}"
        raise OnnxError(f"has {what} of {name}; floating point numbers, and whole numbers of 8 to 64 bits are possible")
    return KINDS[number]


def array_of(tensor: Any, what: str) -> NDArray[Any]:
    """The array of a tensor.

    Args:
        tensor: an onnx.TensorProto.
        what: it is called in a refusal.

    Raises:
        OnnxError: it is stored elsewhere, of another type, or of another size than its data.
    """
    if tensor.data_location != onnx.TensorProto.DEFAULT or tensor.external_data:
        raise OnnxError(
            f"has {what} in another file: save the model as one file (onnx.save_model(..., save_as_external_data=False))"
        )
    if tensor.HasField("segment"):
        raise OnnxError(f"has {what} in segments, which no reader takes")
    kind = kind_of(tensor.data_type, what)
    shape = tuple(tensor.dims)
    count = prod(shape)
    largest = prod(size for size in shape if size) if shape else 1
    if len(shape) > MAX_RANK or any(not 0 <= size < MAX_SIZE for size in shape) or largest > MAX_WEIGHTS:
        raise OnnxError(f"has {what} of the shape {str(list(shape))[:100]}, which no tensor has")
    present = [name for name in FIELDS if getattr(tensor, name)]
    raw = tensor.raw_data if tensor.HasField("raw_data") else None
    if raw is not None and not present:
        dtype = np.dtype(kind.dtype)
        if len(raw) != count * dtype.itemsize:
            raise OnnxError(
                f"has {what} of {len(raw):,} bytes, and its shape {list(shape)} takes {count * dtype.itemsize:,}"
            )
        if dtype == np.bool_ and raw.strip(b"\0\1"):
            raise OnnxError(f"is damaged: {what} holds numbers that are neither true nor false")
        return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    if raw is not None or any(name != kind.field for name in present):
        raise OnnxError(f"is ambiguous: {what} has several sets of data, or one of another type")
    return _listed(tensor, kind, shape, what)


def _listed(tensor: Any, kind: Kind, shape: tuple[int, ...], what: str) -> NDArray[Any]:
    """The array of a tensor whose numbers are a list."""
    numbers = getattr(tensor, kind.field)
    if len(numbers) != prod(shape):
        raise OnnxError(f"has {what} of {len(numbers):,} numbers, and its shape {list(shape)} takes {prod(shape):,}")
    wide = np.array(numbers, dtype=np.float64 if np.dtype(kind.stored).kind == "f" else np.int64)
    if np.dtype(kind.stored).kind in "iu":
        limits = np.iinfo(kind.stored)
        most = 1 if kind.dtype is np.bool_ else limits.max
        if wide.size and not (limits.min <= wide.min() and wide.max() <= most):
            raise OnnxError(f"is damaged: {what} holds numbers that its type does not have")
    found = wide.astype(kind.stored)
    return (found.view(kind.dtype) if kind.bits else found.astype(kind.dtype)).reshape(shape)
