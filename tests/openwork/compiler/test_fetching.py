"""Images for a scratchpad: passes small enough to be fetched in turn, and the cycles that this takes."""

from dataclasses import replace

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier, flat, layer, network
from tests.system.networks import through_tables

from openwork.compiler.errors import CompileError
from openwork.compiler.fetching import fetching, word_cycles
from openwork.compiler.network import SCRATCHPAD_PASSES, compile_network
from openwork.files import decode_image, encode_image
from openwork.golden import run_network
from openwork.image import Image
from openwork.network import IntegerNetwork, LayerStep
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.external_image import check_external_words, external_words, read_external_words
from openwork_hw.arch.image import COMMAND_WORDS, FEEDER_WORDS, TABLE_WORDS, ImageError
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.arch.transfers import Transfer, TransferKind

CONFIGS = [
    PRESETS["demo"],
    ArrayConfig(21, 7, group_sizes=(1, 7, 21), replicas=3),
    ArrayConfig(6, 3, feature_words=4096, replicas=3, row_buffer_nonzeros=32, tap_entries=64),
    PRESETS["demo-tables"],
]


def vectors() -> IntegerNetwork:
    """Layers of which every weight is used once, so that fetching takes longer than computing."""
    return network(
        (60, 1, 1),
        LayerStep(("input",), "a", layer("a", (60, 1, 1), 90, (1, 1))),
        LayerStep(("a",), "b", layer("b", (90, 1, 1), 50, (1, 1))),
    )


def pass_words(image: Image) -> list[int]:
    """Words that each RUN uses: different arrays, its command and its tap table."""
    result = []
    for instruction in image.instructions:
        if instruction.feeders:
            arrays = {array.tobytes() for one in instruction.feeders for array in (one.words, one.record_words)}
            program = COMMAND_WORDS + FEEDER_WORDS * len(image.config.feeders) + len(instruction.taps)
            result.append(sum(map(len, arrays)) // 4 + program)
    return result


@pytest.mark.parametrize(
    ("build", "config", "encoding"),
    [
        (classifier, CONFIGS[0], Encoding.PACKED),
        (classifier, CONFIGS[2], Encoding.CSR),
        (flat, CONFIGS[2], Encoding.PACKED),
        (vectors, CONFIGS[0], Encoding.CSR),
        pytest.param(vectors, CONFIGS[1], Encoding.PACKED, marks=pytest.mark.slow),
        (through_tables, CONFIGS[3], Encoding.PACKED),
    ],
)
def test_an_image_larger_than_the_scratchpad_is_cut_into_small_passes(
    build: object, config: ArrayConfig, encoding: Encoding
) -> None:
    assert callable(build)
    model = build()
    plain = compile_network(model, config, encoding)
    tables = COMMAND_WORDS + TABLE_WORDS if config.activation_tables else 0
    least = SCRATCHPAD_PASSES * (COMMAND_WORDS + FEEDER_WORDS * len(config.feeders) + 160 + tables)
    inputs = np.random.default_rng(1).integers(-128, 128, (1, *model.input.shape)).astype(np.int8)
    expected = run_network(model, inputs)[0]
    sizes = sorted(size for size in {least, (least + len(plain.words)) // 2, len(plain.words) - 1} if size >= least)
    for size in sizes:
        image = compile_network(model, config, encoding, scratchpad_words=size)
        assert image.scratchpad_words == (size if size < len(plain.words) else 0)
        if image.scratchpad_words:
            assert max(pass_words(image)) <= size // SCRATCHPAD_PASSES
        external = external_words(image.words, config, size)
        read = read_external_words(external, config, size)
        assert [one.command for one in read] == [one.command for one in image.instructions]
        assert (image.outputs(run_image(image, inputs[0])) == expected).all()
        assert decode_image(encode_image(image)).scratchpad_words == image.scratchpad_words


def test_an_image_that_fits_the_scratchpad_is_the_same_image() -> None:
    for build in (classifier, flat):
        plain = compile_network(build(), PRESETS["demo"])
        for size in (len(plain.words), 1 << 16):
            assert encode_image(compile_network(build(), PRESETS["demo"], scratchpad_words=size)) == encode_image(plain)
        assert b"scratchpad_words" not in encode_image(plain)


def test_the_next_pass_is_fetched_while_a_pass_runs() -> None:
    """No transfer waits for the command before the one that it is for."""
    image = compile_network(vectors(), PRESETS["demo"], scratchpad_words=1200)
    assert len(pass_words(image)) > 4
    transfers = check_external_words(external_words(image.words, image.config, 1200), image.config, 1200)
    number = 0
    for transfer in transfers[:-1]:
        assert transfer.after <= max(number - 1, 0)
        if transfer.kind is TransferKind.PROGRAM:
            number += commands_in(transfer, image, number)
    assert number == len(image.commands)


def commands_in(transfer: Transfer, image: Image, first: int) -> int:
    """How many commands a PROGRAM transfer holds, of which the first has this number."""
    left, number = len(transfer.words), first
    while left > COMMAND_WORDS - 1 and number < len(image.commands):
        entries = image.commands[number].table_entries
        left -= COMMAND_WORDS + (FEEDER_WORDS * len(image.config.feeders) + entries if entries else 0)
        number += 1
    return number - first


def test_a_row_that_is_too_long_is_refused() -> None:
    with pytest.raises(
        CompileError, match=r"layer 'a', row \d+: a pass over this row alone uses \d+ words of the image"
    ):
        compile_network(vectors(), PRESETS["demo"], Encoding.CSR, scratchpad_words=3 * 70)


def test_compare_compiles_a_watched_image_with_the_same_passes() -> None:
    image = compile_network(vectors(), PRESETS["demo"], scratchpad_words=1200)
    again = compile_network(
        image.network, image.config, image.encoding, watch=True, scratchpad_words=image.scratchpad_words
    )
    assert [one for one in again.commands if one.kind == "RUN"] == [one for one in image.commands if one.kind == "RUN"]


SDRAM = SdramConfig(SDRAM_CHIPS["AS4C32M16"], 100e6)


def test_a_run_takes_as_long_as_its_compute_or_as_its_transfers() -> None:
    image = compile_network(vectors(), PRESETS["demo"], scratchpad_words=1200)
    found = fetching(image, 1200, SDRAM)
    assert found.cycles >= max(image.predicted_cycles, found.fetched)
    assert found.cycles - found.waits == image.predicted_cycles
    # What comes on top: the first pass is fetched before it runs, and the last one runs when all has arrived.
    largest = max(one.predicted_cycles for one in image.commands)
    assert found.cycles <= max(image.predicted_cycles, found.fetched) + 400 * word_cycles(SDRAM) + 3 * largest


def test_a_wider_chip_gives_a_word_in_half_the_time() -> None:
    narrow, wide = (word_cycles(SdramConfig(SDRAM_CHIPS[name], 100e6)) for name in ("AS4C32M16", "M12L64322A"))
    assert 2.0 < narrow < 2.2
    assert narrow / 2 == pytest.approx(wide, rel=0.03)


def test_one_command_that_is_larger_than_the_scratchpad_is_refused() -> None:
    image = compile_network(vectors(), PRESETS["demo"])
    with pytest.raises(ImageError, match="compile the model for the board"):
        fetching(image, 600, SDRAM)
    with pytest.raises(ImageError, match="compile the model for the board"):
        fetching(replace(image, scratchpad_words=600), 600, SDRAM)
