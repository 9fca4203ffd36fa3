"""What every operation must keep, whichever it is; the tests go through the table of operations."""

from inspect import getfile, isabstract
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import convert, to_builtins
from numpy.typing import NDArray
from tests.openwork.networks import integer_networks

from openwork.files.graph import AnyStepEntry
from openwork.golden import trace_network
from openwork.network import IntegerNetwork
from openwork.operations import STEPS, Picking, Step


def concrete(kind: Any) -> set[type[Step]]:
    """All classes below an abstract one that are not abstract."""
    own: set[type[Step]] = set() if isabstract(kind) else {kind}
    return own.union(*map(concrete, kind.__subclasses__()))


def test_the_table_is_exhaustive() -> None:
    assert set(STEPS) == concrete(Step) and len(set(STEPS)) == len(STEPS)
    assert len({step.kind for step in STEPS}) == len(STEPS)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_an_operation_has_a_file_of_its_own(step: type[Step]) -> None:
    """Named as its kind; and the golden function stands in it, not in a base class."""
    assert Path(getfile(step)).stem == step.kind
    assert {"run", "form", "entry", "output_shape"} <= vars(step).keys()
    assert step.Entry.__struct_config__.tag == step.kind


def read(network: IntegerNetwork, step: Step, made: dict[str, NDArray[np.int8]]) -> NDArray[np.int8]:
    return np.concatenate([made[name] for name in step.inputs], axis=1)


@given(network=integer_networks(), seed=st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_the_fast_function_and_the_golden_one_agree(network: IntegerNetwork, seed: int) -> None:
    inputs = np.random.default_rng(seed).integers(-128, 128, (2, *network.input.shape)).astype(np.int8)
    made = trace_network(network, inputs)
    for step in network.steps:
        operands = read(network, step, made)
        found = step.run_fast(torch.tensor(operands).float())
        assert np.array_equal(found.numpy(), made[step.output])
        assert step.output_shape(operands.shape[1:]) == made[step.output].shape[1:]
        if isinstance(step, Picking):
            reals = torch.tensor(operands).double() / 3
            assert torch.equal(step.run_real(reals), torch.tensor(made[step.output]).double() / 3)
            assert torch.equal(step.run_traceable([reals], None, never_negative=False), step.run_real(reals))
            assert torch.equal(step.run_traceable([reals.abs()], None, never_negative=True), step.run_real(reals.abs()))


@given(network=integer_networks())
@settings(max_examples=60, deadline=None)
def test_an_entry_is_its_step_again(network: IntegerNetwork) -> None:
    tensors = {tensor.name: tensor for tensor in network.tensors}
    for step in network.steps:
        entry = convert(to_builtins(step.entry()), AnyStepEntry)
        assert entry == step.entry() and type(entry) is step.Entry
        arrays = step.arrays()
        assert entry.stored(arrays.keys()) == arrays.keys()
        again = entry.step(tensors, arrays)
        assert type(again) is type(step) and again.entry() == entry
        for name, array in again.arrays().items():
            assert np.array_equal(array, arrays[name])


@given(network=integer_networks())
@settings(max_examples=60, deadline=None)
def test_limits_and_figures_are_of_the_step(network: IntegerNetwork) -> None:
    for step in network.steps:
        source, result = network.concatenated_shape(step.inputs), network.tensor(step.output).shape
        assert step.operands(source, result) >= np.prod(source)
        assert 0 <= step.macs <= step.products(source, result)
        assert step.description and len(step.figures) == 3
        assert step.entry().unpacked_bytes == sum(layer.weights.size for layer in step.layers)
