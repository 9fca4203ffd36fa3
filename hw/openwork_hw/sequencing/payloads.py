"""The payloads of the sequencer: commands and reports, as wide as an array needs them."""

from typing import Any

from amaranth.hdl import signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.commands import TABLE_VALUES
from openwork_hw.arch.config import COLUMN_BITS, TAP_BITS, ArrayConfig, bits_for
from openwork_hw.array.payloads import StreamFault

CYCLE_BITS = 32
"""Bits of the cycle counter in a report."""


def period_bits(config: ArrayConfig) -> int:
    """Bits of a MOVE's cycles from word to word, which are the most where it takes all lanes (`arch.image.move_period`)."""
    return max(config.row_spacing, 1 + config.single_port + config.lanes**2).bit_length()


def entry_bits(config: ArrayConfig) -> int:
    """Bits of the number of a tap table entry, or of a value of the activation table."""
    return max(config.tap_index_bits, bits_for(TABLE_VALUES)) if config.activation_tables else config.tap_index_bits


class CommandLayout(data.StructLayout):
    """The fields of `arch.image.COMMAND_FIELDS`, as wide as this array needs them. `target` is LOAD's group.

    RUN: turn_base = (hold - 2) << tap_bits, or single_pixel where hold is 1; `address` is the output's base. MOVE: output_stride
    is its word_step, channels its lane_step. `tabled` is there in an array with activation tables only, `external` and `waits` in
    an array with map stations only.
    """

    def __init__(self, config: ArrayConfig) -> None:
        tabled = {"tabled": 1} if config.activation_tables else {}
        beside = {"external": 1, "waits": 1} if config.map_stations else {}
        super().__init__(
            {
                "op": 3,
                "operation": 2,
                "row_groups": range(config.pes + 1),
                "target": range(config.pes),
                "pe": range(config.pes),
                "address": config.address_bits,
                "words": config.address_bits + 1,
                "table_entries": entry_bits(config) + 1,
                "tap_bits": range(TAP_BITS + 1),
                "channels": config.address_bits + 1,
                "channel_bits": range(COLUMN_BITS + 1),
                "columns": COLUMN_BITS + 1,
                "turn_base": config.tap_index_bits,
                "single_pixel": 1,
                "output_stride": config.address_bits + 1,
                "pad": signed(8),
                "low": signed(8),
                "high": signed(8),
                "fill": signed(8),
                "full_lanes": range(config.lanes + 1),
                "full_groups": range(config.pes + 1),
                "first_lane": range(config.lanes),
                "move_lanes": range(config.lanes + 1),
                "move_target": config.address_bits,
                "period": period_bits(config),
            }
            | tabled
            | beside
        )


class MapOrder(data.StructLayout):
    """A LOAD or STORE of an external memory, for a `MapEngine`: `left` and `step` as in a `MapBeat`; a word or more."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "store": 1,
                "left": range(config.pes),
                "step": range(config.pes),
                "address": config.address_bits,
                "words": config.address_bits + 1,
            }
        )


def map_ports() -> dict[str, Any]:
    """The ports through which maps of an external memory go into an array with map stations and out of it."""
    return {
        "i_maps": In(stream.Signature(signed(8))),
        "o_maps": Out(stream.Signature(signed(8))),
        "maps_busy": Out(1),
        "maps_move": Out(1),
    }


class Report(data.StructLayout):
    """The report of a command: the cycles that it took, and the first fault since the last CLEAR."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"cycles": CYCLE_BITS, "fault": StreamFault(config)})
