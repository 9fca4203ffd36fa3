"""A float network as a module that can be trained: in real numbers, or in the golden model's integers."""

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from openwork.frontend import FloatFunction, FloatJoin, FloatLayer, FloatNetwork, FloatStep
from openwork.frontend.float_steps import concatenated
from openwork.graph import walk
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork
from openwork.quantization.errors import QuantizationError
from openwork.quantization.quantizer import decide, integer_network, integer_step
from openwork.quantization.residuals import Plan, skip_weights, weights_by_step
from openwork.quantization.rounding import nearest
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN

EXACT = 1 << 22
"""Sums below this and their halves are exact in float32, in whatever order they are added up."""


class TrainableNetwork(nn.Module):
    """The layers of a float network as `nn.Conv2d` modules, under the names that they have in the network.

    Batch norm is folded already, so what is trained is what runs. Averages and copies are layers, too, but frozen: `learned` names
    the others. Any loop can train it, any pruner prune it, `torch.export` export it.

    After `make_integer` the forward pass computes what the golden model does, bit for bit, and gradients go through the
    roundings as if there were none (straight-through estimation, Bengio et al. 2013) and stop where values are clipped. The
    scales of activations stay as they were decided; those of weights follow the weights.

    Attributes:
        source: the network that it was made of.
        learned: names of the layers whose weights are no average and no copy.
        plan: the scales, after `make_integer`.
    """

    def __init__(self, network: FloatNetwork) -> None:
        super().__init__()
        if len(network.groups) > 1:
            raise QuantizationError(
                f"the model gives {len(network.groups)} results; a model of one can be trained here"
            )
        self.source = network
        self.learned = [layer.output for layer in network.layers if layer.uniform_size is None]
        self.plan: Plan | None = None
        self.sum_bits = 0
        self._lows = {network.input: -inf}  # what no value of a tensor is below
        for step in network.steps:
            self._lows[step.output] = step.lowest([self._lows[name] for name in step.inputs])
        for layer in network.layers:
            _place(self, layer.output, _convolution(layer, layer.output not in self.learned))

    @property
    def network(self) -> FloatNetwork:
        """The float network with the weights as they are now."""
        return self._renewed(self.source)

    def masks(self) -> dict[str, torch.Tensor]:
        """Where the weights of the learned layers are not 0: what a pruned network that was imported has to keep."""
        return {name: self.get_parameter(f"{name}.weight").detach() != 0 for name in self.learned}

    def make_integer(self, calibration: torch.Tensor, sum_bits: int = 28) -> None:
        """Decide the scales of activations, and compute in integers from now on; arguments as in `quantize`."""
        with torch.no_grad():
            plan = decide(self.network, calibration, sum_bits=sum_bits)
        self.plan, self.sum_bits = plan, sum_bits

    def integers(self) -> IntegerNetwork:
        """The quantized network of the weights as they are now; what it gives is what the forward pass gives."""
        return integer_network(self._current_plan(), self.sum_bits)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Real outputs [batch, channels, height, width], or [batch, features] where the map is one pixel.

        Args:
            inputs: float32 [batch, channels, height, width] or [batch, features].
        """
        maps = inputs.reshape(-1, *self.source.shapes[self.source.input])
        outputs = self._float_outputs(maps) if self.plan is None else self._integer_outputs(maps)
        return outputs.flatten(1) if outputs.shape[2:] == (1, 1) else outputs

    def _float_outputs(self, maps: torch.Tensor) -> torch.Tensor:
        def convolved(layer: FloatLayer, inputs: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.get_submodule(layer.output)(_padded(layer, inputs))
            return result

        def run(step: FloatStep, parts: list[torch.Tensor]) -> torch.Tensor:
            never_negative = all(self._lows[name] >= 0 for name in step.inputs)
            return step.run_traceable(parts, convolved, never_negative=never_negative)

        made = dict(walk(self.source.input, maps, self.source.steps, run))
        return concatenated([made[name] for name in self.source.outputs])

    def _integer_outputs(self, maps: torch.Tensor) -> torch.Tensor:
        plan = self._current_plan()
        scale = plan.scales[plan.network.input]
        rounded = torch.floor(maps.double() / scale.scale + 0.5) + scale.zero_point
        integers = rounded.clamp(ACTIVATION_MIN, ACTIVATION_MAX).to(maps.dtype)

        def run(step: FloatStep, parts: list[torch.Tensor]) -> torch.Tensor:
            joined = concatenated(parts)
            layer = step.as_layer(plan.network.shapes)
            if layer is None:
                return step.run_real(joined)
            (made,) = integer_step(plan, step, self.sum_bits).layers
            if isinstance(layer, FloatFunction):
                return self._run_function(plan, layer, made, joined)
            return self._run_layer(plan, layer, made, joined)

        results = dict(walk(plan.network.input, integers, plan.network.steps, run))
        result = plan.scales[plan.network.outputs[0]]
        outputs = concatenated([results[name] for name in plan.network.outputs]).double()
        return (result.scale * (outputs - result.zero_point)).to(maps.dtype)

    def _run_function(
        self, plan: Plan, step: FloatFunction, made: IntegerLayer, integers: torch.Tensor
    ) -> torch.Tensor:
        """A function's integers for those of its input, as floats; gradients are those of the function in real numbers."""
        before, after = plan.scales[step.inputs[0]], plan.scales[step.output]
        real = step.run_real(before.scale * (integers - before.zero_point)) / after.scale + after.zero_point
        return _straight(real, made.activation.apply(integers.detach()))

    def _run_layer(
        self, plan: Plan, step: FloatLayer | FloatJoin, made: IntegerLayer, integers: torch.Tensor
    ) -> torch.Tensor:
        """A layer's integers [batch, rows, ...] for those of its inputs, as floats; `made` is the layer in integers."""
        layer, shapes, scales, after = step.layer, plan.network.shapes, plan.scales, plan.scales[step.output]
        zero_points = [float(scales[name].zero_point) for name in step.inputs for _ in range(shapes[name][0])]
        centred = integers - torch.tensor(zero_points, device=integers.device)[:, None, None]

        unit = torch.tensor(after.scale * np.exp2(-made.shift.astype(np.float64)), device=integers.device)
        real_weights, real_bias = self._tensors(step)
        by_step = weights_by_step(replace(layer, weights=real_weights), shapes, scales) / unit[:, None, None, None]
        bias_by_step = real_bias / unit
        whole, whole_bias = nearest(layer, by_step.detach(), bias_by_step.detach())
        weights, bias = _straight(by_step, whole), _straight(bias_by_step, whole_bias)
        largest = 255 * weights.detach().abs().flatten(1).sum(dim=1) + bias.detach().abs()
        skip = torch.zeros(len(unit))
        if step.skip:
            skip = torch.tensor(step.sign * skip_weights(scales[step.skip[0]].scale / after.scale, made.shift))
            largest = largest + 255 * skip.abs().to(largest.device)
        dtype = torch.float32 if float(largest.max()) < EXACT else torch.float64

        channels = centred.shape[1] - (len(unit) if step.skip else 0)
        padded = _padded(layer, centred[:, :channels].to(dtype))
        sums = functional.conv2d(
            padded, weights.to(dtype), bias.to(dtype), layer.stride, 0, layer.dilation, layer.groups
        )
        if step.skip:
            sums = sums + skip.to(sums)[:, None, None] * centred[:, channels:].to(dtype)
        real = sums * torch.tensor(np.exp2(-made.shift.astype(np.float64))).to(sums)[:, None, None]
        outputs = _straight(real, torch.floor(real.detach() + 0.5)) + made.output_zero_point
        return made.activation.apply(outputs.clamp(ACTIVATION_MIN, ACTIVATION_MAX)).to(integers.dtype)

    def _tensors(self, step: FloatLayer | FloatJoin) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and bias of a step, float64; an average's or copy's are exact only in the network."""
        layer = step.layer
        if layer.output not in self.learned:
            device = next(self.parameters()).device
            return layer.weights.to(device), layer.bias.to(device)
        sign = step.own_sign
        weights, bias = (self.get_parameter(f"{layer.output}.{name}").double() for name in ("weight", "bias"))
        return sign * weights, sign * bias

    def _renewed(self, network: FloatNetwork) -> FloatNetwork:
        """A network of the same layers with the weights as they are now."""

        def tensors(step: FloatLayer | FloatJoin) -> tuple[torch.Tensor, torch.Tensor]:
            weights, bias = self._tensors(step)
            return weights.detach().cpu(), bias.detach().cpu()

        return replace(network, steps=tuple(step.renewed(tensors) for step in network.steps))

    def _current_plan(self) -> Plan:
        if self.plan is None:
            raise QuantizationError("the scales are not decided: call make_integer first")
        return replace(self.plan, network=self._renewed(self.plan.network))


def _convolution(layer: FloatLayer, frozen: bool) -> nn.Conv2d:
    rows, each, *kernel = layer.weights.shape
    module = nn.Conv2d(each * layer.groups, rows, (kernel[0], kernel[1]), layer.stride, 0, layer.dilation, layer.groups)
    with torch.no_grad():
        module.weight.copy_(layer.weights)
        assert module.bias is not None
        module.bias.copy_(layer.bias)
    module.requires_grad_(not frozen)
    read = (layer.weights != 0).flatten(2).any(dim=2).any(dim=0)
    if not frozen and not bool(read.all()):  # of a map whose other channels are for someone else, and stay so
        module.weight.register_hook(lambda gradient: gradient * read.to(gradient)[:, None, None])  # type: ignore[no-untyped-call]  # torch has no types here
    return module


def _place(root: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module where its dotted name says; the name of one may be the beginning of another's."""
    *path, last = name.split(".")
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    for inner, held in getattr(root, last, nn.Module()).named_children():
        module.add_module(inner, held)
    root.add_module(last, module)


def _padded(layer: FloatLayer, maps: torch.Tensor) -> torch.Tensor:
    top, left, bottom, right = layer.padding
    return functional.pad(maps, (left, right, top, bottom)) if any(layer.padding) else maps


def _straight(real: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    """`rounded`, exactly, with the gradient of `real`."""
    result: torch.Tensor = _Straight.apply(real, rounded)  # type: ignore[no-untyped-call]  # torch has no types here
    return result


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(_context: Any, real: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
        return rounded.to(real.dtype)

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None
