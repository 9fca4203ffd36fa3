"""The simulator refuses what an array would answer by chance: what was in its memory before, or which of two things comes first."""

from dataclasses import replace

import numpy as np
import pytest

from openwork.simulator.image import run_instructions
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import (
    Command,
    LoadCommand,
    MoveCommand,
    Operation,
    RunCommand,
    StoreCommand,
    TapEntry,
)
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import FeederInput, ImageError, Instruction
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, RowRecord, SparseRows, StreamError, StreamErrorKind

CONFIG = ArrayConfig(2, 3, feature_words=64, row_buffer_nonzeros=16, tap_entries=16, sum_bits=20)
LAYOUT = ColumnLayout(taps=1, channels=4)
RUN = RunCommand(2, LAYOUT, hold=1, output_base=32, output_stride=4, pad=0, low=-128, high=127)
LOADS = [LoadCommand(2, 0, 0, 4), LoadCommand(2, 1, 0, 4)]
FIRST = TapEntry(0, 0, 0)
LAST_STORE = StoreCommand(1, 32, 2)


def run(command: RunCommand = RUN, *, tap: TapEntry = FIRST, values: tuple[int, ...] = (1, 2, 3)) -> Instruction:
    """Two rows: one of channels 0 and 3, one of channel 1."""
    rows = SparseRows(
        np.arange(2),
        np.array([2, len(values) - 2]),
        np.array([0, 3, 1, *([2] * (len(values) - 3))]),
        np.array(values, np.int8),
    )
    records = tuple(RowRecord(row, 0, 0, True, row == 1) for row in range(2))
    taps = (tap,) * command.tap_entries
    return Instruction(command, taps, (FeederInput(encodings.encode(Encoding.CSR, rows, LAYOUT), records),))


def stored(*commands: Command | Instruction) -> bytes:
    """What a program gives back."""
    instructions = [one if isinstance(one, Instruction) else Instruction(one) for one in commands]
    loaded = sum(one.command.words for one in instructions if isinstance(one.command, LoadCommand)) * CONFIG.lanes
    return run_instructions(instructions, CONFIG, Encoding.CSR, np.arange(loaded, dtype=np.int8)).tobytes()


POOL = run(replace(RUN, operation=Operation.POOL))


def of_pooled(**tap: int) -> Instruction:
    """A row that reads both pooled sums, words 32 and 33."""
    rows = SparseRows(np.arange(1), np.array([2]), np.array([0, 1]), np.array([1, 1], np.int8))
    feeder = FeederInput(encodings.encode(Encoding.CSR, rows, LAYOUT), (RowRecord(0, 0, 0, True, True),))
    return Instruction(replace(RUN, output_base=40), (TapEntry(32, tap.get("lane", 0), tap.get("pe", 0)),), (feeder,))


@pytest.mark.parametrize(
    "program",
    [
        (*LOADS, run(), LAST_STORE),
        (*LOADS, run(tap=TapEntry(0, 1, -1)), LAST_STORE),
        (*LOADS, POOL, LAST_STORE),
        (*LOADS, POOL, of_pooled(), StoreCommand(1, 40, 1)),
        (*LOADS, POOL, MoveCommand(1, 32, 2, 2, 1, 32, 1, 0), StoreCommand(0, 32, 2)),
        (*LOADS, run(values=(1, 0, 3), tap=TapEntry(1, 0, 0)), LAST_STORE),  # word 4, which is not loaded, times 0
        (*LOADS, run(replace(RUN, full_lanes=0), tap=TapEntry(9, 0, 0, True, False)), LAST_STORE),  # all beyond the map
    ],
)
def test_what_is_certain_is_carried_out(program: tuple[Command | Instruction, ...]) -> None:
    assert stored(*program)


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        (
            (*LOADS, run(tap=TapEntry(1, 0, 0)), LAST_STORE),
            "command 3 of the image reads what nothing before it writes",
        ),
        ((LOADS[0], run(), LAST_STORE), "command 2 .* reads what nothing before it writes"),
        ((*LOADS, StoreCommand(0, 3, 2)), "command 2 .* reads what nothing before it writes"),
        ((*LOADS, POOL, StoreCommand(0, 32, 2)), "command 3 .* reads what nothing before it writes"),
        ((*LOADS, POOL, of_pooled(lane=1), StoreCommand(1, 40, 1)), "command 4 .* reads what nothing before it writes"),
        ((*LOADS, POOL, MoveCommand(1, 32, 2, 1, 1, 40, 1, 0)), "command 3 .* reads what nothing before it writes"),
        ((*LOADS, run(tap=TapEntry(61, 0, 0))), "command 2 .* reads word 64, and the feature memory ends at 63"),
        ((*LOADS, run(replace(RUN, output_base=2))), "command 2 .* writes words that it reads"),
        ((*LOADS, MoveCommand(0, 0, 4, 0, 1, 1, 1, 0)), "command 2 .* writes words that it reads later"),
        ((*LOADS, MoveCommand(0, 0, 4, 0, 2, 40, 1, 1)), "command 2 .* moves two bytes to the same word"),
        (
            (*LOADS, run(replace(RUN, operation=Operation.MAX))),
            "command 2 .* takes a maximum of products by other weights",
        ),
    ],
)
def test_what_an_array_would_answer_by_chance_is_refused(
    program: tuple[Command | Instruction, ...], sentence: str
) -> None:
    with pytest.raises(ImageError, match=sentence):
        stored(*program)


def test_a_row_that_no_row_buffer_holds_is_malformed_where_it_is_replayed() -> None:
    long = (1,) * (CONFIG.row_buffer_nonzeros + 3)
    assert stored(*LOADS, run(values=long), LAST_STORE)
    with pytest.raises(StreamError) as caught:
        stored(*LOADS, run(replace(RUN, hold=2), values=long), LAST_STORE)
    assert (caught.value.kind, caught.value.position) == (StreamErrorKind.ROW_TOO_LONG, 1)
