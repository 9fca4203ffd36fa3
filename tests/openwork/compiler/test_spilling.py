"""Maps in an external memory: whatever the feature memory holds, the outputs are the golden model's."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.system.networks import Builder, photograph

from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network, planned_image
from openwork.compiler.spilled_plan import SpilledPlan
from openwork.files import FileError, decode_image, encode_image
from openwork.golden import run_network
from openwork.image import Image
from openwork.network import IntegerNetwork, MaxPool
from openwork.simulator.image import run_image, run_instructions
from openwork_dv.fuzzing.transfers import play, sealed_transfers
from openwork_hw.arch.commands import LoadCommand, Piece, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.external_image import HEADER_WORDS, check_external_words, external_words, read_external_words
from openwork_hw.arch.image import (
    COMMAND_WORDS,
    FEEDER_WORDS,
    CommandOp,
    ImageError,
    Instruction,
    assemble,
    decode_fields,
)
from openwork_hw.arch.transfers import MOST_PIECES, TransferKind

CONFIG = ArrayConfig(
    4,
    3,
    feature_words=1024,
    row_buffer_nonzeros=64,
    tap_entries=64,
    sum_bits=26,
    group_sizes=(2, 4),
    replicas=2,
    map_stations=True,
)
SCRATCHPAD = 4096


def tall() -> IntegerNetwork:
    """Residuals, a concatenation that is pooled, a depthwise layer, strides, and a pooled end."""
    net = Builder((3, 24, 17), zero_point=-9, seed=1)
    net.layer("stem", ("input",), 6, (3, 3), padding=(1, 1, 1, 1), low=-9)
    net.layer("half", ("stem",), 9, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2))
    net.layer("side", ("half",), 7, (1, 1))
    net.add(MaxPool(("half", "side"), "largest", (3, 3), (1, 1), (1, 1, 1, 1)))
    net.layer("depthwise", ("largest",), 16, (3, 3), padding=(1, 1, 1, 1), groups=16, density=0.9)
    net.layer("joined", ("depthwise", "largest"), 10, (1, 1))
    net.average("average", "joined")
    net.layer("scores", ("average",), 7, (1, 1))
    return net.network()


def pooled() -> IntegerNetwork:
    """Ends with a pooling."""
    net = Builder((3, 16, 12), zero_point=4, seed=2)
    net.layer("first", ("input",), 5, (3, 3), padding=(1, 1, 1, 1))
    net.layer("second", ("first",), 12, (3, 3), padding=(1, 1, 1, 1))
    net.average("average", "second")
    return net.network()


def compiled(network: IntegerNetwork, words: int) -> tuple[object, Image]:
    return planned_image(network, replace(CONFIG, feature_words=words), scratchpad_words=SCRATCHPAD)


def check(image: Image) -> None:
    """Against golden, in the image simulator, out of the file, and out of the external image."""
    inputs = np.random.default_rng(3).integers(-128, 128, (2, *image.network.input.shape)).astype(np.int8)
    expected = run_network(image.network, inputs)
    again = decode_image(encode_image(image))
    for one, output in zip(inputs, expected, strict=True):
        assert (again.outputs(run_image(again, one)) == output).all()
    external = external_words(image.words, image.config, SCRATCHPAD)
    read = read_external_words(external, image.config, SCRATCHPAD)
    assert [one.command for one in read] == [one.command for one in image.instructions]


@pytest.mark.parametrize("words", [64, 128, 256])
def test_any_feature_memory_gives_the_same_outputs(words: int) -> None:
    plan, image = compiled(tall(), words)
    assert isinstance(plan, SpilledPlan)
    assert image.map_bytes > 0
    assert max(group.rounds.peak for group in plan.head) <= words
    check(image)


@pytest.mark.parametrize("build", [photograph, pooled])
def test_other_networks(build: object) -> None:
    assert callable(build)
    plan, image = compiled(build(), 64)
    assert isinstance(plan, SpilledPlan)
    check(image)


def small_end() -> IntegerNetwork:
    """Ends in depthwise kernels of 5 x 5 over as many pixels as there are blocks, and a sum."""
    net = Builder((3, 16, 12), zero_point=-9, seed=1)
    net.layer("first", ("input",), 8, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2))
    net.layer("half", ("first",), 12, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2))
    net.layer("wide", ("half",), 12, (5, 5), padding=(2, 2, 2, 2), groups=12, density=0.8)
    net.layer("joined", ("wide", "half"), 12, (1, 1))
    net.average("average", "joined")
    return net.network()


def test_kernels_that_reach_two_neighbours() -> None:
    plan, image = compiled(small_end(), 64)
    assert isinstance(plan, SpilledPlan)
    assert any(one.output.step == "wide" for group in plan.head for one in group.rounds.steps)
    check(image)


def test_a_network_that_fits_compiles_as_always() -> None:
    _, image = compiled(photograph(), 1024)
    assert not image.map_bytes and not image.spilled
    assert (image.words == compile_network(photograph(), CONFIG).words).all()


def test_what_does_not_fit_even_so_is_refused_with_both_reasons() -> None:
    net = Builder((3, 24, 17), zero_point=-9, seed=1)
    net.layer("wide", ("input",), 60, (3, 3), padding=(1, 1, 1, 1))
    net.layer("narrow", ("wide",), 5, (1, 1))
    net.average("average", "narrow")
    with pytest.raises(
        CompileError, match=r"there are 64.*; with maps in the external memory: .*'wide'.* 87 feature words"
    ):
        compiled(net.network(), 64)
    with pytest.raises(CompileError, match="the network needs"):
        planned_image(tall(), replace(CONFIG, feature_words=64))


def changed(image: Image, number: int, **changes: object) -> tuple[Instruction, ...]:
    instructions = list(image.instructions)
    one = instructions[number]
    instructions[number] = replace(one, command=replace(one.command, **changes))  # type: ignore[arg-type]
    return tuple(instructions)


def test_a_program_that_loads_what_nobody_stored_is_refused() -> None:
    _, image = compiled(tall(), 128)
    number, load = next(
        (number, one.command)
        for number, one in enumerate(image.instructions)
        if isinstance(one.command, LoadCommand) and one.command.pieces
    )
    assert isinstance(load, LoadCommand)
    beyond = (Piece(image.map_bytes, load.pieces[0].bytes), *load.pieces[1:])
    with pytest.raises(
        ImageError, match=f"command {number} of the image loads from the external memory what nothing before"
    ):
        disassemble(assemble(changed(image, number, pieces=beyond), image.config), image.config)


@pytest.mark.parametrize(("words", "idle"), [pytest.param(64, 8, marks=pytest.mark.slow), (128, 4)])
def test_a_command_that_does_not_wait_for_maps_is_refused(words: int, idle: int) -> None:
    """A word is read before it comes then, or written while it leaves.

    Args:
        idle: commands that wait before they must, because it takes no time there, or for nothing else than pixels that no
            nonzero reads: a tap table must point at something.
    """
    _, image = compiled(tall(), words)
    inputs = image.load_bytes(np.zeros(image.network.input.shape, np.int8))
    waiting = [number for number, one in enumerate(image.instructions) if one.waits]
    assert len(waiting) > 40
    taken = 0
    for number in waiting:
        instructions = list(image.instructions)
        instructions[number] = replace(instructions[number], waits=False)
        try:
            run_instructions(instructions, image.config, image.encoding, inputs)
        except ImageError as error:
            assert re.search(r"reads what nothing before it writes|writes words of a map that is moved", str(error))
        else:
            taken += 1
    assert taken == idle


def test_an_array_without_map_stations_keeps_its_maps() -> None:
    with pytest.raises(CompileError, match="the network needs"):
        planned_image(tall(), replace(CONFIG, feature_words=64, map_stations=False), scratchpad_words=SCRATCHPAD)


@pytest.mark.parametrize("words", [pytest.param(64, marks=pytest.mark.slow), 128])
def test_transfers_that_wait_for_commands_that_wait_for_them_are_refused(words: int) -> None:
    """A MAPS transfer that comes only after a command that waits for its own pieces; a player of the two queues hangs, too."""
    _, image = compiled(tall(), words)
    external = external_words(image.words, image.config, SCRATCHPAD)
    transfers = check_external_words(external, image.config, SCRATCHPAD)
    commands = refused = 0
    for number, one in enumerate(transfers):
        if one.kind is TransferKind.PROGRAM:
            commands += sum(fields["op"] != CommandOp.END for fields in commands_in(one.words, image.config))
        if one.kind is not TransferKind.MAPS:
            continue
        later = [*transfers[:number], replace(one, after=commands), *transfers[number + 1 :]]
        content = sealed_transfers(external[:HEADER_WORDS], later)
        try:
            read_external_words(content, image.config, SCRATCHPAD)
        except ImageError as error:
            assert "which wait for pieces of later transfers" in str(error)
            refused += 1
            with pytest.raises(AssertionError, match="nothing goes on"):
                play(np.random.default_rng(1), later, image.instructions, image.config, SCRATCHPAD)
        else:
            play(np.random.default_rng(1), later, image.instructions, image.config, SCRATCHPAD)
    assert refused > 3


def commands_in(words: NDArray[np.uint32], config: ArrayConfig) -> Iterator[dict[str, int]]:
    """The commands of a PROGRAM transfer."""
    at = 0
    while at < len(words):
        fields = decode_fields(words[at : at + COMMAND_WORDS])
        at += COMMAND_WORDS
        if fields["op"] == CommandOp.RUN:
            at += FEEDER_WORDS * len(config.feeders) + fields["table_entries"]
        yield fields


def test_a_file_whose_places_contradict_is_refused() -> None:
    _, image = compiled(tall(), 128)
    with pytest.raises(FileError, match="are said to be in the external memory"):
        decode_image(encode_image(replace(image, spilled=("nothing",))))
    with pytest.raises(FileError):
        decode_image(encode_image(replace(image, spilled=())))


def test_pieces_follow_the_commands_that_they_are_for() -> None:
    _, image = compiled(tall(), 128)
    external = external_words(image.words, image.config, SCRATCHPAD)
    transfers = check_external_words(external, image.config, SCRATCHPAD)
    maps = [one for one in transfers if one.kind is TransferKind.MAPS]
    assert maps and all(len(one.words) <= 2 * MOST_PIECES for one in maps)
    moved = sum(
        piece.bytes
        for one in image.instructions
        if isinstance(one.command, LoadCommand | StoreCommand)
        for piece in one.command.pieces
    )
    assert sum(int(one.words[1::2].sum()) for one in maps) == moved
