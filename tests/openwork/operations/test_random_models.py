"""Random models out of the operations of the front end: real numbers as PyTorch's, integers as the golden model's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.frontend import import_module
from openwork.golden import trace_network
from openwork.quantization import quantize
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS

KINDS = (
    *("convolution", "leaky", "prelu", "relu", "chunk", "split", "narrow", "sum", "joined", "pool", "enlarged"),
    *("transposed", "bilinear", "shuffled", "reflected", "average", "adaptive", "cut"),
)


class Drawn(nn.Module):
    """Operations one after the other; each reads the last map, and some an older one of the same size."""

    def __init__(self, kinds: list[str], seed: int) -> None:
        super().__init__()
        self.kinds, self.seed = kinds, seed
        self.layers = nn.ModuleDict()
        torch.manual_seed(seed)
        with torch.no_grad():
            self(torch.zeros(1, 3, 6, 6))  # makes the layers

    def layer(self, number: int, made: nn.Module) -> nn.Module:
        if str(number) not in self.layers:
            self.layers[str(number)] = made
        return self.layers[str(number)]

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.layer(-1, nn.Conv2d(3, 6, 3, padding=1))(batch)
        made = [maps]
        for number, kind in enumerate(self.kinds):
            channels = maps.shape[1]
            half = max(1, channels // 2)
            older = next((one for one in made[:-1] if one.shape == maps.shape), maps)
            if kind == "convolution":
                groups = 2 if channels % 2 == 0 and (self.seed + number) % 3 == 0 else 1
                maps = self.layer(number, nn.Conv2d(channels, 6, 3, padding=1, groups=groups))(maps)
            elif kind == "leaky":
                maps = functional.leaky_relu(maps, (0.01, 0.2, 1.25, -0.5)[(self.seed + number) % 4])
            elif kind == "prelu":
                maps = self.layer(number, nn.PReLU(channels, init=0.3))(maps)
            elif kind == "relu":
                maps = maps.relu()
            elif kind == "chunk":
                first, *rest = maps.chunk(2, 1)
                maps = torch.cat([*rest, first], 1)
            elif kind == "split":
                maps = torch.split(maps, half, 1)[-1]
            elif kind == "narrow":
                maps = maps.narrow(1, channels - half, half)
            elif kind == "sum":
                maps = maps + older
            elif kind == "joined" and channels <= 8:
                maps = torch.cat([maps, older * 0.5], 1)
            elif kind == "pool" and maps.shape[2] > 2:
                maps = functional.max_pool2d(maps, 2)
            elif kind == "enlarged" and maps.shape[2] < 7:
                maps = functional.interpolate(maps, scale_factor=2.0)
            elif kind == "transposed" and maps.shape[2] < 7:
                stride = 1 + (self.seed + number) % 2
                maps = self.layer(number, nn.ConvTranspose2d(channels, 4, 3, stride, 1))(maps)
            elif kind == "bilinear" and maps.shape[2] < 7:
                maps = functional.interpolate(maps, scale_factor=2.0, mode="bilinear")
            elif kind == "shuffled" and channels % 4 == 0:
                maps = functional.pixel_shuffle(maps, 2)
            elif kind == "reflected" and 1 < maps.shape[2] < 9:
                maps = functional.pad(maps, (1, 0, 1, 1), mode=("reflect", "replicate")[(self.seed + number) % 2])
            elif kind == "average" and maps.shape[2] > 2:
                maps = functional.avg_pool2d(maps, 3, (1, 2), 1, count_include_pad=False, ceil_mode=True)
            elif kind == "adaptive":
                maps = functional.adaptive_avg_pool2d(maps, (4, 3))
            elif kind == "cut" and min(maps.shape[2:]) > 2:
                maps = functional.pad(maps, (-1, 1, 0, -1), value=0.25)
            made.append(maps)
        result: torch.Tensor = self.layer(len(self.kinds), nn.Conv2d(maps.shape[1], 3, 1))(maps)
        return result


DRAWN = given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=5), seed=st.integers(0, 1 << 16))


@DRAWN
@settings(max_examples=4, deadline=None)
def test_random_models_are_exact_twice(kinds: list[str], seed: int) -> None:
    check_exact_twice(kinds, seed)


@pytest.mark.slow
@DRAWN
@settings(max_examples=25, deadline=None)
def test_more_random_models_are_exact_twice(kinds: list[str], seed: int) -> None:
    check_exact_twice(kinds, seed)


def check_exact_twice(kinds: list[str], seed: int) -> None:
    """In real numbers the network computes what the model does, and in integers the image what the golden model does."""
    model = Drawn(kinds, seed).eval()
    batch = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    floats = import_module(model, batch[:1])
    with torch.no_grad():
        expected = model(batch)
    assert torch.allclose(floats.run(batch), expected, atol=1e-4 * max(1.0, float(expected.abs().max())))
    network = quantize(floats, batch)
    try:
        image = compile_network(network, PRESETS["demo"], watch=True)
    except CompileError as error:
        known = ("is padded with", "feature words", "scaled differently", "beside the map")
        assert any(reason in str(error) for reason in known), error
        return
    integers = network.quantize_inputs(batch[:1].numpy())
    golden = trace_network(network, integers)
    for name, values in image.tensors(run_image(image, integers[0])).items():
        assert np.array_equal(values, golden[name][0]), name
