"""Channels of a map: what a layer reads of them costs nothing, and others get a copy."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from openwork.frontend import FloatLayer, FloatNetwork, ImportingError, import_module
from openwork.quantization import TrainableNetwork


def batch() -> torch.Tensor:
    return torch.randn(3, 4, 6, 5, generator=torch.Generator().manual_seed(1))


class Chosen(nn.Module):
    """Slices of channels that are read by layers, and one that a sum reads."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Conv2d(4, 6, 3, padding=1)
        self.upper, self.lower = nn.Conv2d(4, 3, 1), nn.Conv2d(4, 3, 3, padding=1)
        self.both = nn.Conv2d(5, 3, 1)
        self.last = nn.Linear(3 * 6 * 5, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        maps = self.first(inputs)
        upper = self.upper(maps[:, :4])
        lower = functional.relu(self.lower(functional.relu(maps)[:, 2:]))
        both = self.both(torch.cat([maps[:, 4:], upper], dim=1))
        total = upper + lower + both + maps[:, ::2]
        result: torch.Tensor = self.last(total.flatten(1))
        return result


def layer_of(network: FloatNetwork, name: str) -> FloatLayer:
    return next(layer for layer in network.layers if layer.output == name)


def test_layers_read_the_whole_map_and_sums_a_copy() -> None:
    network = import_module(Chosen(), batch()[:1])
    with torch.no_grad():
        assert torch.allclose(network.run(batch())[:, :, 0, 0], Chosen()(batch()), atol=1e-5)
    upper, both = layer_of(network, "upper"), layer_of(network, "both")
    assert upper.inputs == ("first",) and upper.weights.shape == (3, 6, 1, 1)
    assert (upper.weights[:, 4:] == 0).all() and (upper.weights[:, :4] != 0).all()
    assert both.inputs == ("first", "upper") and both.weights.shape == (3, 9, 1, 1)
    copies = [
        step.output for step in network.steps if step.uniform_size == 1.0 and step.weighted[0].weights.shape[0] == 3
    ]
    assert copies == ["slice_4"]  # of `maps[:, ::2]`, which a sum reads


def test_no_channel_at_all_is_refused() -> None:
    class Empty(nn.Module):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps[:, 2:2].relu()

    with pytest.raises(
        ImportingError, match=r"an operator that is not supported: slice \(to a map without channels\) at"
    ):
        import_module(nn.Sequential(nn.Conv2d(4, 4, 1), Empty()), batch()[:1])


class Reused(nn.Module):
    """A choice that becomes more than a copy: limited, normalized, chosen from again, padded, read by groups."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.norm = nn.Conv2d(4, 8, 1), nn.BatchNorm2d(4)
        self.grouped, self.last = nn.Conv2d(4, 4, 2, groups=4), nn.Conv2d(13, 3, 3)
        for tensor in (self.norm.running_mean, self.norm.running_var):
            assert tensor is not None
            tensor.copy_(torch.rand(4) + 0.5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        maps = self.first(inputs)
        limited = functional.relu(maps[:, :4])
        normed = self.norm(maps[:, 2:6])
        again = maps[:, 1:7][:, 2:3]
        grouped = self.grouped(functional.pad(maps[:, 4:], (1, 0, 0, 1)))
        result: torch.Tensor = self.last(torch.cat([limited, normed, again, grouped], dim=1))
        return result


def test_a_choice_may_become_more_than_a_copy() -> None:
    network = import_module(Reused().eval(), batch()[:1])
    with torch.no_grad():
        assert torch.allclose(network.run(batch()), Reused().eval()(batch()), atol=1e-5)
    last = layer_of(network, "last")
    assert "first" in last.inputs  # `again`, a choice of a choice


def test_training_reads_no_other_channels() -> None:
    network = import_module(Chosen(), batch()[:1])
    trainable = TrainableNetwork(network)
    optimizer = torch.optim.SGD(trainable.parameters(), 0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        trainable(batch()).square().sum().backward()
        optimizer.step()
    found = layer_of(trainable.network, "upper").weights
    assert (found[:, 4:] == 0).all()
    assert not torch.equal(found[:, :4], layer_of(network, "upper").weights[:, :4])
