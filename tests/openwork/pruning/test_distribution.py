"""How a density is shared out, and methods by name."""

from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from openwork.frontend import import_module
from openwork.models import digits
from openwork.pruning import (
    METHODS,
    PruningError,
    Recipe,
    erdos_renyi_kernel,
    n_of_m,
    prune_by,
    prune_channels,
    reestimate_norms,
)
from openwork.quantization import TrainableNetwork


@given(
    shapes=st.lists(st.tuples(*[st.integers(1, 40)] * 2, *[st.integers(1, 3)] * 2), min_size=1, max_size=6),
    density=st.floats(0.01, 1),
)
def test_erk_adds_up_and_no_layer_is_over_dense(shapes: list[tuple[int, ...]], density: float) -> None:
    named = {str(number): shape for number, shape in enumerate(shapes)}
    shares = erdos_renyi_kernel(named, density)
    assert all(0 < share <= 1 for share in shares.values())
    total = sum(prod(shape) for shape in shapes)
    assert sum(shares[name] * prod(shape) for name, shape in named.items()) == pytest.approx(density * total)
    ratios = {shares[name] * prod(shape) / sum(shape) for name, shape in named.items() if shares[name] < 1}
    assert len(ratios) < 2 or max(ratios) == pytest.approx(min(ratios))


@given(values=st.lists(st.integers(-4, 4), min_size=12, max_size=12), n=st.integers(1, 4))
def test_n_of_m_keeps_the_largest_of_each_part(values: list[int], n: int) -> None:
    weights = torch.tensor(values, dtype=torch.float32).reshape(2, 6)
    mask = n_of_m(weights, n, 4)
    for row in range(2):
        for part in (slice(0, 4), slice(4, 6)):
            kept, there = mask[row, part], weights[row, part].abs()
            assert int(kept.sum()) == min(n, len(there))
            assert not (~kept).any() or there[kept].min() >= there[~kept].max()


def test_n_of_m_refuses_what_cannot_be() -> None:
    for n, m in ((0, 4), (5, 4)):
        with pytest.raises(PruningError, match=f"n of m needs 1 <= n <= m, not {n} of {m}"):
            n_of_m(torch.ones(2, 4), n, m)


def test_channels_go_from_every_layer_that_they_pass() -> None:
    data = digits.load()
    model = TrainableNetwork(import_module(digits.build(), data.train_images[:1]))
    smaller = prune_channels(model, 0.3, data.train_images[:1], model.learned)
    assert smaller.model(data.test_images[:3]).shape == (3, 10)
    before = sum(model.get_parameter(f"{name}.weight").numel() for name in model.learned)
    assert sum(mask.numel() for mask in smaller.masks.values()) <= 0.3 * before
    stem, depthwise = (smaller.model.get_parameter(f"{name}.conv.weight") for name in ("stem", "depthwise"))
    assert len(stem) == len(depthwise) < 16
    with pytest.raises(PruningError, match=r"whole channels can go down to 0.0\d* of the weights, not to 0.0001"):
        prune_channels(model, 0.0001, data.train_images[:1], model.learned)


def test_norms_are_measured_again() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    inputs = torch.randn(150, 3)
    reestimate_norms(model, inputs)
    outputs = model[0](inputs).detach()
    mean, variance = model[1].running_mean, model[1].running_var
    assert isinstance(mean, torch.Tensor) and isinstance(variance, torch.Tensor)
    assert torch.allclose(mean, outputs.mean(dim=0), atol=1e-5)
    parts = torch.stack([part.var(dim=0) for part in outputs.split(50)])
    assert torch.allclose(variance, parts.mean(dim=0), atol=1e-5)
    assert not model.training and model[1].momentum == 0.1


def test_methods_by_name_refuse_what_they_lack() -> None:
    model, inputs = nn.Sequential(nn.Linear(4, 4)), torch.rand(20, 4)
    with pytest.raises(
        PruningError, match="there is no method magic: there are magnitude, obc, n-of-m, channels, gradual"
    ):
        prune_by("magic", model, 0.5, inputs)
    for method in METHODS:
        if METHODS[method].trains:
            with pytest.raises(
                PruningError, match=f"the method {method} prunes while it trains: say for how many epochs"
            ):
                prune_by(method, model, 0.5, inputs)
        if method != "obc":
            with pytest.raises(
                PruningError, match=f"a density for each layer goes with the method obc, not with {method}"
            ):
                prune_by(method, model, {"0": 0.5}, inputs, recipe=Recipe(1, 0.1, batch=4))
