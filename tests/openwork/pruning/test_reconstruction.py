"""Pruning without labels: least squares, layer by layer."""

import pytest
import torch
from torch import nn

from openwork.pruning import PruningError, layer_errors, prune_by, prune_model, reconstruct, row_importance, spend
from openwork.pruning.solver import Moments, columns_of, refit, rounded_rows, sparse_path, sparse_rows


def correlated(inputs: int, columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(inputs, columns, generator=generator) @ torch.randn(columns, columns, generator=generator)
    return (mixed + 1).double()


def moments(inputs: torch.Tensor) -> Moments:
    own = (inputs.T @ inputs / len(inputs))[None]
    return Moments(own, own)


def test_refit_solves_the_least_squares_of_each_row() -> None:
    inputs, generator = correlated(400, 12), torch.Generator().manual_seed(1)
    weights = torch.randn(1, 5, 12, generator=generator).double()
    mask = torch.rand(1, 5, 12, generator=generator) < 0.5
    found = refit(weights, moments(inputs), mask, weights * mask)
    for row in range(5):
        support = mask[0, row]
        exact = torch.linalg.lstsq(inputs[:, support], inputs @ weights[0, row]).solution
        assert torch.allclose(found[0, row, support], exact, atol=1e-4)
        assert not found[0, row, ~support].any()


def test_refit_makes_up_for_inputs_that_have_changed() -> None:
    before, generator = correlated(400, 8), torch.Generator().manual_seed(2)
    now = before + 0.3 * torch.randn(400, 8, generator=generator).double()
    weights = torch.randn(1, 3, 8, generator=generator).double()
    both = Moments((now.T @ now / 400)[None], (before.T @ now / 400)[None])
    found = refit(weights, both, torch.ones_like(weights, dtype=torch.bool), weights)
    assert torch.allclose(found[0].T, torch.linalg.lstsq(now, before @ weights[0].T).solution, atol=1e-4)


def test_sparse_rows_lose_less_than_the_largest_weights_do() -> None:
    inputs, generator = correlated(500, 40), torch.Generator().manual_seed(3)
    weights = torch.randn(1, 6, 40, generator=generator).double()
    always = torch.zeros(40, dtype=torch.bool)
    found, mask = sparse_rows(weights, moments(inputs), 60, always)
    assert int(mask.sum()) == 60 and not found[~mask].any()
    largest = weights.abs().flatten().argsort(descending=True)[:60]
    by_magnitude = torch.zeros(240).bool().index_fill(0, largest, True).reshape(1, 6, 40)
    fitted = refit(weights, moments(inputs), by_magnitude, weights * by_magnitude)

    def lost(rows: torch.Tensor) -> float:
        return float(((inputs @ (weights - rows)[0].T) ** 2).sum())

    assert lost(found) < lost(fitted) < lost(weights * by_magnitude)


def test_rounded_rows_lose_less_than_the_nearest_numbers() -> None:
    inputs, generator = correlated(500, 30), torch.Generator().manual_seed(4)
    weights = 3 * torch.randn(1, 8, 30, generator=generator).double()
    mask = torch.rand(1, 8, 30, generator=generator) < 0.6
    weights *= mask
    limits = torch.full((30,), 12.0)
    found = rounded_rows(weights, moments(inputs).own, mask, limits)
    assert torch.equal(found, found.round()) and found.abs().max() <= 12 and not found[~mask].any()

    def lost(rows: torch.Tensor) -> float:
        return float(((inputs @ (weights - rows)[0].T) ** 2).sum())

    tight = rounded_rows(weights, moments(inputs).own, mask, torch.full((30,), 4.0))
    assert tight.abs().max() == 4
    assert lost(found) < 0.65 * lost(weights.round().clamp(-12, 12))


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "groups"),
    [((3, 3), (1, 1), (1, 1), 1), ((2, 3), (2, 1), (1, 1), 2), ((3, 2), (1, 1), (2, 3), 4)],
)
def test_columns_times_rows_are_the_convolution(
    kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], groups: int
) -> None:
    generator = torch.Generator().manual_seed(5)
    maps = torch.randn(3, 4, 8, 7, generator=generator)
    weights = torch.randn(8, 4 // groups, *kernel, generator=generator)
    expected = nn.functional.conv2d(maps, weights, None, stride, 0, dilation, groups)
    columns = columns_of(maps, kernel, stride, dilation, groups, True, generator)
    assert bool((columns[..., -1] == 1).all())
    sums = columns[..., :-1] @ weights.reshape(groups, 8 // groups, -1).transpose(1, 2)
    pixels = expected.shape[2] * expected.shape[3]
    found = sums.reshape(groups, 3, pixels, -1).permute(1, 0, 3, 2).reshape(expected.shape)
    assert torch.allclose(found, expected, atol=1e-5)


def a_model() -> nn.Sequential:
    torch.manual_seed(6)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 12, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 16, 5),
    )


def test_a_reconstructed_model_is_nearer_to_the_dense_one_than_a_pruned_one() -> None:
    model, inputs = a_model(), torch.rand(100, 2, 8, 8, generator=torch.Generator().manual_seed(7))
    before = [parameter.clone() for parameter in model.parameters()]
    found = reconstruct(model, inputs, 0.4)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert [int(mask.sum()) for mask in found.masks.values()] == [round(0.4 * count) for count in (144, 72, 96, 960)]
    fresh = torch.rand(100, 2, 8, 8, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        wanted = model(fresh)
        lost = [float((one.model(fresh) - wanted).square().mean()) for one in (found, prune_model(model, 0.4))]
    assert lost[0] < 0.3 * lost[1]
    again = reconstruct(model, inputs, 0.4)
    assert all(
        torch.equal(one, two) for one, two in zip(found.model.parameters(), again.model.parameters(), strict=True)
    )


def test_a_layer_may_have_its_own_density() -> None:
    inputs = torch.rand(20, 2, 8, 8)
    found = reconstruct(a_model(), inputs, {"0": 0.5, "6": 0.1}, names=["0", "6"])
    assert {name: int(mask.sum()) for name, mask in found.masks.items()} == {"0": 72, "6": 96}


def test_errors_grow_as_densities_fall() -> None:
    model, inputs = a_model(), torch.rand(50, 2, 8, 8)
    before = [parameter.clone() for parameter in model.parameters()]
    errors = layer_errors(model, inputs, (1.0, 0.5, 0.1))
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert list(errors) == ["0", "2", "3", "6"]
    assert all(found[0] < 1e-6 < found[1] < found[2] <= 1 for found in errors.values())


def test_errors_are_those_of_the_outputs_on_inputs_that_were_not_fitted_to() -> None:
    """Of the last layer, worked out in the open."""
    model, inputs = a_model(), torch.rand(50, 2, 8, 8, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        features = model[:6](inputs)
        columns = torch.cat([features, torch.ones(50, 1)], dim=1)
        last = {name: model.get_parameter(f"6.{name}") for name in ("weight", "bias")}
        rows = torch.cat([last["weight"], last["bias"][:, None]], dim=1)[None]
        own = columns[:40].T @ columns[:40] / 40
        always = torch.arange(193) == 192
        (found, _), *_ = sparse_path(rows, Moments(own[None], own[None]), [480], always)
        lost = ((columns[40:] @ (found - rows)[0].T).square().sum() / model(inputs[40:]).square().sum()).item()
        assert layer_errors(model, inputs, (0.5,), ["6"])["6"] == [pytest.approx(lost, rel=1e-3)]


def test_rows_count_what_the_outputs_make_of_them() -> None:
    """Of a linear model the slopes are its weights: the mean square over random directions is known."""
    model = nn.Sequential(nn.Conv2d(2, 4, 1, groups=2), nn.Flatten(), nn.Linear(4 * 9, 6))
    inputs = torch.rand(200, 2, 3, 3, generator=torch.Generator().manual_seed(1))
    found = row_importance(model, inputs)
    assert found["0"].shape == (2, 2, 1) and found["2"].shape == (1, 6, 1)
    weights = model.get_parameter("2.weight").detach().reshape(6, 4, 9)
    exact = weights.square().sum(dim=(0, 2))
    assert torch.allclose(found["0"].flatten(), exact / exact.mean(), rtol=0.3)
    assert torch.allclose(found["2"], torch.ones(1, 6, 1), atol=0.4)
    weights[:, 3] = 0
    assert row_importance(model, inputs)["0"].flatten()[3] == pytest.approx(0.01)


def test_rows_that_count_more_keep_more_weights() -> None:
    inputs, weights = correlated(500, 20), torch.randn(1, 2, 20, generator=torch.Generator().manual_seed(5)).double()
    always = torch.zeros(20, dtype=torch.bool)
    _, even = sparse_rows(weights, moments(inputs), 20, always)
    _, uneven = sparse_rows(weights, moments(inputs), 20, always, torch.tensor([[[1.0], [30.0]]]))
    assert int(uneven.sum()) == 20 and int(uneven[0, 1].sum()) > int(even[0, 1].sum())


def test_a_density_is_shared_out_by_what_layers_lose() -> None:
    model, inputs = a_model(), torch.rand(100, 2, 8, 8, generator=torch.Generator().manual_seed(7))
    found = prune_by("obc", model, 0.4, inputs, scope="global")
    densities = {name: float(mask.float().mean()) for name, mask in found.masks.items()}
    assert 0.38 < found.density <= 0.4 and max(densities.values()) > 0.5 > min(densities.values())
    fresh = torch.rand(100, 2, 8, 8, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        wanted = model(fresh)
        lost = [
            float((one.model(fresh) - wanted).square().mean()) for one in (found, prune_by("obc", model, 0.4, inputs))
        ]
    assert lost[0] < lost[1]
    small = {
        name: float(mask.float().mean())
        for name, mask in prune_by("obc", model, 0.4, inputs, scope="erk").masks.items()
    }
    assert small["3"] > small["2"] > small["6"]
    with pytest.raises(PruningError, match="density must be over 0 and at most 1, not"):
        prune_by("obc", model, 1.5, inputs, scope="global")


def test_refusals_are_sentences() -> None:
    inputs = torch.rand(4, 2, 8, 8)
    with pytest.raises(PruningError, match=r"density of '3' must be over 0 and at most 1, not 0\.0"):
        reconstruct(a_model(), inputs, {"3": 0.0}, names=["3"])
    with pytest.raises(PruningError, match=r"densities are given for \['0'\], and modules are \['0', '2', '3', '6'\]"):
        reconstruct(a_model(), inputs, {"0": 0.5})
    with pytest.raises(PruningError, match="the inputs are none, or hold NaN"):
        reconstruct(a_model(), inputs / 0, 0.5)
    with pytest.raises(PruningError, match="module '0' is a Conv1d, and only Linear"):
        reconstruct(nn.Sequential(nn.Conv1d(2, 3, 3)), torch.rand(3, 2, 9), 0.5)
    with pytest.raises(PruningError, match=r"modules \['1.unused'\] never run"):
        reconstruct(nn.Sequential(nn.Linear(4, 4), _Idle()), torch.rand(3, 4), 0.5)


class _Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(4, 4)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs


def test_a_budget_is_spent_where_it_saves_most() -> None:
    errors = {"a": [0.0, 0.1, 0.5], "b": [0.0, 0.3, 0.9], "c": [0.0, 0.01, 0.02]}
    costs = {name: [100.0, 50.0, 20.0] for name in errors}
    best = min(
        (sum(errors[name][level] for name, level in zip(errors, levels, strict=True)), levels)
        for levels in ((a, b, c) for a in range(3) for b in range(3) for c in range(3))
        if sum(costs[name][level] for name, level in zip(errors, levels, strict=True)) <= 170
    )
    assert tuple(spend(errors, costs, 170).values()) == best[1]
    with pytest.raises(PruningError, match="the budget is 59, and the least that is possible is 60"):
        spend(errors, costs, 59)
