"""Weights of `.tflite` files, for networks made anew in PyTorch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tflite  # type: ignore[import-untyped]  # it carries no types
import torch
from numpy.typing import NDArray
from torch import nn

from openwork.models.shared_data import DataError, reading

LAYERS = {
    tflite.BuiltinOperator.CONV_2D: (0, 3, 1, 2),
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: (3, 0, 1, 2),
    tflite.BuiltinOperator.FULLY_CONNECTED: (0, 1),
}
"""Operators with weights, and how their axes are put into PyTorch's order."""


def load_weights(model: nn.Module, path: Path) -> None:
    """Put the weights of a file into a model, whose layers stand in the order of the file's operators.

    Raises:
        DataError: the file is not whole, or has other layers than the model.
    """
    modules = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    with reading(path):
        found = list(read_weights(path))
    if len(found) != len(modules):
        raise DataError(f"{path} has {len(found)} layers, and the model {len(modules)}")
    for module, (weights, bias) in zip(modules, found, strict=True):
        if module.weight.shape != weights.shape or module.bias is None:
            raise DataError(f"{path} has a layer {list(weights.shape)}, and the model {list(module.weight.shape)}")
        module.weight.detach().copy_(torch.tensor(weights))
        module.bias.detach().copy_(torch.tensor(bias))


def read_weights(path: Path) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weights, in PyTorch's order of axes, and bias of each layer of a file in turn."""
    file = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = file.Subgraphs(0)
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = file.OperatorCodes(operator.OpcodeIndex())
        axes = LAYERS.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        if axes is not None:
            weights, bias = (_tensor(file, graph.Tensors(operator.Inputs(place))) for place in (1, 2))
            yield np.ascontiguousarray(weights.transpose(axes)), bias


def _tensor(file: Any, tensor: Any) -> NDArray[np.float32]:
    """A constant as real numbers; int8 ones have a scale for each index of one axis."""
    data, shape = file.Buffers(tensor.Buffer()).DataAsNumpy(), tensor.ShapeAsNumpy()
    if tensor.Type() == tflite.TensorType.FLOAT32:
        return np.frombuffer(data.tobytes(), "<f4").reshape(shape)
    if tensor.Type() != tflite.TensorType.INT8:
        raise DataError(f"weights of type {tensor.Type()} of TFLite; float32 and int8 can be read")
    scales = tensor.Quantization().ScaleAsNumpy()
    along = [1] * len(shape)
    along[tensor.Quantization().QuantizedDimension()] = len(scales)
    values: NDArray[np.float32] = np.frombuffer(data.tobytes(), np.int8).reshape(shape) * scales.reshape(along)
    return values.astype(np.float32)
