"""Operators that only move values: what PyTorch computes, in as few steps as there can be."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.slow import slow_but
from torch import nn

import openwork
from openwork.frontend import ImportingError, import_module, import_program
from openwork.golden import trace_network
from openwork.simulator.image import run_image


def batch_of(count: int) -> torch.Tensor:
    return torch.randn(count, 4, 6, 6, generator=torch.Generator().manual_seed(count))


class Moved(nn.Module):
    """A layer, values that are moved, and a layer behind."""

    def __init__(self, move: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.first, self.move = nn.Conv2d(4, 8, 1), move
        shape = move(self.first(batch_of(1))).shape
        self.last: nn.Module = nn.Conv2d(shape[1], 3, 1) if len(shape) == 4 else nn.Linear(shape[1], 3)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.last(self.move(self.first(batch)))
        return result


def shuffled(x: torch.Tensor) -> torch.Tensor:
    count, channels, height, width = x.shape
    return x.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(count, channels, height, width)


def focused(x: torch.Tensor) -> torch.Tensor:
    parts = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
    return torch.cat(parts, 1)


def split_in_groups(x: torch.Tensor) -> torch.Tensor:
    first, second = torch.unflatten(x, 1, (2, 4)).unbind(1)
    return torch.stack([second, first], 2).flatten(1, 2)


MOVES: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], list[str]]] = {
    "a channel shuffle": (shuffled, ["first", "last"]),
    "twice shuffled is as before": (lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2), ["first", "last"]),
    "channels last, and a choice": (lambda x: x.permute(0, 2, 3, 1)[..., [5, 0, 0]].permute(0, 3, 1, 2), ["first", "last"]),
    "a list of channels": (lambda x: x[:, [7, 1, 4]], ["first", "last"]),
    "index_select": (lambda x: x.index_select(1, torch.tensor([3, 3, 2])), ["first", "last"]),
    "select": (lambda x: torch.stack([x.select(1, 6), x[:, 2]], 1), ["first", "last"]),
    "unbind and stack": (split_in_groups, ["first", "last"]),
    "flattened and back": (lambda x: x.flatten(1).view(-1, 8, 6, 6), ["first", "last"]),
    "in rank five and back": (lambda x: torch.unflatten(x.unsqueeze(2).squeeze(2), 1, (2, 4)).flatten(1, 2), ["first", "last"]),
    "rolled channels": (lambda x: x.roll(3, 1).flip(1), ["first", "last"]),
    "focus": (focused, ["first", "cat", "last"]),
    "a crop": (lambda x: x[:, :, 1:-2, 2:5], ["first", "slice", "last"]),
    "every second column": (lambda x: x[:, :, :, 1::2][:, :, ::2], ["first", "slice", "last"]),
    "one row": (lambda x: x[:, :, 2:3], ["first", "slice", "last"]),
    "a chunk of rows": (lambda x: x.chunk(2, 2)[1], ["first", "chunk", "last"]),
    "narrow": (lambda x: x.narrow(3, 1, 4), ["first", "narrow", "last"]),
    "rows and columns change places": (lambda x: x.transpose(2, 3), ["first", "transpose", "transpose_2", "transpose_3", "last"]),
    "a mirror": (lambda x: x.flip(3), ["first", "flip", "flip_2", "flip_3", "last"]),
    "as many channels": (lambda x: x[:, 3:4].expand(-1, 5, -1, -1), ["first", "last"]),
    "pixels of a vector": (
        lambda x: x.mean((2, 3))[:, :, None, None].expand(-1, -1, 3, 3), ["first", "mean", "expand", "expand_2", "last"],
    ),
    "flattened channels last": (lambda x: x.permute(0, 2, 3, 1).flatten(1), ["first", "flatten", "last"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_values_are_moved_as_pytorch_moves_them(name: str) -> None:
    move, steps = MOVES[name]
    model = Moved(move).eval()
    network = import_module(model, batch_of(1))
    with torch.no_grad():
        expected = model(batch_of(5))
    assert torch.allclose(network.run(batch_of(5)).reshape(expected.shape), expected, atol=1e-5)
    assert network.tail is None and [step.output for step in network.steps] == steps


ANY_BATCH = ("a channel shuffle", "focus", "a list of channels", "flattened and back")


@pytest.mark.parametrize("name", slow_but(ANY_BATCH, "focus", "flattened and back"))
def test_of_every_size_of_the_batch(name: str) -> None:
    model = Moved(MOVES[name][0]).eval()
    open_batch = ({0: torch.export.Dim("batch", min=1, max=64)},)
    with torch.no_grad():
        expected = model(batch_of(5))
        for size, shapes in ((3, None), (4, open_batch)):
            program = torch.export.export(model, (batch_of(size),), dynamic_shapes=shapes)
            for one in (program, program.run_decompositions()):
                network = import_program(one)
                assert torch.allclose(network.run(batch_of(5)).reshape(expected.shape), expected, atol=1e-5)


ON_ARRAY = ["a channel shuffle", "focus", "a crop", "every second column", "a mirror", "pixels of a vector"]


@pytest.mark.parametrize("name", [*ON_ARRAY, "flattened channels last"])
def test_the_array_moves_them_too(name: str) -> None:
    network = openwork.quantize(Moved(MOVES[name][0]).eval(), batch_of(30))
    image = openwork.compile(network, "demo")
    integers = network.quantize_inputs(batch_of(2).numpy())
    golden = trace_network(network, integers)
    for number in range(2):
        for tensor, values in image.tensors(run_image(image, integers[number])).items():
            assert np.array_equal(values, golden[tensor][number]), tensor


class Blocks(nn.Module):
    """As in ShuffleNet: half of the channels goes by, both halves are shuffled, and so on; a sum reads shuffled channels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.first = nn.Conv2d(4, 8, 1)
        self.inner = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1, groups=2) for _ in range(2))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.first(batch)
        for layer in self.inner:
            beside, through = maps.chunk(2, 1)
            maps = shuffled(torch.cat([beside, layer(through).relu()], 1))
        return maps.relu() + shuffled(maps)


def test_blocks_that_shuffle_again_and_again() -> None:
    model = Blocks().eval()
    network = import_module(model, batch_of(1))
    with torch.no_grad():
        assert torch.allclose(network.run(batch_of(6)), model(batch_of(6)), atol=1e-5)
    quantized = openwork.quantize(model, batch_of(30))
    image = openwork.compile(quantized, "demo")
    assert np.array_equal(image.run(batch_of(2)), image.run(batch_of(2), "model"))


class Late(nn.Module):
    """A layer behind a move that no layer can do."""

    def __init__(self, move: Callable[[torch.Tensor], torch.Tensor], factor: int) -> None:
        super().__init__()
        self.before, self.after = (
            nn.Sequential(nn.Conv2d(4, 8, 1), nn.Upsample(scale_factor=factor)),
            nn.Conv2d(8, 2, 3),
        )
        self.move = move

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.after(self.move(self.before(batch)))
        return result


def test_what_no_layer_can_pick_is_refused() -> None:
    with pytest.raises(
        ImportingError, match=r"transpose \(from 8 x 72 x 72 to 8 x 72 x 72 in an order that no layer reads"
    ):
        import_module(Late(lambda x: x.transpose(2, 3), 12), batch_of(1))
    with pytest.raises(ImportingError, match="supported: flip at"):
        import_module(Late(lambda x: x.flip(0), 1), batch_of(2))
