"""The verifier: each rule of a program has its sentence, and a program that keeps all of them is taken."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from openwork_hw.arch import encodings
from openwork_hw.arch.commands import (
    CommandError,
    LoadCommand,
    MoveCommand,
    RunCommand,
    StoreCommand,
    TableCommand,
    TapEntry,
)
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.image import (
    COMMAND_FIELDS,
    COMMAND_WORDS,
    FEEDER_WORDS,
    HEADER_WORDS,
    FeederInput,
    ImageError,
    Instruction,
    assemble,
    decode_fields,
    encode_fields,
)
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, RowRecord, SparseRows

CONFIG = ArrayConfig(2, 2, feature_words=64, row_buffer_nonzeros=16, tap_entries=16, sum_bits=20, replicas=2)
LAYOUT = ColumnLayout(taps=2, channels=3)
RUN = RunCommand(2, LAYOUT, hold=2, output_base=32, output_stride=4, pad=0, low=-128, high=127)
TAPS = tuple(TapEntry(3 * number, 0, 0) for number in range(4))
RECORDS = tuple(RowRecord(row, offset=10 * row, shift=3, write=True, last=row == 1) for row in range(2))


def stream() -> NDArray[np.uint32]:
    rows = SparseRows(np.arange(2), np.array([2, 1]), np.array([0, 5, 4]), np.array([3, -4, 5], np.int8))
    return encodings.encode(Encoding.CSR, rows, LAYOUT)


def program(run: RunCommand = RUN, taps: tuple[TapEntry, ...] = TAPS, records: tuple[RowRecord, ...] = RECORDS) -> Any:
    """LOADs of both groups, a pass, a STORE; words of the image."""
    feeders = tuple(FeederInput(stream(), records) for _ in range(CONFIG.pes // run.row_groups))
    return assemble(
        [
            Instruction(LoadCommand(2, 0, 0, 12)),
            Instruction(LoadCommand(2, 1, 0, 12)),
            Instruction(run, taps, feeders),
            Instruction(StoreCommand(0, 32, 8)),
        ],
        CONFIG,
    )


WORDS = program()
PROGRAM = int(WORDS[4])
FEEDERS = PROGRAM + 3 * COMMAND_WORDS
RUN_WORDS = FEEDERS - COMMAND_WORDS
_OFFSETS = dict(
    zip((name for name, _ in COMMAND_FIELDS), np.cumsum([0, *(bits for _, bits in COMMAND_FIELDS)]), strict=False)
)
TABLED, WAITS = (int(_OFFSETS[name]) % 32 for name in ("tabled", "waits"))
"""The bit of the last word of a command that sends outputs through the activation table."""
TABLE = FEEDERS + 2 * FEEDER_WORDS
STORE = TABLE + len(TAPS)


@dataclass(frozen=True)
class Set:
    """A word of the image that reads otherwise."""

    place: int
    value: int


def changed(*sets: Set) -> NDArray[np.uint32]:
    words = WORDS.copy()
    for one in sets:
        words[one.place] = one.value & 0xFFFFFFFF
    words[-1] = crc32(words[:-1].astype("<u4").tobytes())
    return words


def record(number: int, **fields: Any) -> Callable[[], NDArray[np.uint32]]:
    return lambda: program(
        records=tuple(replace(one, **fields) if n == number else one for n, one in enumerate(RECORDS))
    )


def test_a_program_that_keeps_all_rules_is_taken() -> None:
    instructions = disassemble(WORDS, CONFIG)
    assert [one.command for one in instructions] == [
        LoadCommand(2, 0, 0, 12),
        LoadCommand(2, 1, 0, 12),
        replace(RUN, full_lanes=2, full_groups=2),
        StoreCommand(0, 32, 8),
    ]
    assert instructions[2].taps == TAPS
    assert instructions[2].feeders[0].records == RECORDS


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (lambda: changed(Set(4, len(WORDS))), r"is said to begin at word \d+ of \d+"),
        (lambda: changed(Set(4, HEADER_WORDS - 1)), "is said to begin at word 7 of"),
        (lambda: changed(Set(5, 3)), "does not end with its 3 commands"),
        (lambda: changed(Set(5, 5)), "command 4 of the image means nothing: there is no command 7"),
        (lambda: changed(Set(6, 47)), "the LOAD commands take 48 bytes, and the image's header says 47"),
        (lambda: changed(Set(7, 0)), "the STORE commands give 16 bytes, and the image's header says 0"),
        (lambda: changed(Set(PROGRAM, int(WORDS[PROGRAM]) & ~7 | 6)), "command 0 .* there is no command 6"),
        (lambda: changed(Set(PROGRAM, int(WORDS[PROGRAM]) & ~7 | 5)), "command 0 .* built without activation tables"),
        (lambda: changed(Set(RUN_WORDS + 7, 1 << TABLED)), "command 2 .* built without activation tables"),
        (lambda: changed(Set(RUN_WORDS + 7, 1 << WAITS)), "command 2 .* built without map_stations"),
        (lambda: changed(Set(PROGRAM + 7, 1)), "command 0 .* fields contradict each other"),
        (lambda: changed(Set(STORE, int(WORDS[STORE]) | 1 << 31)), "command 3 .* pe must be from 0 to 1, not 2"),
        (lambda: changed(Set(FEEDERS + 1, 0)), "the weight stream of PE 0 has no words"),
        (lambda: changed(Set(FEEDERS + 3, 0)), "a weight stream has 1 to 65535 rows, not 0"),
        (lambda: changed(Set(FEEDERS, PROGRAM - 1)), r"words of a weight stream are said to be words \d+ to \d+"),
        (lambda: changed(Set(FEEDERS + 2, HEADER_WORDS - 1)), "row records are said to be words 7 to 10"),
        (lambda: changed(Set(FEEDERS + FEEDER_WORDS + 1, 1)), "PE 1 leads no group of 2, and is given a weight stream"),
        (lambda: changed(Set(TABLE, 64)), "a tap reads word 64, and the feature memory ends at 63"),
        (lambda: changed(Set(TABLE, 3 << 16)), "a tap table entry has a bit set"),
        (lambda: changed(Set(TABLE + 1, 3 << 18)), "a tap table entry has a bit set"),
        (lambda: changed(Set(TABLE + 1, 1 << 22)), "a tap table entry has a bit set"),
        (lambda: changed(Set(TABLE + 1, 1 << 20 | 3)), "the taps of one pixel disagree"),
        (record(0, last=True), "a row record other than the last one is marked as the last"),
        (record(1, last=False), "or the last one is not"),
        (record(0, shift=11), "a row is shifted by 11, and sums of 20 bits by 10 at most"),
        (record(0, offset=1 << 19), "a row's offset does not fit a sum of 20 bits"),
        (record(0, offset=-(1 << 19) - 1), "a row's offset does not fit a sum of 20 bits"),
        (record(0, row=28), "outputs reach word 64, and the feature memory ends at 63"),
        (record(0, row=1), "two outputs of one pass are written to the same word"),
        (record(0, row=5), "two outputs of one pass are written to the same word"),
        (lambda: program(replace(RUN, row_groups=1)), "two outputs of one pass are written to the same word"),
        (lambda: program(replace(RUN, low=5, high=4)), "outputs are to be from 5 to 4"),
    ],
)
def test_each_rule_has_its_sentence(words: Callable[[], NDArray[np.uint32]], sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        disassemble(words(), CONFIG)


def test_a_record_with_an_unknown_bit_is_refused() -> None:
    place = int(WORDS[FEEDERS + 2])
    with pytest.raises(ImageError, match="a row record has a bit set that it has no use for"):
        disassemble(changed(Set(place, int(WORDS[place]) | 1 << 23)), CONFIG)


def test_rows_that_are_not_written_may_share_a_word() -> None:
    words = record(0, row=1, write=False)()
    assert not disassemble(words, CONFIG)[2].feeders[0].records[0].write


def test_moves_reach_no_further_than_the_memory() -> None:
    move = Instruction(MoveCommand(1, 0, 4, 0, 2, 40, 5, 1))
    words = assemble([Instruction(LoadCommand(1, 0, 0, 4)), move], CONFIG)
    assert disassemble(words, CONFIG)[1] == move
    with pytest.raises(ImageError, match="a move reaches word 65"):
        disassemble(_with_step(words, 8), CONFIG)


WITH_TABLES = replace(CONFIG, activation_tables=True)
VALUES = tuple(int(value) for value in np.random.default_rng(3).integers(-128, 128, 256))


def with_tables(*before: TableCommand) -> NDArray[np.uint32]:
    """The image of a pass whose outputs go through a table, with some commands before it."""
    feeders = (FeederInput(stream(), RECORDS),)
    run = Instruction(replace(RUN, tabled=True, full_lanes=2, full_groups=2), TAPS, feeders)
    return assemble([*map(Instruction, before), run], WITH_TABLES)


def test_a_table_comes_before_the_outputs_that_go_through_it() -> None:
    (table, run) = disassemble(with_tables(TableCommand(VALUES)), WITH_TABLES)
    assert table.command == TableCommand(VALUES)
    assert isinstance(run.command, RunCommand) and run.command.tabled
    with pytest.raises(
        ImageError, match="command 0 of the image go through an activation table, and no command before"
    ):
        disassemble(with_tables(), WITH_TABLES)


def test_the_words_of_a_table_begin_with_what_becomes_of_the_least_numbers() -> None:
    words = with_tables(TableCommand(VALUES))
    first = int(words[4]) + COMMAND_WORDS
    assert words[first : first + 64].astype("<u4").view(np.int8).tolist() == list(VALUES)


@pytest.mark.parametrize(
    ("values", "sentence"), [(VALUES[1:], "256 values of int8, not 255"), ((*VALUES[1:], 128), "with 128 among them")]
)
def test_a_table_holds_a_value_for_each_int8(values: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        with_tables(TableCommand(values))


def _with_step(words: NDArray[np.uint32], step: int) -> NDArray[np.uint32]:
    """The image with another word_step of its MOVE, command 1."""
    at = int(words[4]) + COMMAND_WORDS
    result = words.copy()
    result[at : at + COMMAND_WORDS] = encode_fields(
        decode_fields(words[at : at + COMMAND_WORDS]) | {"output_stride": step}
    )
    result[-1] = crc32(result[:-1].astype("<u4").tobytes())
    return result
