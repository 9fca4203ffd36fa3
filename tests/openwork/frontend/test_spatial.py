"""Operators of pixels: as PyTorch computes them, and exact in integers from the golden model to the image."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from openwork.compiler.network import compile_network
from openwork.frontend import import_module
from openwork.golden import trace_network
from openwork.quantization import quantize
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS


class Function(nn.Module):
    """A function of a map."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.function(maps)


MAP = (4, 6, 7)
CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "average without padding": (nn.AvgPool2d(3, 1, 1, count_include_pad=False), (4, 9, 8)),
    "average without padding, rounded up": (nn.AvgPool2d(3, 2, 1, count_include_pad=False, ceil_mode=True), (4, 9, 8)),
    "average rounded up": (nn.AvgPool2d(3, 2, ceil_mode=True), (4, 10, 8)),
    "average rounded up by a number": (nn.AvgPool2d(3, 2, ceil_mode=True, divisor_override=5), (4, 10, 8)),
    "average of unequal strides": (nn.AvgPool2d((3, 2), (2, 1), 1), (4, 10, 8)),
    "average that does not divide": (nn.AdaptiveAvgPool2d((3, 4)), MAP),
    "average that enlarges": (nn.AdaptiveAvgPool2d((6, 6)), (4, 2, 2)),
    "average that enlarges a pixel": (nn.AdaptiveAvgPool2d((6, 5)), (4, 1, 1)),
    "average of a sequence": (nn.AdaptiveAvgPool1d(4), (3, 9)),
    "largest, dilated": (nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True), (4, 11, 9)),
    "largest of unequal strides": (nn.MaxPool2d((3, 2), (2, 1), (1, 0)), MAP),
    "largest of a sequence": (nn.MaxPool1d(3, 2, 1, dilation=2), (3, 9)),
    "largest that does not divide": (nn.AdaptiveMaxPool2d((3, 4)), MAP),
    "largest that divides": (nn.AdaptiveMaxPool2d((3, 1)), MAP),
    "convolution of unequal strides and dilations": (nn.Conv2d(4, 5, 3, (1, 2), (2, 1), dilation=(2, 1)), (4, 11, 9)),
    "pixel shuffle": (nn.PixelShuffle(2), (8, 5, 4)),
    "pixel shuffle of a pixel": (nn.PixelShuffle(3), (9, 1, 1)),
    "pixel unshuffle": (nn.PixelUnshuffle(2), (2, 6, 4)),
    "transposed 2": (nn.ConvTranspose2d(4, 6, 2, 2), MAP),
    "transposed 3, output padded": (nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), MAP),
    "transposed 4 in groups": (nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2, bias=False), MAP),
    "transposed, all unequal": (nn.ConvTranspose2d(4, 6, (3, 5), (1, 3), (1, 2), (0, 1), dilation=(2, 1)), MAP),
    "transposed of a pixel": (nn.ConvTranspose2d(4, 6, 4), (4, 1, 1)),
    "transposed of a column": (nn.ConvTranspose2d(4, 6, 2, 3, 0, 1), (4, 3, 1)),
    "transposed, cut": (nn.ConvTranspose2d(4, 6, 5, 2, 4), (4, 7, 6)),
    "transposed of a sequence": (nn.ConvTranspose1d(3, 5, 4, 2, 1), (3, 7)),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), MAP),
    "bilinear, aligned": (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), MAP),
    "bilinear by fractions": (nn.Upsample(size=(9, 4), mode="bilinear"), (4, 6, 8)),
    "bilinear of a sequence": (nn.Upsample(scale_factor=2, mode="linear"), (3, 7)),
    "bicubic": (nn.Upsample(scale_factor=2, mode="bicubic"), MAP),
    "bilinear by 16": (nn.Upsample(scale_factor=16, mode="bilinear"), (2, 3, 2)),
    "nearest by fractions": (nn.Upsample(size=(9, 4)), (4, 6, 8)),
    "nearest by unequal factors": (nn.Upsample(scale_factor=(2.0, 3.0)), MAP),
    "nearest of a sequence": (nn.Upsample(scale_factor=3), (3, 7)),
    "nearest, exact": (nn.Upsample(scale_factor=2, mode="nearest-exact"), MAP),
    "nearest, exact, by fractions": (nn.Upsample(size=(9, 4), mode="nearest-exact"), (4, 6, 8)),
    "patches of 16": (nn.Conv2d(3, 8, 16, 16), (3, 32, 48)),
    "kernel of 11 with stride 4": (nn.Conv2d(3, 8, 11, 4, 2), (3, 33, 40)),
    "kernel of 9 in groups": (nn.Conv2d(4, 8, 9, 1, 4, groups=2), (4, 13, 12)),
    "large kernel, dilated": (nn.Conv2d(4, 4, (9, 10), 3, 4, groups=4, dilation=(1, 2)), (4, 23, 22)),
    "reflected": (nn.ReflectionPad2d(2), MAP),
    "reflected sequence": (nn.ReflectionPad1d(2), (3, 7)),
    "replicated": (nn.ReplicationPad2d((1, 2, 0, 1)), MAP),
    "circular": (nn.CircularPad2d(1), MAP),
    "padded with a number": (nn.ConstantPad2d((1, 2, 0, 1), 0.7), MAP),
    "cut and padded": (nn.ConstantPad2d((-1, 2, 1, -2), 1.0), MAP),
    "channels cut and padded": (Function(lambda x: functional.pad(x, (0, 0, 0, 0, -1, 2))), MAP),
    "convolution with a mode": (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), MAP),
    "pixels": (Function(lambda x: x[:, :, 1:-1, 2:7:2]), MAP),
    "columns": (Function(lambda x: x[:, :, :, ::3].relu()), MAP),
    "focus": (Function(lambda x: torch.cat([x[:, :, a::2, b::2] for a in (0, 1) for b in (0, 1)], 1)), (3, 6, 8)),
}


@pytest.mark.parametrize("name", CASES)
def test_pixels_are_as_pytorch_says_and_exact_in_integers(name: str) -> None:
    operator, shape = CASES[name]
    torch.manual_seed(5)
    first = (nn.Conv2d if len(shape) == 3 else nn.Conv1d)(shape[0], shape[0], 1)
    model = nn.Sequential(first, operator).double().eval()
    batch = torch.randn(8, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    floats = import_module(model, batch[:1])
    with torch.no_grad():
        expected = model(batch)
    assert torch.allclose(floats.run(batch).reshape(expected.shape), expected, rtol=1e-9, atol=1e-9)
    network = quantize(floats, batch)
    integers = network.quantize_inputs(batch.numpy())
    golden = trace_network(network, integers)
    real = [
        network.tensor(one).scale * (golden[one].astype(float) - network.tensor(one).zero_point)
        for one in network.outputs
    ]
    lost = np.concatenate(real, axis=1).reshape(expected.shape) - expected.numpy()
    assert 10 * np.log10((expected.numpy() ** 2).mean() / (lost**2).mean()) > 30  # decibels
    image = compile_network(network, PRESETS["ecp5-25k"], watch=True)
    for tensor, values in image.tensors(run_image(image, integers[0])).items():
        assert np.array_equal(values, golden[tensor][0]), tensor


def test_a_large_kernel_computes_the_same_sums() -> None:
    """Its pixels become channels, and no sum is cut: there is one layer with weights, and one that copies."""
    network = import_module(nn.Conv2d(3, 8, 16, 16), torch.zeros(1, 3, 32, 32))
    copies, layer = network.layers
    assert copies.uniform_size == 1.0 and layer.taps == 64
    assert network.shapes[layer.output] == (8, 2, 2)


def test_borders_cost_two_copies_each() -> None:
    network = import_module(nn.Upsample(scale_factor=2, mode="bilinear"), torch.zeros(1, 4, 8, 8))
    assert len(network.steps) == 12 and sum(layer.uniform_size == 1.0 for layer in network.layers) == 4
