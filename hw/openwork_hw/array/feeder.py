"""The front of a PE: weight words and row records in, beats out."""

from itertools import pairwise

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import BEAT_CYCLES, TABLE_CYCLES, VISIBLE_CYCLES, settle_cycles, write_cycles
from openwork_hw.array.change_delay import ChangeDelay
from openwork_hw.array.pass_buffer import PassBuffer
from openwork_hw.array.payloads import Beat, BeatOp, RowEnd, RowRecordLayout, Settings, StreamFault, TapEntryLayout
from openwork_hw.array.row_buffer import RowBuffer
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.decoder.weight_decoder import WeightDecoder
from openwork_hw.primitives.block_memory import BlockMemory

FEEDER_SETTINGS = (
    "channels",
    "channel_bits",
    "columns",
    "tap_bits",
    "turn_base",
    "single_pixel",
    "output_base",
    "output_stride",
)
"""The settings that a feeder looks at."""


class Feeder(wiring.Component):
    """Decode one weight stream, replay its rows and look up where each operand is.

    Role
        Part of a `ProcessingElement` that can lead a group: it turns the group's weight stream into beats.
    Function
        Each replayed nonzero becomes a MAC beat with address = table[table_base | tap].address + channel, the shifts of the
        table, and its value as weight. TABLE beats of the chain are written into the table.
    Ports
        i_words : in, stream of WeightWord
        i_records : in, stream of RowRecordLayout(config), one per row
        chain : in, Beat(config); the beat that passes by on the chain: TABLE beats are taken
        settings : in, Settings(config); steady from two cycles before `clear` falls
        index : in, range(pes); this PE's number, for the error report
        clear : in; return to the state before a pass; the pass begins when `clear` falls
        o : out, Beat(config)
        done : out; stream and records are consumed, and the outputs of the last beat are written. So are their copies. For the PEs
            that follow, this holds as seen from a signal that travels along the chain
        fault : out, StreamFault(config); kind 0 while there is no fault; kept until the next clear
    Timing
        From a decoded nonzero to its beat: latency_cycles. One beat per cycle. No stall after `o`.
    Cost
        Two block memories: row buffer and tap table.
    Limits
        As RowBuffer's.
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    latency_cycles = VISIBLE_CYCLES + BEAT_CYCLES

    i_words: stream.Interface
    i_records: stream.Interface
    chain: data.View
    settings: data.View
    index: Value
    clear: Value
    o: data.View
    done: Value
    fault: data.View

    def __init__(self, config: ArrayConfig, *, encodings: tuple[Encoding, ...]) -> None:
        self._config = config
        self._encodings = encodings
        super().__init__(
            {
                "i_words": In(stream.Signature(WeightWord)),
                "i_records": In(stream.Signature(RowRecordLayout(config))),
                "chain": In(Beat(config)),
                "settings": In(Settings(config)),
                "index": In(range(config.pes)),
                "clear": In(1),
                "o": Out(Beat(config)),
                "done": Out(1),
                "fault": Out(StreamFault(config)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        entry = TapEntryLayout(config)
        m.submodules.decoder = decoder = WeightDecoder(
            channel_width=config.address_bits, encodings=self._encodings, serial=config.compact
        )
        m.submodules.rows = rows = RowBuffer(config)
        m.submodules.table = table = BlockMemory(entry.size, config.tap_entries, config.technology)

        # What holds for a pass, in registers of the feeder's own, which a floorplan may give places: those of the chain may go
        # straight to a PE far down it, and would draw the feeder along.
        held = Signal(Settings(config), reset_less=True)
        # When a pooled sum is written matters to a memory with one port alone.
        for name in (*FEEDER_SETTINGS, *["pool"] * (config.single_port and config.global_pooling)):
            if config.compact:
                m.d.comb += held[name].eq(self.settings[name])
                continue
            port = Signal(self.settings[name].shape(), name=f"{name}_port", reset_less=True, attrs={"keep": 1})
            m.d.sync += port.eq(self.settings[name])
            m.d.comb += held[name].eq(port)

        # Words and records come from far away: neither they nor their `ready` should meet logic on the same path.
        m.submodules.words = words = PassBuffer(WeightWord, registers=not config.compact)
        m.submodules.records = records = PassBuffer(RowRecordLayout(config), registers=not config.compact)
        wiring.connect(m, wiring.flipped(self.i_words), words.i)
        wiring.connect(m, words.o, decoder.i_words)
        wiring.connect(m, wiring.flipped(self.i_records), records.i)
        wiring.connect(m, records.o, rows.i_records)
        wiring.connect(m, decoder.o, rows.i)
        # The row buffer's nonzeros come late enough for a clear of its own.
        rows_clear = Signal(init=1, reset_less=True)
        m.d.sync += rows_clear.eq(self.clear)
        m.d.comb += [
            words.clear.eq(self.clear),
            records.clear.eq(self.clear),
            decoder.clear.eq(self.clear),
            decoder.channels.eq(held.channels),
            decoder.channel_bits.eq(held.channel_bits),
            decoder.columns.eq(held.columns),
            rows.clear.eq(rows_clear),
            rows.settings.eq(held),
            rows.i_check_rows.eq(decoder.names_rows),
            rows.i_position.eq(decoder.position),
            rows.upstream_fault.eq(decoder.error),
        ]

        # Tap table: written by passing beats, read with the nonzero's tap.
        new_entry = Signal(entry)
        found = Signal(entry)
        m.d.comb += [
            new_entry.address.eq(self.chain.address),
            new_entry.lane_shift.eq(self.chain.lane_shift),
            new_entry.pe_shift.eq(self.chain.pe_shift),
            new_entry.beyond_right.eq(self.chain.beyond_right),
            new_entry.beyond_bottom.eq(self.chain.beyond_bottom),
            table.write_enable.eq(self.chain.op == BeatOp.TABLE),
            table.write_address.eq(self.chain.end.offset),
            table.write_data.eq(new_entry),
            table.read_address.eq(rows.o.table_base | rows.o.tap),
            found.eq(table.read_data),
        ]

        # The rest of the nonzero waits for the table.
        waiting = data.StructLayout({"channel": config.address_bits, "value": 8, "first": 1, "last": 1})
        stages = [Signal(waiting, name=f"waiting_{cycle}", reset_less=True) for cycle in range(TABLE_CYCLES)]
        valid = Signal(TABLE_CYCLES + 1, reset_less=True)
        beat = Signal(Beat(config), reset_less=True)
        m.d.sync += [stages[0][field].eq(rows.o[field]) for field in ("channel", "value", "first", "last")]
        m.d.sync += [late.eq(early) for early, late in pairwise(stages)]
        m.d.sync += [
            valid.eq(Cat(rows.o.valid, valid)),
            beat.address.eq(found.address + stages[-1].channel),
            beat.weight.eq(stages[-1].value),
            beat.lane_shift.eq(found.lane_shift),
            beat.pe_shift.eq(found.pe_shift),
            beat.beyond_right.eq(found.beyond_right),
            beat.beyond_bottom.eq(found.beyond_bottom),
            beat.first.eq(stages[-1].first),
            beat.last.eq(stages[-1].last),
        ]
        m.d.comb += [self.o.eq(beat), self.o.op.eq(Mux(valid[-1], BeatOp.MAC, BeatOp.IDLE))]
        spacing = config.row_spacing
        if config.compact and spacing >= RowBuffer.end_cycles + TABLE_CYCLES + 1:
            m.d.comb += self.o.end.eq(rows.o.end)  # which is there still
        else:
            m.submodules.end = end = ChangeDelay(RowEnd(config), use=TABLE_CYCLES + 1, window=1, spacing=spacing)
            m.d.comb += [end.i.eq(rows.o.end), end.i_change.eq(rows.o.last), self.o.end.eq(end.o)]

        # Done once the last beat's outputs are written. A decoder that finds nothing wrong is done before that.
        drain_cycles = BEAT_CYCLES + write_cycles(config) + settle_cycles(config)
        drained = Signal(range(drain_cycles + 1), reset_less=True)
        all_drained = drained == drain_cycles
        with m.If(self.clear | ~rows.done):
            m.d.sync += drained.eq(0)
        with m.Elif(~all_drained):
            m.d.sync += drained.eq(drained + 1)
        m.d.comb += self.done.eq(all_drained & decoder.done)

        kind, position = rows.error, rows.position
        if not config.compact:
            # As with the settings: where a fault goes may be far away.
            kind = Signal.like(rows.error, name="kind_port", reset_less=True, attrs={"keep": 1})
            position = Signal.like(rows.position, name="position_port", reset_less=True, attrs={"keep": 1})
            m.d.sync += [kind.eq(rows.error), position.eq(rows.position)]
        m.d.comb += [self.fault.kind.eq(kind), self.fault.pe.eq(self.index), self.fault.position.eq(position)]
        return m
