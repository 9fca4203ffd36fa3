"""Decides which nonzero of a row buffer's ring is replayed, and when."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import QUEUED_ROWS, write_cycles
from openwork_hw.array.payloads import Settings
from openwork_hw.array.row_queue import RowBounds, pointer_bits


class ReplayPointer(wiring.Component):
    """Walk through the row at the head of the queue once per local pixel.

    Role
        The read side of a `RowBuffer`.
    Function
        With `issue`, the nonzero at `pointer` is replayed. Then the pointer moves to the next nonzero of the row or, after
        `last`, back to the row's first nonzero. When the row has been replayed for all pixels, it leaves the queue with `pop`,
        and the next row follows. A nonzero is replayed only when it is in the ring. The last nonzero of a row is replayed only
        row_spacing cycles or more after the last nonzero before. With config.single_port, nothing is replayed write_cycles after
        a last nonzero.
    Ports
        seen, before_seen : in; the ring's write pointer, as late as a row's end needs to the head, and the pointer before it
        head, occupied, second_single : in; the RowQueue's
        settings : in, Settings(config)
        table_base : in, tap_index_bits; of the pixel that is replayed
        stopped : in; no further nonzero is replayed
        clear : in; begin at the ring's first entry
        pointer : out; issue : out; the nonzero at the pointer is replayed; first, last : out; it is the row's first, its last
        ended : out; a cycle after last
        free : out; the nonzero is replayed for the last time; pop : out; it is also the row's last nonzero
        finished : out; the final row has left
    Timing
        One nonzero per cycle. Whether the next one is there and whether it is a row's last is worked out a cycle ahead, for each
        place that the pointer may go to; that leaves one gate for issue. Combinational paths: none but the gates behind those
        registers.
    Cost
        Two pointers, comparisons of pointers.
    Limits
        None.
    """

    seen: Value
    before_seen: Value
    head: data.View
    occupied: Value
    second_single: Value
    settings: data.View
    table_base: Value
    stopped: Value
    clear: Value
    pointer: Value
    issue: Value
    first: Value
    last: Value
    ended: Value
    free: Value
    pop: Value
    finished: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        bits = pointer_bits(config)
        inputs = {
            "seen": In(bits),
            "before_seen": In(bits),
            "head": In(RowBounds(config)),
            "occupied": In(QUEUED_ROWS),
            "second_single": In(1),
            "settings": In(Settings(config)),
            "table_base": In(config.tap_index_bits),
            "stopped": In(1),
            "clear": In(1),
        }
        flags = ("issue", "first", "last", "ended", "free", "pop", "finished")
        super().__init__(inputs | {"pointer": Out(bits)} | {name: Out(1) for name in flags})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, head, spacing = self._config, self.head, self._config.row_spacing
        read_pointer = Signal(pointer_bits(config), reset_less=True)
        row_start = Signal(pointer_bits(config), reset_less=True)
        first = Signal(init=1, reset_less=True)
        finished = Signal(reset_less=True)
        available, at_end, last_pixel, turn_next, busy = (
            Signal(name=name, reset_less=True) for name in ("available", "at_end", "last_pixel", "turn_next", "busy")
        )
        # Cycles since the last issue_last.
        latest_write = write_cycles(config, pooled=config.global_pooling)
        since_last = Signal(latest_write if config.single_port else spacing - 1, reset_less=True)
        blocked, issue, issue_last, pop = (Signal(name=name) for name in ("blocked", "issue", "issue_last", "pop"))
        m.d.comb += [
            issue.eq(available & ~(at_end & busy) & ~blocked),
            issue_last.eq(issue & at_end),
            # Spelled out: it goes on to where the queue moves.
            pop.eq(available & at_end & ~busy & ~blocked & last_pixel),
            self.pointer.eq(read_pointer),
            self.issue.eq(issue),
            self.first.eq(issue & first),
            self.last.eq(issue_last),
            self.ended.eq(since_last[0]),
            self.free.eq(issue & last_pixel),
            self.pop.eq(pop),
            self.finished.eq(finished),
        ]
        m.d.sync += [
            since_last.eq(Cat(issue_last, since_last)),
            busy.eq(issue_last | (busy & ~since_last[spacing - 2])),
            turn_next.eq(self.table_base == self.settings.turn_base),
            available.eq(read_pointer != self.seen),
            at_end.eq(
                self.occupied[0] & (read_pointer == Mux(at_end | blocked | ~available, head.end, head.before_end))
            ),
        ]
        with m.If(issue):
            m.d.sync += [
                read_pointer.eq(read_pointer + 1),
                first.eq(at_end),
                available.eq(read_pointer != self.before_seen),
            ]
        with m.If(issue_last):
            m.d.sync += [
                last_pixel.eq(turn_next),
                read_pointer.eq(row_start),
                available.eq(1),
                at_end.eq(head.single),
            ]
        with m.If(pop):
            m.d.sync += [
                read_pointer.eq(read_pointer + 1),
                row_start.eq(read_pointer + 1),
                last_pixel.eq(self.settings.single_pixel),
                available.eq(read_pointer != self.before_seen),
                at_end.eq(self.occupied[1] & self.second_single),
                finished.eq(head.final),
            ]
        if config.single_port:
            m.d.comb += blocked.eq(since_last[write_cycles(config) - 1])
            if config.global_pooling:
                with m.If(self.settings.pool):
                    m.d.comb += blocked.eq(since_last[-1])
        with m.If(self.stopped):
            m.d.sync += available.eq(0)
        with m.If(self.clear):
            m.d.sync += [read_pointer.eq(0), row_start.eq(0), since_last.eq(0), finished.eq(0)]
            m.d.sync += [available.eq(0), at_end.eq(0), busy.eq(0), first.eq(1)]
            m.d.sync += last_pixel.eq(self.settings.single_pixel)
        return m
