"""A queue of the complete rows that wait in a row buffer, with their records."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.timing import QUEUED_ROWS
from openwork_hw.array.payloads import RowRecordLayout


def pointer_bits(config: ArrayConfig) -> int:
    """Bits of a pointer into a row buffer's ring: one more than an address, since a full ring is not an empty one."""
    return bits_for(config.row_buffer_nonzeros) + 1


class RowBounds(data.StructLayout):
    """Where a row ends in the ring: the pointers to its last nonzero and to the nonzero before.

    `single` says that the row has a single nonzero, and `final` that its record is the last of the pass.
    """

    def __init__(self, config: ArrayConfig) -> None:
        bits = pointer_bits(config)
        super().__init__({"end": bits, "before_end": bits, "single": 1, "final": 1})


class RowQueue(wiring.Component):
    """Keep up to QUEUED_ROWS rows in order; each moves up to the head where there is room.

    Role
        Between the write side and the read side of a `RowBuffer`.
    Function
        With `push`, a row enters the queue. With `pop`, the row at the head leaves.
    Ports
        push : in; i : in, RowBounds(config); i_record : in, RowRecordLayout(config), which counts in the same cycle
        pop : in; the head leaves; the next row is at the head a cycle later
        clear : in; forget all rows
        occupied : out, one bit per place, the head's lowest
        head : out, RowBounds(config); head_record : out, RowRecordLayout(config), a cycle later than `head`
        second_single : out; the row behind the head has a single nonzero
        full : out; no row may come in the next cycle
    Timing
        A row that enters an empty queue is at the head QUEUED_ROWS cycles later. Combinational paths: push to full.
    Cost
        Registers for QUEUED_ROWS rows and one record more: no choice of where to write. What is behind the head follows a cycle
        later, and records follow their rows' bounds, so that pop need not reach all of them in its own cycle: while place 1 is
        stale, what it holds has gone to the head.
    Limits
        No push after a cycle with `full`; no pop while the head is not occupied.
    """

    push: Value
    i: data.View
    i_record: data.View
    pop: Value
    clear: Value
    occupied: Value
    head: data.View
    head_record: data.View
    second_single: Value
    full: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "push": In(1),
                "i": In(RowBounds(config)),
                "i_record": In(RowRecordLayout(config)),
                "pop": In(1),
                "clear": In(1),
                "occupied": Out(QUEUED_ROWS),
                "head": Out(RowBounds(config)),
                "head_record": Out(RowRecordLayout(config)),
                "second_single": Out(1),
                "full": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        record = RowRecordLayout(self._config)
        queue = [Signal(RowBounds(self._config), name=f"bounds_{p}", reset_less=True) for p in range(QUEUED_ROWS)]
        records = [Signal(record, name=f"record_{p}", reset_less=True) for p in range(QUEUED_ROWS + 1)]
        occupied = Signal(QUEUED_ROWS, reset_less=True)
        occupied_next = Signal(QUEUED_ROWS)
        stale = Signal(reset_less=True)
        rows_waiting = Cat(occupied[0], occupied[1] & ~stale, occupied[2:])
        two_rows = rows_waiting[:2].all() | rows_waiting[1:].all() | (rows_waiting[0] & rows_waiting[2])
        moves = Signal(QUEUED_ROWS)  # place n takes from place n + 1, the last from the input
        moved = Signal(QUEUED_ROWS, reset_less=True)
        m.d.comb += [
            self.occupied.eq(occupied),
            self.head.eq(queue[0]),
            self.head_record.eq(records[0]),
            self.second_single.eq(queue[1].single),
            self.full.eq(rows_waiting.all() | (self.push & two_rows)),
        ]
        m.d.sync += [
            stale.eq(self.pop & occupied[1]),
            moved.eq(moves),
            records[-1].eq(self.i_record),
            occupied.eq(occupied_next),
        ]
        for place in range(QUEUED_ROWS):
            m.d.comb += moves[place].eq(~occupied[: place + 1].all() | (stale if place else self.pop))
            filled = rows_waiting[place + 1] if place + 1 < QUEUED_ROWS else self.push
            m.d.comb += occupied_next[place].eq(Mux(moves[place], filled, occupied[place]))
            with m.If(moves[place]):
                m.d.sync += queue[place].eq(queue[place + 1] if place + 1 < QUEUED_ROWS else self.i)
            with m.If(moved[place]):
                m.d.sync += records[place].eq(records[place + 1])
        with m.If(self.clear):
            m.d.sync += [occupied.eq(0), stale.eq(0)]
        return m
