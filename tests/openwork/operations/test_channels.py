"""`chunk`, `split` and `narrow`: exact in real numbers, nothing where layers read, a copy elsewhere."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from openwork.compiler.network import compile_network
from openwork.frontend import ImportingError, import_module
from openwork.golden import trace_network
from openwork.quantization import quantize
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS


def inputs(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 6, 5, generator=torch.Generator().manual_seed(count))


class Divided(nn.Module):
    """A layer whose maps a function divides, and a layer for each of two parts."""

    def __init__(self, divide: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], sizes: tuple[int, int]) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.divide = divide
        self.first = nn.Conv2d(3, 7, 3, padding=1)
        self.left, self.right = nn.Conv2d(sizes[0], 4, 3), nn.Conv2d(sizes[1], 4, 3)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        left, right, *_ = self.divide(self.first(batch))
        result: torch.Tensor = self.left(left) + self.right(right)
        return result


WAYS: dict[str, tuple[Callable[[torch.Tensor], tuple[torch.Tensor, ...]], tuple[int, int]]] = {
    "chunk": (lambda x: x.chunk(2, 1), (4, 3)),
    "chunk from behind": (lambda x: x.chunk(3, -3)[1:], (3, 1)),
    "split": (lambda x: torch.split(x, 3, dim=1), (3, 3)),
    "split of sizes": (lambda x: torch.split(x, [2, 4, 1], dim=1)[:2], (2, 4)),
    "tensor_split": (lambda x: torch.tensor_split(x, 3, dim=1), (3, 2)),
    "tensor_split at": (lambda x: torch.tensor_split(x, (2, 5), dim=1), (2, 3)),
    "narrow": (lambda x: (x.narrow(1, 1, 3), x.narrow(1, -2, 2)), (3, 2)),
    "a part of a part": (lambda x: (torch.split(x.chunk(2, 1)[0], 2, 1)[1], x[:, 1:5].chunk(2, 1)[1]), (2, 2)),
    "of one": (lambda x: (x.chunk(1, 1)[0], torch.split(x, [7], 1)[0]), (7, 7)),
}


@pytest.mark.parametrize("way", WAYS)
def test_layers_read_their_part_in_place(way: str) -> None:
    model = Divided(*WAYS[way])
    network = import_module(model, inputs(1))
    assert [step.output for step in network.steps] == ["first", "left", "right", "add"]
    assert all(layer.inputs == ("first",) for layer in network.layers[1:])
    with torch.no_grad():
        assert torch.allclose(network.run(inputs(4)), model(inputs(4)), atol=1e-5)


class Bottlenecks(nn.Module):
    """As in detectors: halves of a map, one of them through layers, all of them joined again; and a ReLU of one part."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.first, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(20, 5, 1)
        self.inner = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
        self.head = nn.Linear(5, 6)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        parts = list(self.first(batch).chunk(2, 1))
        for layer in self.inner:
            parts.append((layer(parts[-1]) + parts[-1]).relu())
        joined = torch.cat([*parts, parts[0].relu()], 1)
        maps = self.last(joined)
        scores, sizes = torch.split(self.head(maps.mean((2, 3))), [2, 4], 1)
        result: torch.Tensor = torch.cat([sizes * 0.5, scores.relu()], 1)
        return result


def test_parts_that_are_whole_tensors_are_taken_as_they_are() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            first, second = torch.split(torch.cat([self.one(batch), self.two(batch)], 1), [4, 2], 1)
            return torch.cat([second, first], 1)

    network = import_module(Joined(), inputs(1))
    assert [step.output for step in network.steps] == ["one", "two"] and network.outputs == ("two", "one")


@pytest.mark.parametrize("model", [Bottlenecks, *(lambda way=way: Divided(*WAYS[way]) for way in ("chunk", "narrow"))])
def test_the_array_computes_what_the_golden_model_does(model: Callable[[], nn.Module]) -> None:
    floats = import_module(model(), inputs(1))
    with torch.no_grad():
        expected_reals = model()(inputs(20))
    assert torch.allclose(floats.run(inputs(20)).reshape(expected_reals.shape), expected_reals, atol=1e-5)
    network = quantize(floats, inputs(40))
    image = compile_network(network, PRESETS["demo"], watch=True)
    integers = network.quantize_inputs(inputs(20).numpy())
    expected = trace_network(network, integers)
    for number in range(2):
        for name, values in image.tensors(run_image(image, integers[number])).items():
            assert np.array_equal(values, expected[name][number]), name
    found = network.dequantize_outputs(np.concatenate([expected[name] for name in network.outputs], axis=1))
    noise = ((found.reshape(expected_reals.shape) - expected_reals.numpy()) ** 2).mean()
    assert noise < expected_reals.numpy().var() * 10**-2.5


def test_inputs_are_not_divided() -> None:
    """One complaint, without an echo of each part that is read."""
    with pytest.raises(
        ImportingError,
        match=r"an operator that is not supported: chunk \(along dimension 0; along channels is possible\) at [^;]*$",
    ):
        import_module(Divided(lambda x: x.chunk(2, 0), (7, 7)), inputs(2), host=False)
