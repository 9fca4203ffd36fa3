"""A whole integer network, step by step, on int8 arrays."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from openwork.golden.integer import run_layer
from openwork.graph import walk
from openwork.network import IntegerNetwork, LayerStep, MaxPool, NetworkError, Step, Upsample
from openwork_hw.arch.arithmetic import ACTIVATION_MIN


def run_step(step: Step, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """What a step makes, int8 [batch, *shape]; `inputs`: what it reads, int8 [batch, channels, height, width]."""
    if isinstance(step, LayerStep):
        return run_layer(step.layer, inputs)
    if isinstance(step, MaxPool):
        top, left, bottom, right = step.padding
        padded = functional.pad(torch.tensor(inputs), (left, right, top, bottom), value=ACTIVATION_MIN)
        windows = padded.unfold(2, step.kernel[0], step.stride).unfold(3, step.kernel[1], step.stride)
        return windows.amax(dim=(4, 5)).numpy()
    if isinstance(step, Upsample):
        return inputs.repeat(step.factor, axis=2).repeat(step.factor, axis=3)
    return inputs.reshape(len(inputs), *step.shape)


def trace_network(network: IntegerNetwork, inputs: NDArray[np.int8]) -> dict[str, NDArray[np.int8]]:
    """Every tensor of the network by name, int8 [batch, *shape]; `inputs` as for `run_network`."""
    return dict(_tensors(network, inputs))


def run_network(network: IntegerNetwork, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """The network's int8 outputs [batch, channels, height, width].

    Args:
        network: what to compute.
        inputs: int8 [batch, channels, height, width]; real numbers go through `IntegerNetwork.quantize_inputs` first.

    Raises:
        NetworkError: the inputs are not int8 of the network's input shape.
    """
    wanted = {name: array for name, array in _tensors(network, inputs) if name in network.outputs}
    return np.concatenate([wanted[name] for name in network.outputs], axis=1)


def _tensors(network: IntegerNetwork, inputs: NDArray[np.int8]) -> Iterator[tuple[str, NDArray[np.int8]]]:
    """Each tensor when it is made; it is dropped after its last reader."""
    if inputs.dtype != np.int8 or inputs.ndim != 4 or inputs.shape[1:] != network.input.shape:
        raise NetworkError(
            f"the network takes int8 [batch, {', '.join(map(str, network.input.shape))}], "
            f"not {inputs.dtype} {list(inputs.shape)}"
        )
    return walk(network.input.name, inputs, network.steps, _run_on_parts)


def _run_on_parts(step: Step, parts: list[NDArray[np.int8]]) -> NDArray[np.int8]:
    return run_step(step, parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))
