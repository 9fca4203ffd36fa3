"""Steps of a float network: what one says of itself is what it computes."""

from dataclasses import replace
from math import inf

import pytest
import torch

from openwork.frontend import FloatAdd, FloatJoin, FloatLayer
from openwork.frontend.float_steps import Computing, concatenated
from openwork.frontend.limits import Limits

SHAPES = {name: (4, 5, 6) for name in ("a", "b", "layer", "made")}


def layer(limits: Limits, **options: int) -> FloatLayer:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(4, 4 // options.get("groups", 1), 3, 3, generator=generator, dtype=torch.float64)
    return FloatLayer(
        ("a",),
        "made",
        weights,
        weights[:, 0, 0, 0],
        (1, 1),
        (1, 1, 1, 1),
        limits=limits,
        groups=options.get("groups", 1),
    )


def steps(limits: Limits) -> list[FloatLayer | FloatAdd | FloatJoin]:
    own = replace(layer(Limits()), output="layer")
    return [
        layer(limits),
        layer(limits, groups=2),
        *(FloatAdd(("a", "b"), "made", 1, signs, limits) for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1))),
        FloatJoin(("a", "b"), "made", own, 1, -1, (1, 1), limits),
    ]


@pytest.mark.parametrize("limits", [Limits(), Limits(0.0), Limits(-0.5, 1.0)], ids=str)
def test_a_step_computes_the_same_in_every_way(limits: Limits) -> None:
    maps = torch.randn(2, 2, 4, 5, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for step in steps(limits):
        parts = list(maps[: len(step.inputs)])
        expected = step.run_real(concatenated(parts))
        assert expected.min() >= limits.low and expected.max() <= limits.high
        traceable = step.run_traceable(parts, lambda one, values: one.sums(values), never_negative=False)
        assert torch.allclose(traceable, expected)
        assert torch.allclose(step.as_layer(SHAPES).run_real(concatenated(parts)), expected)
        narrower = step.limited(Limits(high=0.25))
        assert torch.equal(narrower.run_real(concatenated(parts)), expected.clamp(max=0.25))
        assert step.lowest([-inf, -inf]) == limits.low
        assert {name for group in step.sharing() for name in group} == set(step.inputs)
        assert step.description


def test_scales_leave_every_shift_at_zero_or_more() -> None:
    scales = {"a": 0.5, "b": 0.75}
    for step in steps(Limits()):
        least = step.least_scale(scales.__getitem__)
        weights = [float(one.weights.abs().max()) * scales["a"] for one in step.weighted]
        added = [scales[name] for name in step.inputs] if len(step.inputs) > 1 else []
        assert 127 * least >= max(weights + added) * (1 - 1e-9)
        exact = step.exact_scale(least, scales.__getitem__)
        assert exact is None or exact >= least


def test_a_copy_knows_the_size_of_its_weights() -> None:
    copy = FloatLayer(("a",), "made", torch.full((4, 1, 1, 1), 0.25), torch.zeros(4), groups=4)
    assert copy.uniform_size == 0.25 and copy.exact_scale(1e-3, lambda _: 1.0) is not None
    assert layer(Limits()).uniform_size is None and layer(Limits()).exact_scale(1e-3, lambda _: 1.0) is None
    assert all(one.uniform_size is None for one in steps(Limits()) if isinstance(one, FloatAdd))


def test_new_weights_go_where_the_old_ones_were() -> None:
    for step in steps(Limits()):
        found = step.renewed(lambda one: (2 * one.layer.weights, 3 * one.layer.bias))
        assert isinstance(found, Computing)
        for new, old in zip(found.weighted, step.weighted, strict=True):
            assert torch.equal(new.weights, 2 * old.weights) and torch.equal(new.bias, 3 * old.bias)
