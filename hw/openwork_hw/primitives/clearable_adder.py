"""An adder whose second addend can be left out, in plain Amaranth or in the carry cells of a device."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import Technology
from openwork_hw.primitives.technologies import primitives_of


class ClearableAdder(wiring.Component):
    """Add two numbers, or hand on the first number alone.

    Role
        Part of an `Accumulator` and of a `PooledSum`: a sum that begins anew costs no multiplexer on ECP5.
    Function
        o = a + (0 if clear else b), wrapped at `width` bits.
    Ports
        a, b : in, signed(width)
        clear : in, 1
        o : out, signed(width)
    Timing
        Combinational.
    Cost
        ECP5: ceil(width / 2) CCU2C, the clear folded into them; elsewhere an adder of width bits and a multiplexer.
    Limits
        -
    Verified by
        tests/openwork_hw/primitives/test_accumulator.py::test_carry_cells_equal_the_adder
    """

    a: Signal
    b: Signal
    clear: Signal
    o: Signal
    width: int

    def __init__(self, width: int, technology: Technology) -> None:
        self.width = width
        self._primitives = primitives_of(technology)
        number = signed(width)
        super().__init__({"a": In(number), "b": In(number), "clear": In(1), "o": Out(number)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._primitives.clearable_adder(m, self)
        return m
