"""A whole integer network, step by step, on int8 arrays."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from openwork.graph import walk
from openwork.network import IntegerNetwork, NetworkError
from openwork.operations import Step


def trace_network(network: IntegerNetwork, inputs: NDArray[np.int8]) -> dict[str, NDArray[np.int8]]:
    """Every tensor of the network by name, int8 [batch, *shape]; `inputs` as for `run_network`."""
    return dict(_tensors(network, inputs))


def run_network(network: IntegerNetwork, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """The network's int8 outputs [batch, channels, height, width]; of several results, [batch, values] of all.

    Args:
        network: what to compute.
        inputs: int8 [batch, channels, height, width]; real numbers go through `IntegerNetwork.quantize_inputs` first.

    Raises:
        NetworkError: the inputs are not int8 of the network's input shape.
    """
    wanted = {name: array for name, array in _tensors(network, inputs) if name in network.outputs}
    return network.joined(wanted)


def _tensors(network: IntegerNetwork, inputs: NDArray[np.int8]) -> Iterator[tuple[str, NDArray[np.int8]]]:
    """Each tensor when it is made; it is dropped after its last reader."""
    if inputs.dtype != np.int8 or inputs.ndim != 4 or inputs.shape[1:] != network.input.shape:
        raise NetworkError(
            f"the network takes int8 [batch, {', '.join(map(str, network.input.shape))}], "
            f"not {inputs.dtype} {list(inputs.shape)}"
        )
    return walk(network.input.name, inputs, network.steps, _run_on_parts)


def _run_on_parts(step: Step, parts: list[NDArray[np.int8]]) -> NDArray[np.int8]:
    return step.run(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))
