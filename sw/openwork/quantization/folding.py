"""A PyTorch model as a chain of convolutions: batch norm folded, linear layers as kernels over their whole map."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional


class QuantizationError(ValueError):
    """A model or data that cannot be quantized; the message names each module and the reason."""


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """A convolution with all that follows it up to the next one.

    Attributes:
        name: the module's name in the model.
        weights: float64 [rows, channels / groups, kernel_h, kernel_w].
        bias: float64 [rows].
        relu: negative outputs become 0.
        input_shape: channels, height, width.
        stride, padding, dilation, groups: as in `IntegerLayer`.
    """

    name: str
    weights: torch.Tensor
    bias: torch.Tensor
    relu: bool
    input_shape: tuple[int, int, int]
    stride: int
    padding: tuple[int, int, int, int]
    dilation: int
    groups: int

    def run(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs for float64 inputs [batch, channels, height, width]."""
        top, left, bottom, right = self.padding
        padded = functional.pad(inputs, (left, right, top, bottom))
        outputs = functional.conv2d(
            padded, self.weights, self.bias, stride=self.stride, dilation=self.dilation, groups=self.groups
        )
        return outputs.relu() if self.relu else outputs


def fold(model: nn.Module, input_shape: tuple[int, ...]) -> tuple[FloatLayer, ...]:
    """The layers of a model as it computes in eval mode.

    Args:
        model: Conv2d, BatchNorm2d, ReLU, Flatten, Linear, Dropout and Identity, in an nn.Sequential, which may
            hold others; stays as it is.
        input_shape: of one input: channels, height, width; or features, for a model that starts with a Linear.

    Raises:
        QuantizationError: a module is not supported or stands where it cannot, or weights are empty or not finite.
    """
    leaves = list(_leaves("", model))
    reasons = {name: _unsupported(module) for name, module in leaves}
    unsupported = [f"{name!r}: {reason}" for name, reason in reasons.items() if reason]
    if unsupported:
        raise QuantizationError("these modules are not supported: " + "; ".join(unsupported))

    if len(input_shape) not in (1, 3):
        raise QuantizationError(f"an input is channels, height, width or features, not {list(input_shape)}")
    flat = len(input_shape) == 1
    channels, height, width = (input_shape[0], 1, 1) if flat else input_shape
    layers: list[FloatLayer] = []
    before: nn.Module | None = None
    for name, module in leaves:
        if isinstance(module, nn.Dropout | nn.Dropout2d | nn.Identity):
            continue
        if isinstance(module, nn.Flatten):
            flat = True
        elif isinstance(module, nn.ReLU):
            if not layers:
                raise QuantizationError(f"module {name!r}: a ReLU needs a Conv2d or Linear before it")
            layers[-1] = replace(layers[-1], relu=True)
        elif isinstance(module, nn.BatchNorm2d):
            if not isinstance(before, nn.Conv2d) or module.num_features != channels:
                raise QuantizationError(
                    f"module {name!r}: a BatchNorm2d needs a Conv2d of as many rows right before it"
                )
            layers[-1] = _with_norm(layers[-1], module)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            layers.append(_layer(name, module, (channels, height, width), flat))
            channels, height, width = _output_shape(layers[-1])
        before = module
    if not layers:
        raise QuantizationError("the model has no Conv2d and no Linear: there is nothing to quantize")
    for layer in layers:
        if not (bool(torch.isfinite(layer.weights).all()) and bool(torch.isfinite(layer.bias).all())):
            raise QuantizationError(f"module {layer.name!r}: weights or bias are NaN or infinite: train again")
    return tuple(layers)


def _leaves(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Sequential):
        for child_name, child in module.named_children():
            yield from _leaves(f"{name}.{child_name}" if name else child_name, child)
    else:
        yield name, module


def _unsupported(module: nn.Module) -> str | None:
    """Why a module cannot be quantized, or None."""
    match module:
        case nn.Conv2d() if module.padding_mode != "zeros":
            return f"Conv2d with padding_mode {module.padding_mode!r}"
        case nn.Conv2d() if module.stride[0] != module.stride[1] or module.dilation[0] != module.dilation[1]:
            return f"Conv2d with stride {module.stride}, dilation {module.dilation}: both directions must be equal"
        case nn.Flatten() if (module.start_dim, module.end_dim) != (1, -1):
            return f"Flatten from {module.start_dim} to {module.end_dim}: only the whole map, from 1 to -1"
        case nn.BatchNorm2d() if module.running_mean is None:
            return "BatchNorm2d without running statistics"
        case nn.Conv2d() | nn.Linear() if module.weight.numel() == 0:
            return f"{type(module).__name__} with empty weights {list(module.weight.shape)}"
        case nn.Conv2d() | nn.BatchNorm2d() | nn.ReLU() | nn.Flatten() | nn.Linear():
            return None
        case nn.Dropout() | nn.Dropout2d() | nn.Identity():
            return None
    return type(module).__name__


def _layer(name: str, module: nn.Conv2d | nn.Linear, input_shape: tuple[int, int, int], flat: bool) -> FloatLayer:
    channels, height, width = input_shape
    weights = module.weight.detach().double()
    bias = torch.zeros(len(weights), dtype=torch.float64) if module.bias is None else module.bias.detach().double()
    if isinstance(module, nn.Linear):
        if not flat:
            raise QuantizationError(f"module {name!r}: a Linear after a Conv2d needs a Flatten before it")
        if module.in_features != channels * height * width:
            raise QuantizationError(
                f"module {name!r}: a Linear of {module.in_features} features gets {channels} x {height} x {width}"
            )
        weights = weights.reshape(module.out_features, channels, height, width)
        return FloatLayer(name, weights, bias, False, input_shape, 1, (0, 0, 0, 0), 1, 1)
    if flat or module.in_channels != channels:
        raise QuantizationError(
            f"module {name!r}: a Conv2d of {module.in_channels} channels gets {channels} x {height} x {width}"
            + (", flattened" if flat else "")
        )
    total = [module.dilation[axis] * (module.kernel_size[axis] - 1) for axis in (0, 1)]  # what "same" adds
    match module.padding:
        case "same":
            padding = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
        case "valid":
            padding = (0, 0, 0, 0)
        case (int(vertical), int(horizontal)):
            padding = (vertical, horizontal, vertical, horizontal)
        case _:
            raise QuantizationError(f"module {name!r}: Conv2d with padding {module.padding!r}")
    return FloatLayer(
        name, weights, bias, False, input_shape, module.stride[0], padding, module.dilation[0], module.groups
    )


def _with_norm(layer: FloatLayer, norm: nn.BatchNorm2d) -> FloatLayer:
    assert norm.running_mean is not None and norm.running_var is not None  # checked before
    factor = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    if norm.affine:
        factor = factor * norm.weight.detach().double()
    bias = (layer.bias - norm.running_mean.double()) * factor
    if norm.affine:
        bias = bias + norm.bias.detach().double()
    return replace(layer, weights=layer.weights * factor[:, None, None, None], bias=bias)


def _output_shape(layer: FloatLayer) -> tuple[int, int, int]:
    try:
        _, rows, height, width = layer.run(torch.zeros(1, *layer.input_shape, dtype=torch.float64)).shape
    except RuntimeError as error:
        raise QuantizationError(
            f"module {layer.name!r} does not fit an input of {layer.input_shape}: {error}"
        ) from None
    return rows, height, width
