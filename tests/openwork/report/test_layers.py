"""The figures of each step: worked out by hand, or adding up to what the image says of the whole."""

import numpy as np
import pytest
from tests.openwork.report.networks import NAMES, flattening_network, small_image, small_network

from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.network import LayerStep
from openwork.report.layers import LayerRow, layer_rows
from openwork_hw.arch.commands import RunCommand
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.encodings import decode
from openwork_hw.arch.nonzeros import Encoding

CONFIGS = [PRESETS["demo"], ArrayConfig(6, 4, replicas=3), ArrayConfig(2, 3, replicas=2, tap_entries=64)]


def by_step(image: Image) -> dict[str, LayerRow]:
    return {row.step: row for row in layer_rows(image)}


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("encoding", Encoding)
def test_rows_add_up_to_the_image(config: ArrayConfig, encoding: Encoding) -> None:
    image = compile_network(small_network(), config, encoding)
    rows = layer_rows(image)
    assert [row.step for row in rows] == [step.output for step in image.network.steps]
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row.cycles for row in rows) == image.compute_cycles
    assert sum(row.macs for row in rows) == image.macs
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.bound_cycles for row in rows) / image.compute_cycles == pytest.approx(image.utilization)
    assert sum(row.nonzeros for row in rows) == sum(layer.nonzeros for layer in image.network.layers)
    for row in rows:
        assert row.row_groups * row.streams == config.pes
        assert sum(row.holds) == np.prod(image.place(row.step).block)
        assert row.bound_cycles <= row.cycles
    # A pool's products are taken at every pixel of a block, in one pass.
    assert by_step(image)["average"].holds == (1,)


def test_density_is_of_the_models_own_weights() -> None:
    image = small_image()
    rows = by_step(image)
    total = next(step for step in image.network.steps if step.output == "sum")
    assert isinstance(total, LayerStep)
    own = total.layer.weights[:, :6]
    assert rows["first"].density == 1
    assert (rows["sum"].own_weights, rows["sum"].own_nonzeros) == (own.size, int(np.count_nonzero(own)))
    assert rows["sum"].nonzeros == rows["sum"].own_nonzeros + 6
    assert rows["sum"].weights == 2 * own.size
    assert rows["average"].density is None
    assert rows["average"].nonzeros == 6 * 16
    assert (rows["pool"].density, rows["pool"].nonzero_bits, rows["pool"].utilization) == (None, None, 0)
    assert rows["pool"].kind == "max 2 x 2, stride 2"


@pytest.mark.parametrize("encoding", Encoding)
def test_bits_are_those_of_the_streams(encoding: Encoding) -> None:
    """What the streams hold, decoded, are the step's nonzeros and no others, and the words are all of theirs."""
    image = compile_network(small_network(), PRESETS["demo"], encoding)
    row = by_step(image)["sum"]
    for plan, instruction in zip(image.commands, disassemble(image.words, image.config), strict=True):
        if plan.tensor == "sum" and isinstance(instruction.command, RunCommand):
            values = [
                decode(encoding, feeder.words, instruction.command.layout, [one.row for one in feeder.records]).values
                for feeder in instruction.feeders
            ]
            assert sum(np.count_nonzero(one) for one in values) == row.nonzeros
            assert row.nonzero_bits == 32 * sum(len(one.words) for one in instruction.feeders) / row.nonzeros
            assert row.bound_bits is not None and row.nonzero_bits > row.bound_bits
    assert by_step(image)["first"].bound_bits == 8


def test_a_map_that_becomes_a_vector_costs_moves_and_memory() -> None:
    image = compile_network(flattening_network(), PRESETS["demo"], Encoding.PACKED)
    row = by_step(image)["last"]
    moves = sum(one.predicted_cycles for one in image.commands if one.kind == "MOVE")
    runs = sum(one.predicted_cycles for one in image.commands if one.kind == "RUN" and one.tensor == "last")
    assert moves > 0 and row.cycles == moves + runs
    assert row.memory_words == image.place("first").words + 4 * 8 * 8 + image.place("last").words


def test_every_name_of_the_network_has_a_row() -> None:
    assert tuple(by_step(small_image())) == NAMES[1:]
