"""How weights become whole numbers: each the nearest, or so that the rows' sums stay near what they were."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch.nn import functional

from openwork.frontend import FloatLayer, FloatNetwork
from openwork.progress import Progress
from openwork.pruning.solver import columns_of, rounded_rows
from openwork.quantization.observers import BATCH
from openwork.quantization.scales import ActivationScale, round_to_int8
from openwork.scales import WEIGHT_MAX

Rounding = Callable[[FloatLayer, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""From a layer, its weights [rows, channels / groups, kernel_h, kernel_w] and bias [rows] in units of a sum, both float64: whole
numbers in their place, weights within int8. Weights that are 0 stay 0."""

BIAS_MAX = float(1 << 30)


def nearest(_layer: FloatLayer, weights: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each the nearest whole number."""
    return round_to_int8(weights, torch.ones((), device=weights.device)), torch.floor(bias + 0.5)


def error_aware_rounding(
    network: FloatNetwork, calibration: torch.Tensor, scales: Mapping[str, ActivationScale], progress: Progress
) -> Rounding:
    """Rounding whose errors cancel out over the calibration inputs (see `rounded_rows`); the bias takes up what is left.

    Layers whose weights are an average or a copy are exact, and rounded as they are.

    Args:
        network: with the layers that will be rounded.
        calibration: float [inputs, ...].
        scales: of the network's tensors.
        progress: shows how far the work is.
    """
    moments: dict[str, torch.Tensor] = {}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for start in progress(range(0, len(calibration), BATCH), "calibration: moments"):
            for name, columns in _columns(network, calibration[start : start + BATCH].float(), scales, generator):
                moments[name] = moments.get(name, 0.0) + (columns.transpose(1, 2) @ columns).double()

    def rounding(layer: FloatLayer, weights: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if layer.output not in moments:
            return nearest(layer, weights, bias)
        rows = torch.cat([weights.flatten(1), bias[:, None]], dim=1).reshape(layer.groups, -1, weights[0].numel() + 1)
        mask = rows != 0
        mask[..., -1] = True
        limits = torch.full((rows.shape[2],), float(WEIGHT_MAX))
        limits[-1] = BIAS_MAX
        whole = rounded_rows(rows, moments[layer.output], mask, limits).reshape(len(bias), -1)
        return whole[:, :-1].reshape(weights.shape), whole[:, -1]

    return rounding


def _columns(
    network: FloatNetwork, inputs: torch.Tensor, scales: Mapping[str, ActivationScale], generator: torch.Generator
) -> Iterator[tuple[str, torch.Tensor]]:
    """What the rows of each layer multiply, in steps of the inputs' scales, and a column of ones."""
    tensors = dict(network.tensors(inputs))
    for layer in network.layers:
        if layer.uniform_size is not None:
            continue
        maps = torch.cat([tensors[name] / scales[name].scale for name in layer.inputs], dim=1)
        top, left, bottom, right = layer.padding
        kernel = layer.weights.shape[2], layer.weights.shape[3]
        padded = functional.pad(maps, (left, right, top, bottom))
        yield (
            layer.output,
            columns_of(padded, kernel, layer.stride, layer.dilation, layer.groups, True, generator),
        )
