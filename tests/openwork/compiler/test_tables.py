"""Activation tables in an image: brought once for the runs that follow each other, counted, and refused where there are none."""

from dataclasses import replace

import numpy as np
import pytest
from tests.system.networks import through_tables

from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network, planned_image
from openwork.golden import trace_network
from openwork.network import LayerStep
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.image import TABLE_WORDS, ImageError

CONFIG = PRESETS["demo-tables"]
NETWORK = through_tables()


def test_every_tensor_is_the_golden_models() -> None:
    image = compile_network(NETWORK, CONFIG, watch=True)
    inputs = np.random.default_rng(1).integers(-128, 128, (2, *NETWORK.input.shape)).astype(np.int8)
    expected = trace_network(NETWORK, inputs)
    for number, one in enumerate(inputs):
        for name, tensor in image.tensors(run_image(image, one)).items():
            assert (tensor == expected[name][number]).all(), name


def test_a_table_stays_until_another_one_is_needed() -> None:
    image = compile_network(NETWORK, CONFIG)
    brought = [command.tensor for command in image.commands if command.kind == "TABLE"]
    assert brought == ["stem", "again", "average", "hidden"]  # "depthwise" has the table of "stem"


def test_the_cycles_of_tables_are_counted() -> None:
    plan, image = planned_image(NETWORK, CONFIG)
    tables = [command.predicted_cycles for command in image.commands if command.kind == "TABLE"]
    assert tables == [1 + 256] * 4
    assert plan.predicted_cycles == image.compute_cycles
    whole = NETWORK.layers[-1].activation
    steps = tuple(
        replace(step, layer=replace(step.layer, activation=whole)) if isinstance(step, LayerStep) else step
        for step in NETWORK.steps
    )
    plain = replace(NETWORK, steps=steps)
    without = compile_network(plain, CONFIG)
    assert image.compute_cycles - without.compute_cycles == sum(tables)
    assert len(image.words) - len(without.words) == 4 * (8 + TABLE_WORDS)


def test_an_array_without_tables_refuses_them_by_name() -> None:
    with pytest.raises(CompileError) as caught:
        compile_network(NETWORK, PRESETS["demo"])
    said = str(caught.value)
    assert "layer 'stem' and 4 others go through an activation table" in said and "use the preset demo-tables" in said
    image = compile_network(NETWORK, CONFIG)
    with pytest.raises(ImageError, match="was compiled for another array"):
        replace(image, config=PRESETS["demo"]).instructions  # noqa: B018  # which reads the words
