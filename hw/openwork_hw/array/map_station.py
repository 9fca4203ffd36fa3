"""Takes words of maps into the feature memory of a PE and out of it, beside running passes."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import WRITE_CYCLES
from openwork_hw.array.payloads import MapBeat, MapOp, WordWrite, word_layout
from openwork_hw.primitives.delays import delays
from openwork_hw.primitives.feature_memory import FeatureMemory
from openwork_hw.primitives.registers import without_reset

READ_BACK_CYCLES = WRITE_CYCLES + FeatureMemory.latency_cycles
"""From the cycle in which the write port takes a word that is to be read to the word."""


class MapStation(wiring.Component):
    """Gather bytes to words and hold them until the feature memory has time; read words then, and give their bytes.

    Role
        Part of a `ProcessingElement` in an array with map stations: a stop of the maps that a `MapEngine` moves.
    Function
        A beat is for this PE if `left` is 0. It goes on to the next PE with `left` one lower, or with `step` behind a PE that it
        was for. BYTE: the bytes that are for this PE are gathered, the first one lowest; with `last`, the word of the last `lanes`
        bytes is offered for `address` until it is taken. ASK: a word that `reads` is offered for `address`; when it has been taken,
        the word comes at back_data, and its bytes go out, lane 0 first.
    Ports
        i, o : in, out, MapBeat(config); to the next PE a cycle later
        o_word : out, WordWrite(config); the word that waits for the write port
        taken : in; the write port takes it in this cycle
        back_data : in, a word; READ_BACK_CYCLES after a word that reads was taken
        o_byte, o_byte_valid : out, signed 8 and 1; o_byte is 0 where it is not valid
    Timing
        A word is offered two cycles after its last byte or its ASK came in at `i`. The first byte of a word that was asked for is
        out READ_BACK_CYCLES + 2 after the word was taken, or behind the last byte of the word before. No combinational path.
    Cost
        Two registers of a word, one of a beat. Words that come in pass them one way, and words that go out the other way.
    Limits
        A word waits less than `lanes` cycles for the write port. ASKs are row_spacing cycles apart or more, and no BYTE comes
        while the bytes of a word go out, nor an ASK while a word waits.
    Verified by
        tests/openwork_hw/array/test_map_station.py::test_words_go_in_and_come_out
    """

    i: data.View
    o: data.View
    o_word: data.View
    taken: Value
    back_data: data.View
    o_byte: Value
    o_byte_valid: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(MapBeat(config)),
                "o": Out(MapBeat(config)),
                "o_word": Out(WordWrite(config)),
                "taken": In(1),
                "back_data": In(word_layout(config.lanes)),
                "o_byte": Out(signed(8)),
                "o_byte_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        lanes = self._config.lanes
        beat = Signal(MapBeat(self._config), reset_less=True)
        mine = beat.left == 0
        m.d.sync += beat.eq(self.i)
        m.d.comb += [self.o.eq(beat), self.o.left.eq(Mux(mine, beat.step, beat.left - 1))]

        gathers, ends, asks, comes, begins = (Signal(name=n) for n in ("gathers", "ends", "asks", "comes", "begins"))
        held = without_reset(m, self.o_word, "held")
        came = Signal(reset_less=True)  # a word that was asked for is held
        leaving = Signal(range(lanes + 1), reset_less=True)  # bytes of a word that are to go out
        shifted = Signal(word_layout(lanes), reset_less=True)
        whole = Signal.like(shifted)
        m.d.comb += [
            gathers.eq(mine & (beat.op == MapOp.BYTE)),
            asks.eq(mine & (beat.op == MapOp.ASK)),
            ends.eq(gathers & beat.last),
            whole.eq(Cat(shifted, beat.byte)[8:]),
            comes.eq(delays(m, "reads", self.taken & self.o_word.reads, 1, READ_BACK_CYCLES)[-1]),
            begins.eq(came & (leaving <= 1)),
            self.o_byte_valid.eq(leaving != 0),
            self.o_byte.eq(Mux(leaving != 0, shifted[0], 0)),
        ]
        with m.If(begins):
            m.d.sync += [shifted.eq(held.word), leaving.eq(lanes)]
        with m.Else():
            with m.If(gathers | (leaving != 0)):
                m.d.sync += shifted.eq(whole)
            with m.If(leaving != 0):
                m.d.sync += leaving.eq(leaving - 1)
        m.d.sync += [came.eq(comes | (came & ~begins)), held.valid.eq(ends | asks | (held.valid & ~self.taken))]
        with m.If(ends | asks):
            m.d.sync += [held.address.eq(beat.address), held.reads.eq(asks)]
        with m.If(ends):
            m.d.sync += held.word.eq(whole)
        with m.If(comes):
            m.d.sync += held.word.eq(self.back_data)
        return m
