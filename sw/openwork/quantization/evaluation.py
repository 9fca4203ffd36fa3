"""What an integer network answers to thousands of inputs: the golden model's integers, by way of exact floating point."""

import torch

from openwork.graph import walk
from openwork.network import IntegerNetwork
from openwork.operations import Step
from openwork.progress import Progress, silent

BATCH = 50


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
    return step.run_fast(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
