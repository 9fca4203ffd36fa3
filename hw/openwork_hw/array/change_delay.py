"""Delays a value that changes rarely, with few registers."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


def copy_cycles(*, use: int, window: int, spacing: int) -> list[int]:
    """When to copy on a value that changes at most every `spacing` cycles, so that it is there when it is used.

    The value is there in cycle 0. A copy made at the end of cycle c is good in cycles c+1 .. c+spacing; the last one is good
    in cycles use .. use+window-1. A shift register would take `use` copies.

    >>> copy_cycles(use=10, window=7, spacing=7), copy_cycles(use=3, window=1, spacing=7)
    ([0, 7, 9], [0])
    >>> copy_cycles(use=3, window=1, spacing=1)
    [0, 1, 2]
    """
    if not 1 <= window <= spacing or use < 1:
        raise ValueError(f"a value that changes every {spacing} cycles cannot be used for {window} from cycle {use}")
    cycles = [0]
    while use + window - 1 > cycles[-1] + spacing:
        cycles.append(cycles[-1] + min(spacing, use - 1 - cycles[-1]))
    return cycles


class ChangeDelay(wiring.Component):
    """Hand on a value that changes at most every `spacing` cycles.

    Role
        Brings settings and row ends to where they are needed, for several parts of a PE. A shift register would cost more.
    Function
        o in cycles t+use .. t+use+window-1 = i in cycle t, for every t with i_change high.
    Ports
        i : in, layout
        i_change : in; `i` holds a new value; high at most once in `spacing` cycles
        o : out, layout
    Timing
        Latency `use` cycles. No combinational path.
    Cost
        len(copy_cycles(...)) registers of the layout and one flag per cycle.
    Limits
        window <= spacing.
    Verified by
        tests/openwork_hw/array/test_element.py::test_a_change_arrives_after_the_delay_for_the_whole_window
    """

    i: data.View
    i_change: Value
    o: data.View

    def __init__(self, layout: data.Layout, *, use: int, window: int, spacing: int) -> None:
        self._layout = layout
        self._copies = copy_cycles(use=use, window=window, spacing=spacing)
        super().__init__({"i": In(layout), "i_change": In(1), "o": Out(layout)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        passed = Signal(self._copies[-1], reset_less=True)
        changes = Cat(self.i_change, passed)
        m.d.sync += passed.eq(changes)
        value = self.i
        for cycle in self._copies:
            copy = Signal(self._layout, name=f"copy_{cycle}", reset_less=True)
            with m.If(changes[cycle]):
                m.d.sync += copy.eq(value)
            value = copy
        m.d.comb += self.o.eq(value)
        return m
