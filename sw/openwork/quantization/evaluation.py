"""What an integer network answers to thousands of inputs: the golden model's integers, by way of exact floating point."""

import numpy as np
import torch
from torch.nn import functional

from openwork.frontend.float_network import run_step
from openwork.graph import walk
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, Step
from openwork.progress import Progress, silent

BATCH = 50
FLOAT32_BITS = 22
"""Accumulators and biases of so many bits are numbers that float32 adds without rounding, and their halves, too."""


def scores(network: IntegerNetwork, inputs: torch.Tensor, progress: Progress = silent) -> torch.Tensor:
    """Real outputs, float64 [inputs, features]: what `golden.run_network` gives, dequantized, and many times as fast.

    Args:
        network: quantized.
        inputs: real, [inputs, channels, height, width] or [inputs, features].
        progress: shows how far the work is.
    """
    integers = torch.tensor(network.quantize_inputs(inputs.numpy()))
    results = []
    for start in progress(range(0, len(integers), BATCH), "int8"):
        values = integers[start : start + BATCH].float()
        made = dict(walk(network.input.name, values, network.steps, _run))
        results.append(torch.cat([made[name] for name in network.outputs], dim=1).to(torch.int8))
    return torch.tensor(network.dequantize_outputs(torch.cat(results).numpy())).flatten(1)


def accuracy(network: IntegerNetwork, inputs: torch.Tensor, labels: torch.Tensor, progress: Progress = silent) -> float:
    """Share of inputs whose largest output is the one of their label."""
    return float((scores(network, inputs, progress).argmax(dim=1) == labels).double().mean())


def _run(step: Step, parts: list[torch.Tensor]) -> torch.Tensor:
    joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    return run_layer(step.layer, joined) if isinstance(step, LayerStep) else run_step(step, joined)


def run_layer(layer: IntegerLayer, integers: torch.Tensor) -> torch.Tensor:
    """A layer's integers [batch, rows, ...] as float32, for those of its inputs."""
    small = layer.sum_bits.max() <= FLOAT32_BITS and np.abs(layer.bias).max() < 1 << FLOAT32_BITS
    dtype = torch.float32 if small else torch.float64
    top, left, bottom, right = layer.padding
    padded = functional.pad(integers.to(dtype), (left, right, top, bottom), value=float(layer.input_zero_point))
    weights, bias = torch.tensor(layer.weights).to(dtype), torch.tensor(layer.bias).to(dtype)
    sums = functional.conv2d(padded, weights, bias, layer.stride, 0, layer.dilation, layer.groups)
    shifted = torch.floor(sums * torch.tensor(np.exp2(-layer.shift)).to(dtype)[:, None, None] + 0.5)
    return (shifted + layer.output_zero_point).clamp(layer.low, layer.high).float()
