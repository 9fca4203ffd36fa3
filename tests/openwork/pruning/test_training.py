"""Pruning in a training loop that is not ours."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from openwork.pruning import Pruner, PruningError, gradual, magnitude, proximal, rewound, rigl
from openwork.pruning.training import exchanged

MAKERS: dict[str, Callable[[nn.Module], Pruner]] = {
    "gradual": lambda model: gradual(model, 0.2, steps=20, begin=3, every=4),
    "gradual, global": lambda model: gradual(model, 0.2, steps=20, every=1, scope="global"),
    "gradual, erk": lambda model: gradual(model, 0.2, steps=20, every=7, scope="erk"),
    "proximal": lambda model: proximal(model, 0.2, steps=20, shrink=1e-3),
    "rigl": lambda model: rigl(model, 0.2, steps=20, every=3),
}


def a_model() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5))


class Loop:
    """Somebody's training: a model, an optimizer with momentum, the same data each time."""

    def __init__(self, name: str) -> None:
        self.model = a_model()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.pruner = MAKERS[name](self.model)
        generator = torch.Generator().manual_seed(5)
        self.inputs = torch.randn(30, 8, 1, 4, 4, generator=generator)
        self.labels = torch.randint(0, 5, (30, 8), generator=generator)

    def run(self, first: int, last: int) -> None:
        for step in range(first, last):
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(self.inputs[step]), self.labels[step])
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
            self.optimizer.step()
            self.pruner.step()

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "pruner": self.pruner.state_dict(),
        }


@pytest.mark.parametrize("name", MAKERS)
def test_the_density_is_exact_and_pruned_weights_are_zero(name: str) -> None:
    loop = Loop(name)
    loop.run(0, 25)
    pruned = loop.pruner.finish()
    counts = [54, 480]
    if name in ("gradual, global", "proximal"):
        assert sum(int(mask.sum()) for mask in pruned.masks.values()) == round(0.2 * sum(counts))
    elif name == "gradual":
        assert [int(mask.sum()) for mask in pruned.masks.values()] == [round(0.2 * count) for count in counts]
    else:  # small layers denser, all together as asked
        assert abs(pruned.density - 0.2) < 0.002 and pruned.masks["0"].float().mean() > pruned.masks["3"].float().mean()
    for key, mask in pruned.masks.items():
        weights = pruned.model.get_parameter(f"{key}.weight")
        assert not weights[~mask].any() and weights[mask].all()


@pytest.mark.parametrize("name", MAKERS)
def test_interrupted_and_resumed_it_ends_with_the_same_weights(name: str) -> None:
    whole, first, second = Loop(name), Loop(name), Loop(name)
    whole.run(0, 25)
    first.run(0, 11)
    state = first.state()
    second.model.load_state_dict(state["model"])
    second.optimizer.load_state_dict(state["optimizer"])
    second.pruner.load_state_dict(state["pruner"])
    second.run(11, 25)
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_gradual_follows_the_cubic_curve() -> None:
    pruner = gradual(nn.Linear(40, 25), 0.1, steps=10, begin=2, every=2)
    densities = []
    for _ in range(12):
        pruner.step()
        densities.append(float(pruner.masks[""].float().mean()))
    expected = [0.1 + 0.9 * (1 - max(0, min(step, 10) - 2) / 8) ** 3 for step in (0, 2, 4, 6, 8, 10)]
    assert densities[1::2] == pytest.approx([*expected[1:], 0.1], abs=0.001)
    assert densities[2] == densities[1]  # nothing between two updates


def test_proximal_shrinks_towards_zero_and_not_past_it() -> None:
    model = nn.Linear(4, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.5, -0.5, 0.25, -0.0625]]))
    pruner = proximal(model, 0.5, steps=2, shrink=0.125)
    pruner.step()
    assert model.weight.tolist() == [[0.375, -0.375, 0.125, 0.0]]
    pruner.step()
    pruner.step()  # the masks are chosen: nothing shrinks any more
    assert pruner.finish().model.get_parameter("weight").tolist() == [[0.25, -0.25, 0.0, 0.0]]


def test_rigl_exchanges_the_smallest_for_the_steepest() -> None:
    weights = torch.tensor([[4.0, -3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    gradient = torch.tensor([[0.0, 0.0, 9.0, 9.0, 1.0, -3.0, 2.0, 0.0]])
    mask = weights != 0
    assert exchanged(weights, gradient, mask, 0.25).tolist() == [[True, True, True, True] + [False] * 4]  # grows back
    gradient[0, 3] = 0.5
    assert exchanged(weights, gradient, mask, 0.25).tolist() == [[True, True, True, False, False, True, False, False]]
    loop = Loop("rigl")
    before = {name: mask.clone() for name, mask in loop.pruner.masks.items()}
    loop.run(0, 20)
    assert any(bool((before[name] != mask).any()) for name, mask in loop.pruner.masks.items())
    assert all(int(before[name].sum()) == int(mask.sum()) for name, mask in loop.pruner.masks.items())


def test_the_rate_goes_back() -> None:
    again = rewound(lambda step: float(100 - step), steps=100, back=30)
    assert [again(step) for step in (0, 29, 30)] == [30.0, 1.0, 30.0]
    with pytest.raises(PruningError, match="can go back 1 to 100 steps, not 101"):
        rewound(lambda step: 1.0, steps=100, back=101)


def test_a_mask_is_never_lost_silently() -> None:
    loop = Loop("gradual")
    loop.run(0, 20)
    with torch.no_grad():
        loop.model.get_parameter("3.weight").add_(1e-6)
    with pytest.raises(PruningError, match="module '3': 384 of its pruned weights are not 0 any more"):
        loop.pruner.finish()
    loop.pruner.step()
    pruned = loop.pruner.finish()
    with torch.no_grad():
        pruned.model.get_parameter("0.weight").add_(1e-6)
    with pytest.raises(PruningError, match="module '0': 43 of its pruned weights are not 0 any more"):
        pruned.export(loop.inputs[0])


def test_refusals_are_sentences() -> None:
    for density in (0.0, -1.0, 1.5, float("nan")):
        for maker in (gradual, rigl):
            with pytest.raises(PruningError, match="density must be over 0 and at most 1"):
                maker(a_model(), density, 10)
    with pytest.raises(PruningError, match="steps must be 1 or more, not 0"):
        gradual(a_model(), 0.5, 0)
    with pytest.raises(PruningError, match="begin must be 0 or more and less than steps"):
        gradual(a_model(), 0.5, 10, begin=10)
    with pytest.raises(PruningError, match="shrink must be 0 or more, not nan"):
        proximal(a_model(), 0.5, 10, float("nan"))
    with pytest.raises(PruningError, match="fraction must be from 0 to 1"):
        rigl(a_model(), 0.5, 10, fraction=2)
    with pytest.raises(PruningError, match=r"modules \['nowhere'\] cannot be pruned; those that can are \['0', '3'\]"):
        gradual(a_model(), 0.5, 10, names=["nowhere"])
    with pytest.raises(PruningError, match="7 of 10 steps are missing"):
        pruner = gradual(a_model(), 0.5, 10)
        for _ in range(3):
            pruner.step()
        pruner.finish()


def test_frozen_and_tied_weights_are_refused_by_name() -> None:
    frozen = a_model()
    frozen.get_parameter("3.weight").requires_grad_(False)
    with pytest.raises(PruningError, match="module '3': its weights are frozen"):
        gradual(frozen, 0.5, 10)
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    with pytest.raises(
        PruningError, match=r"module '0': its weights are those of 1.weight, too, and tied weights cannot"
    ):
        gradual(tied, 0.5, 10)


def test_what_is_not_finite_is_refused_by_name() -> None:
    loop = Loop("rigl")
    loop.run(0, 2)
    loop.inputs[2] = float("nan")
    with pytest.raises(PruningError, match="module '0': its gradient is NaN or infinite"):
        loop.run(2, 3)
    loop = Loop("gradual")
    loop.inputs[6] = float("nan")
    with pytest.raises(PruningError, match="module '0': 54 of the weights are NaN or infinite"):
        loop.run(0, 7)
    loop = Loop("rigl")
    loop.pruner.done = 2
    with pytest.raises(PruningError, match="module '0' has no gradient"):
        loop.pruner.step()


def test_a_state_of_another_pruner_is_refused() -> None:
    state = gradual(a_model(), 0.5, 10).state_dict()
    with pytest.raises(PruningError, match=r"the checkpoint was made with .*0\.5.*, and this is .*0\.4"):
        gradual(a_model(), 0.4, 10).load_state_dict(state)
    with pytest.raises(PruningError, match=r"masks of \['0', '3'\], and the model is pruned in \['3'\]"):
        gradual(a_model(), 0.5, 10, names=["3"]).load_state_dict(state)


def test_magnitude_is_what_gradual_ends_with() -> None:
    model = a_model()
    expected = magnitude(model.get_parameter("3.weight"), 0.3)
    pruner = gradual(model, 0.3, steps=1)
    pruner.step()
    assert torch.equal(pruner.finish().masks["3"], expected)
