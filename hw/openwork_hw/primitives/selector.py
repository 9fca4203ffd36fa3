"""A choice of one of several words, in plain Amaranth or in the look-up tables and wide multiplexers of a device."""

from amaranth.hdl import Module, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import Technology
from openwork_hw.primitives.technologies import primitives_of


class Selector(wiring.Component):
    """Hand on the word that `select` names.

    Role
        Part of the `Drain`, the `OperandShift` and the `Requantizer`, where most of the multiplexers of an array are.
    Function
        o = i[select]; undefined for a select beyond the last word.
    Ports
        i : in, count x width bits
        select : in, range(count)
        o : out, width bits
    Timing
        Combinational.
    Cost
        ECP5, up to 4 words: 2 LUT4 and a PFUMX per bit; up to 8 words: 4 LUT4, 2 PFUMX and an L6MUX21 per bit. Synthesis alone
        takes up to twice as much, because it gives the two LUTs under a PFUMX the same inputs.
        For other technologies and counts, synthesis decides.
    Limits
        None.
    Verified by
        tests/openwork_hw/primitives/test_models.py::test_our_look_up_tables_and_multiplexers_select
    """

    i: data.View
    select: Value
    o: Value
    width: int
    count: int

    def __init__(self, width: int, count: int, technology: Technology) -> None:
        self.width = width
        self.count = count
        self._primitives = primitives_of(technology)
        super().__init__({"i": In(data.ArrayLayout(width, count)), "select": In(range(count)), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._primitives.selector(m, self)
        return m
