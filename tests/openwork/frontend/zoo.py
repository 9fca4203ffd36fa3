"""Small models that use every operator the front end takes, for all tests that want one."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """A sum of a strided, zero-extended shortcut, of two branches, and of a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.main = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.left = nn.Conv2d(8, 3, 1)
        self.right = nn.Conv2d(8, 5, 3, padding=1)
        self.last = nn.Linear(8, 5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        start = functional.relu(self.norm(self.first(inputs)))
        shortcut = functional.pad(start[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        total = functional.relu6(self.main(start) + shortcut)
        both = torch.cat([self.left(total), self.right(total)], dim=1)
        total = both - total
        return functional.log_softmax(self.last(total.mean(dim=(2, 3))), dim=1)


class Pooled(nn.Module):
    """Every kind of pooling, padding and resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ZeroPad2d((0, 1, 1, 0)),
            nn.Conv2d(2, 4, (3, 2), groups=2),
            nn.MaxPool2d(3, 2, 1, ceil_mode=True),
            nn.ReLU(inplace=True),
            nn.ConstantPad2d((1, 0, 0, 1), 0.0),
            nn.MaxPool2d(2, 1),
            nn.AvgPool2d(2, 1, padding=1),
            nn.Hardtanh(-0.5, 0.25),
            nn.Upsample(scale_factor=2),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 6, 3, padding="same", dilation=2),
            nn.AdaptiveAvgPool2d((1, 1)),
        )
        self.last = nn.Linear(6, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        last: torch.Tensor = self.last(torch.flatten(self.layers(inputs / 2 - 0.25), 1))
        return last.clamp(min=-1)


class Unflattened(nn.Module):
    """A vector that becomes a map, and one too large for a kernel that becomes a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 2 * 10 * 8)
        self.convolution = nn.Conv2d(2, 3, 3, padding=1)
        self.second = nn.Linear(3 * 10 * 8, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        maps = self.first(inputs).view(-1, 2, 10, 8)
        maps = functional.dropout(self.convolution(maps), training=self.training)
        result: torch.Tensor = self.second((functional.relu(1 - maps) + maps).flatten(1))
        return result


class Joined(nn.Module):
    """Sums with a layer before them that they can join: padded, dilated, grouped, subtracted, of signed maps, of vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, 3, padding=1)
        self.padded = nn.Conv2d(6, 6, 3, padding=1)
        self.grouped = nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3)
        self.inner = nn.Conv2d(6, 3, 1)
        self.outer = nn.Conv2d(3, 6, (1, 3), padding=(0, 1))
        self.left = nn.Conv2d(6, 4, 1)
        self.right = nn.Conv2d(6, 4, 1)
        self.last = nn.Linear(4, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        maps = functional.relu(self.first(inputs))
        maps = functional.relu(self.padded(maps) + maps)
        signed = maps - self.grouped(maps)
        signed = self.outer(functional.relu6(self.inner(signed))) - signed
        maps = functional.hardtanh(self.left(signed) - self.right(signed), -0.5, 2.0)
        vector = maps.mean(dim=(2, 3))
        result: torch.Tensor = self.last(vector) + vector
        return result


def chain() -> nn.Module:
    """One layer after the other, with half of the weights 0."""
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout2d(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.Sequential(nn.Conv2d(8, 6, (2, 3), padding=2, dilation=2, groups=2), nn.Identity()),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 6 * 4, 10, bias=False),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data *= torch.rand(module.weight.shape) < 0.5
    return model


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "chain": (chain, (2, 8, 8)),
    "residual": (Residual, (3, 9, 7)),
    "joined": (Joined, (2, 9, 8)),
    "pooled": (Pooled, (2, 13, 12)),
    "unflattened": (Unflattened, (12,)),
}
"""Each with the shape of an input."""


def trained(name: str) -> nn.Module:
    """A model of MODELS in float64, always the same, with batch norm statistics unlike those it starts with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = MODELS[name][0]().double()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                    if tensor is not None:
                        tensor.detach().copy_(torch.rand(tensor.shape) + 0.5)
    return model


def inputs(name: str, count: int, seed: int = 0) -> torch.Tensor:
    """Float64 inputs for a model of MODELS."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *MODELS[name][1], dtype=torch.float64, generator=generator)
