"""Latencies of the gateware that software has to know to predict cycles; the components take them from here."""

from collections.abc import Sequence

from openwork_hw.arch.config import MULTIPLIER_CYCLES, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

WORD_CYCLES = 1
"""From a feeder's word input to its decoder."""

HEADER_WORD_CYCLES = 2
"""From when a weight decoder takes a stream's header to when it takes the next word."""

HEADER_CYCLES = 4
"""Of a weight decoder, besides those of the encoding's own: taking and checking the header, splitting and counting."""

DECODER_CYCLES = {Encoding.CSR: 3, Encoding.TRIPLET: 4, Encoding.PACKED: 17}
"""From an encoding's first word to its first nonzero."""

RING_CYCLES = 2
"""From a row buffer's pointer to the nonzero that it names."""

TABLE_CYCLES = 2
"""From a tap number to its entry of the tap table."""

BEAT_CYCLES = RING_CYCLES + TABLE_CYCLES + 1
"""From the decision to replay a nonzero to its beat."""

QUEUED_ROWS = 3
"""Complete rows that wait in a row buffer, the one that is replayed included."""

FREED_CYCLES = 3
"""From a nonzero's last replay to the first one that can take its place in the row buffer."""

LEFT_CYCLES = 2
"""From a row's last replay to the first row end that can take its place among those that wait."""

VISIBLE_CYCLES = QUEUED_ROWS + 1
"""From a nonzero's arrival in the row buffer to the first cycle in which it can be replayed."""

OPERAND_CYCLES = 4
"""From a beat to its operands at the multipliers: memory 2, waiting for the PE below 1, shift between PEs 1."""

SUM_CYCLES = OPERAND_CYCLES + MULTIPLIER_CYCLES + 1
"""From a beat to the sum that contains it."""

REQUANTIZER_CYCLES = 6
"""From a sum to its activation."""

FIRST_LANE_CYCLES = SUM_CYCLES + 1 + 1 + REQUANTIZER_CYCLES
"""From a row's last beat to lane 0's output: capture 1, choice of the lane 1, requantizer."""

POOL_CYCLES = 3
"""What a pooled sum takes longer than that of the last lane: the sum over lanes, over PEs, and the way back to the choice."""

COPY_HOPS = 4
"""Registers between a PE that writes and those that get a copy."""

BACK_HOPS = 4
"""Registers from the last PE back to the sequencer."""

COMMAND_CYCLES = 5 + 2 * BACK_HOPS
"""Of a RUN, besides its tap table, its feeders and the way along the chain: taking the command, starting, stopping."""


WRITE_CYCLES = 1
"""From a whole word to its write: the choice among the words that are to be written."""


def write_cycles(lanes: int, *, pooled: bool = False) -> int:
    """From a row's last beat to the write of its outputs, or of its pooled sum."""
    return FIRST_LANE_CYCLES + lanes + WRITE_CYCLES + (POOL_CYCLES if pooled else 0)


LOADED_CYCLES = 3
"""From the last byte of a word that is loaded to its write."""

LOAD_CYCLES = 1
"""Of a LOAD, besides its bytes."""

STORE_CYCLES = 9
"""Of a STORE or MOVE, besides the way of its words: starting, the queue, stopping."""

BETWEEN_CYCLES = 2
"""From the cycles of one command's report to the next command, in a program that has been read so far."""

READ_CYCLES = 9
"""Reading a command from a program: its words, and deciding what it is."""

FEEDER_CYCLES = 7
"""Reading what one feeder gets: its words, and handing it on."""

PROGRAM_CYCLES = 10
"""Of a run besides its commands."""


def first_word_cycle(config: ArrayConfig) -> int:
    """The cycle, counted from a feeder's start, in which its decoder takes the first word after the header, where none is late.

    Words of a compact array go to the decoder at once.
    """
    return 1 + (0 if config.compact else WORD_CYCLES) + HEADER_WORD_CYCLES


def held_cycles(config: ArrayConfig) -> int:
    """How long the report of a LOAD, STORE or MOVE waits in a compact array: until its last byte has passed all PEs with the
    settings, which are held in the command alone."""
    return config.pes + 3 if config.compact else 0


def way_cycles(config: ArrayConfig) -> int:
    """From a beat that reads a word to the word's first byte in the sequencer's queue: along the whole chain."""
    return config.pes + FIRST_LANE_CYCLES + 1 + BACK_HOPS


def promised_bytes(config: ArrayConfig) -> int:
    """Bytes of a STORE that are on their way or just taken, at most.

    A byte for each cycle of the way, and those of the queue behind it and of the counters on both sides.
    """
    return way_cycles(config) + 7


def settle_cycles(config: ArrayConfig) -> int:
    """From the write of a pass's last outputs to when nothing of it is on its way any more, copies and pooled sums included."""
    pool = POOL_CYCLES if config.global_pooling else 0
    copies = COPY_HOPS + 1 + config.replicas if config.replicas > 1 else 0
    return pool + copies


def pass_overhead(config: ArrayConfig) -> int:
    """Cycles of a RUN besides its tap table and what its slowest feeder takes up to its last replayed nonzero.

    The chain is passed twice: by what starts the feeders and reports them done, and by what stops them.
    """
    return COMMAND_CYCLES + BEAT_CYCLES + write_cycles(config.lanes) + settle_cycles(config) + 2 * config.pes


def program_cycles(config: ArrayConfig, commands: Sequence[tuple[int, int]]) -> int:
    """Cycles from a RUN request to its answer.

    A command follows the one before at once, if it has been read from the program by then; that begins when the one before has
    got all of its tap table. A compact array reads a command after the report of the one before.

    Args:
        commands: for each its report's cycles, and the entries of its tap table; 0 where it is no RUN.
    """
    taken = free = read = 0
    for cycles, entries in commands:
        taken = max(free, read + READ_CYCLES + (FEEDER_CYCLES * len(config.feeders) if entries else 0))
        free = taken + cycles + BETWEEN_CYCLES
        read = free if config.compact else taken + 2 + entries
    return PROGRAM_CYCLES + max(free, read + READ_CYCLES)
