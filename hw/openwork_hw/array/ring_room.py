"""Counts the nonzeros in the ring of a row buffer."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig


class RingRoom(wiring.Component):
    """Say whether a row buffer can take a nonzero in the next cycle.

    Role
        The write side of a `RowBuffer` asks here before it says that it is ready.
    Function
        room[t+1] = not queue_full, and fewer than row_buffer_nonzeros were accepted and not freed up to t, what was freed in t
        left out.
    Ports
        accept : in; a nonzero goes into the ring
        free : in; one has been replayed for the last time
        queue_full : in; no row may end in the next cycle
        clear : in; the ring is empty
        room : out
        overfull : out; the ring is full, and nothing was freed in the cycle before
    Timing
        What was freed counts two cycles later, what was accepted at once. Combinational path: none to room.
    Cost
        A counter. The ring's depth is a power of two: the counter's top bit says full.
    Limits
        None.
    """

    accept: Value
    free: Value
    queue_full: Value
    clear: Value
    room: Value
    overfull: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "accept": In(1),
                "free": In(1),
                "queue_full": In(1),
                "clear": In(1),
                "room": Out(1),
                "overfull": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        used = Signal(range(self._config.row_buffer_nonzeros + 1), reset_less=True)
        room = Signal(init=1, reset_less=True)
        # Counted a cycle later: of all, only what was accepted has to be known in its own cycle.
        accepted, freed = Signal(reset_less=True), Signal(reset_less=True)
        one_left, two_left = used[:-1].all(), used[1:-1].all()
        ring_full = used[-1] | (one_left & (accepted | self.accept)) | (two_left & accepted & self.accept)
        m.d.comb += [self.room.eq(room), self.overfull.eq(used[-1] & ~freed)]
        m.d.sync += [
            accepted.eq(self.accept),
            freed.eq(self.free),
            used.eq(used + Cat(accepted ^ freed, (freed & ~accepted).replicate(len(used) - 1))),
            room.eq(~ring_full & ~self.queue_full),
        ]
        with m.If(self.clear):
            m.d.sync += [used.eq(0), accepted.eq(0), freed.eq(0), room.eq(1)]
        return m
