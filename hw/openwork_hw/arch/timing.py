"""Latencies of the gateware in cycles. The compiler predicts cycles from them, and the components take them from here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from openwork_hw.arch.config import MULTIPLIER_CYCLES, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

WORD_CYCLES = 1
"""From the word input of a feeder to its decoder."""

HEADER_WORD_CYCLES = 2
"""From the cycle in which a weight decoder takes the header of a stream to the cycle in which it takes the next word."""

HEADER_CYCLES = 4
"""What a weight decoder takes besides the decoder of the encoding: it takes and checks the header, splits and counts."""

DECODER_CYCLES = {Encoding.CSR: 3, Encoding.TRIPLET: 4, Encoding.PACKED: 17}
"""From the first word after the header to the first nonzero, per encoding."""

RING_CYCLES = 2
"""From the pointer of a row buffer to the nonzero that it points to."""

TABLE_CYCLES = 2
"""From a tap number to its entry of the tap table."""

BEAT_CYCLES = RING_CYCLES + TABLE_CYCLES + 1
"""From the decision to replay a nonzero to the beat of this nonzero."""

QUEUED_ROWS = 3
"""Most complete rows in a row buffer. The row that is being replayed counts, too."""

FREED_CYCLES = 3
"""From the last replay of a nonzero to the arrival of the first nonzero that can take its place in the row buffer."""

LEFT_CYCLES = 2
"""From the last replay of a row to the first row end that can take its place among the complete rows."""

VISIBLE_CYCLES = QUEUED_ROWS + 1
"""From the arrival of a nonzero in the row buffer to the first cycle in which it can be replayed."""

OPERAND_CYCLES = 4
"""From a beat to its operands at the multipliers: memory 2, wait for the PE below 1, shift between PEs 1."""

SUM_CYCLES = OPERAND_CYCLES + MULTIPLIER_CYCLES + 1
"""From a beat to the sum that contains it."""

REQUANTIZER_CYCLES = 6
"""From a sum to its activation."""

ACTIVATION_TABLE_CYCLES = 2
"""From an activation to its value in the activation table: the latency of a block memory."""

FIRST_LANE_CYCLES = SUM_CYCLES + 1 + 1 + REQUANTIZER_CYCLES
"""From the last beat of a row to the requantized output of lane 0: capture 1, choice of the lane 1, then the requantizer."""

POOL_CYCLES = 3
"""What a pooled sum takes longer than the sum of the last lane: add over lanes, add over PEs, way back to the choice."""

COPY_HOPS = 4
"""Registers between a PE that writes an output and the PEs that get a copy of it."""

BACK_HOPS = 4
"""Registers from the last PE back to the sequencer."""

COMMAND_CYCLES = 5 + 2 * BACK_HOPS
"""What a RUN takes besides its tap table, its feeders and the way along the chain: take the command, start, stop."""


WRITE_CYCLES = 1
"""From a complete word to its write: the choice among all words that wait to be written."""


def first_lane_cycles(config: ArrayConfig) -> int:
    """Cycles from the last beat of a row to the output of lane 0.

    In an array with activation tables, every output passes the tables' latency, whether it uses the table or not.
    """
    return FIRST_LANE_CYCLES + (ACTIVATION_TABLE_CYCLES if config.activation_tables else 0)


def write_cycles(config: ArrayConfig, *, pooled: bool = False) -> int:
    """Cycles from the last beat of a row to the write of its outputs, or of its pooled sum."""
    return first_lane_cycles(config) + config.lanes + WRITE_CYCLES + (POOL_CYCLES if pooled else 0)


LOADED_CYCLES = 3
"""From the last byte of a loaded word to the write of the word."""

LOAD_CYCLES = 1
"""What a LOAD or a TABLE takes besides its bytes."""

STORE_CYCLES = 9
"""What a STORE or a MOVE takes besides the way of its words: start, queue, stop."""

ORDER_CYCLES = 1
"""What a LOAD or STORE of an external memory takes: it is handed to the engine that moves maps, and the next command follows."""

HANDED_CYCLES = 4
"""From the cycle in which such a command is taken to the cycle in which the engine begins with it, if it has nothing else to do."""

MAP_LOAD_CYCLES = 2
"""What the engine takes for a LOAD besides its bytes."""

MAP_STORE_CYCLES = 30
"""What the engine takes for a STORE besides its words and their way: its last bytes are written to the external memory."""

MAP_ORDERS = 64
"""Such commands that can have been handed over and are not over. The next one waits."""

BETWEEN_CYCLES = 2
"""From the end of the cycles that a command reports to the next command, if that has been read from the program."""

READ_CYCLES = 9
"""To read a command from a program: read its words and decide which command it is."""

FEEDER_CYCLES = 7
"""To read the inputs of one feeder from a program: read their words and hand them on."""

PROGRAM_CYCLES = 10
"""What a run takes besides its commands."""


def first_word_cycle(config: ArrayConfig) -> int:
    """The cycle in which a decoder takes the first word after the header, counted from the start of its feeder.

    No word may be late. In a compact array, words go to the decoder at once.
    """
    return 1 + (0 if config.compact else WORD_CYCLES) + HEADER_WORD_CYCLES


def held_cycles(config: ArrayConfig) -> int:
    """How many cycles the report of a LOAD, STORE, MOVE or TABLE waits in a compact array; 0 in other arrays.

    A compact array holds settings only in the command, so the command has to stay until its last byte has passed all PEs.
    """
    return config.pes + 3 if config.compact else 0


def way_cycles(config: ArrayConfig) -> int:
    """Cycles from a beat that reads a word to the first byte of this word in the sequencer's queue, along the whole chain."""
    return config.pes + first_lane_cycles(config) + 1 + BACK_HOPS


def promised_bytes(config: ArrayConfig) -> int:
    """Most bytes of a STORE that are on their way or just taken.

    There is one byte per cycle of the way; the other bytes are in the queue behind it and in the counters on both sides.
    """
    return way_cycles(config) + 7


def landed_cycles(config: ArrayConfig) -> int:
    """Cycles from a byte that is loaded from an external memory until the word that it ends is in the last PE's memory."""
    return config.pes + config.replicas + WRITE_CYCLES + 4


def map_cycles(config: ArrayConfig, words: int, *, store: bool) -> int:
    """Cycles in which the engine carries out a LOAD or STORE of an external memory that gives and takes a byte per cycle."""
    if not store:
        return MAP_LOAD_CYCLES + words * config.lanes
    return MAP_STORE_CYCLES + (words - 1) * config.row_spacing + config.pes + config.lanes + BACK_HOPS


def settle_cycles(config: ArrayConfig) -> int:
    """Cycles from the write of the last outputs of a pass until its copies and pooled sums have arrived, too."""
    pool = POOL_CYCLES if config.global_pooling else 0
    copies = COPY_HOPS + 1 + config.replicas if config.replicas > 1 else 0
    return pool + copies


def pass_overhead(config: ArrayConfig) -> int:
    """Cycles of a RUN besides its tap table and the time that its slowest feeder takes until its last replay.

    Signals pass the chain twice: first to start the feeders and to report that they are done, then to stop them.
    """
    return COMMAND_CYCLES + BEAT_CYCLES + write_cycles(config) + settle_cycles(config) + 2 * config.pes


class Timed(NamedTuple):
    """What the time of a program depends on, of a command.

    Attributes:
        cycles: that it reports.
        entries: of its tap table, or values of its activation table; else 0.
        runs: whether it is a RUN.
        map_cycles: `map_cycles` of a LOAD or STORE of an external memory; else 0.
        waits: whether it begins when everything that such commands before it move has been moved.
    """

    cycles: int
    entries: int = 0
    runs: bool = False
    map_cycles: int = 0
    waits: bool = False


@dataclass(frozen=True)
class ProgramTimes:
    """When a program does what. All cycles are counted from the request to run an image.

    Attributes:
        starts: of each command, the cycle in which it is taken.
        ends: the cycle of the answer.
        maps: of each LOAD and STORE of an external memory, its number and the cycles in which it begins and is over.
    """

    starts: tuple[int, ...]
    ends: int
    maps: tuple[tuple[int, int, int], ...]


class MapTimes:
    """Follows the engine that moves maps beside commands."""

    def __init__(self, config: ArrayConfig) -> None:
        self._landed = landed_cycles(config)
        self._free = 0  # when it can begin with the next order
        self.over = 0  # when all that it was handed is over
        self.found: list[tuple[int, int, int]] = []

    def hand(self, number: int, taken: int, cycles: int) -> None:
        """A command of this number, which is taken in this cycle, is handed to the engine."""
        begins = max(self._free, taken + HANDED_CYCLES)
        self._free = begins + cycles
        self.over = self._free + self._landed
        self.found.append((number, begins, self._free))


def program_cycles(config: ArrayConfig, commands: Sequence[Timed]) -> int:
    """Cycles from the request to run an image to its answer.

    The array begins to read a command as soon as the command before has its whole table. A command that has been read
    starts as soon as the command before ends. A compact array reads a command only after the report of the command before.
    """
    return program_times(config, commands).ends


def program_times(config: ArrayConfig, commands: Sequence[Timed]) -> ProgramTimes:
    """When each command of a program starts, and when it ends. All of `PROGRAM_CYCLES` are counted before the first command."""
    starts = []
    taken = free = read = 0
    maps = MapTimes(config)
    for number, one in enumerate(commands):
        taken = max(free, read + READ_CYCLES + (FEEDER_CYCLES * len(config.feeders) if one.runs else 0))
        if one.waits:
            taken = max(taken, maps.over)
        if one.map_cycles:
            maps.hand(number, taken, one.map_cycles)
        starts.append(PROGRAM_CYCLES + taken)
        free = taken + one.cycles + BETWEEN_CYCLES
        read = free if config.compact else taken + 2 + one.entries
    ends = PROGRAM_CYCLES + max(free, read + READ_CYCLES, maps.over)
    moved = tuple((number, PROGRAM_CYCLES + begins, PROGRAM_CYCLES + over) for number, begins, over in maps.found)
    return ProgramTimes(tuple(starts), ends, moved)
