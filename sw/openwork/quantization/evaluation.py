"""What an integer network answers to thousands of inputs: the golden model's integers, by way of exact floating point."""

import numpy as np
import torch
from numpy.typing import NDArray

from openwork.frontend.tail import model_results
from openwork.graph import walk
from openwork.network import IntegerNetwork
from openwork.operations import Step
from openwork.progress import Progress, silent

BATCH = 50


def scores(network: IntegerNetwork, inputs: torch.Tensor, progress: Progress = silent) -> torch.Tensor:
    """What the model gives, its first result, float64 [inputs, values]: of the golden model's integers, many times as fast.

    Args:
        network: quantized.
        inputs: real, [inputs, channels, height, width] or [inputs, features].
        progress: shows how far the work is.
    """
    outputs = _outputs(network, inputs, progress)
    if network.tail is None and len(network.results) == 1:
        return torch.tensor(network.dequantize_outputs(outputs)).flatten(1)
    first = next(iter(model_results(network, outputs).values()))
    return torch.tensor(first).double().flatten(1)


def accuracy(network: IntegerNetwork, inputs: torch.Tensor, labels: torch.Tensor, progress: Progress = silent) -> float:
    """Share of inputs whose largest output is the one of their label: of the array's first result, before any tail."""
    outputs = _outputs(network, inputs, progress)
    first = next(iter(network.split(outputs).values()))
    return float((torch.tensor(first).flatten(1).argmax(dim=1) == labels).double().mean())


def _outputs(network: IntegerNetwork, inputs: torch.Tensor, progress: Progress) -> NDArray[np.int8]:
    """What `golden.run_network` gives."""
    integers = torch.tensor(network.quantize_inputs(inputs.numpy()))
    results = []
    for start in progress(range(0, len(integers), BATCH), "int8"):
        values = integers[start : start + BATCH].float()
        made = dict(walk(network.input.name, values, network.steps, _run))
        results.append(network.joined({name: made[name].numpy().astype(np.int8) for name in network.outputs}))
    return np.concatenate(results)


def _run(step: Step, parts: list[torch.Tensor]) -> torch.Tensor:
    return step.run_fast(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
