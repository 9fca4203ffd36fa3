"""A choice of one of several words, in plain Amaranth and in the LUTs and wide multiplexers of ECP5."""

from amaranth.hdl import Array, Const, Instance, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import Technology, bits_for

_MUX2 = 0xCACA
"""LUT4: C ? B : A."""


class Selector(wiring.Component):
    """Hand on the word that `select` names.

    Function
        o = i[select]; undefined for a select beyond the last word.
    Ports
        i : in, count x width bits
        select : in, range(count)
        o : out, width bits
    Timing
        Combinational.
    Cost
        ECP5, up to 4 words: 2 LUT4 and a PFUMX a bit; up to 8 words: 4 LUT4, 2 PFUMX and an L6MUX21 a bit. Synthesis alone takes
        up to twice that, since to it the two LUTs under a PFUMX share their inputs.
        Elsewhere, or for other counts: what synthesis makes of it.
    Limits
        None.
    """

    i: data.View
    select: Value
    o: Value

    def __init__(self, width: int, count: int, technology: Technology) -> None:
        self._width = width
        self._count = count
        self._technology = technology
        super().__init__({"i": In(data.ArrayLayout(width, count)), "select": In(range(count)), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self._technology is not Technology.ECP5 or not 3 <= self._count <= 8:
            m.d.comb += self.o.eq(Array(self.i[word] for word in range(self._count))[self.select])
            return m
        for bit in range(self._width):
            # A word beyond the last is the last again.
            words = [self.i[min(word, self._count - 1)][bit] for word in range(1 << bits_for(self._count))]
            quarters = [self._mux4(m, f"{bit}_{low}", words[low : low + 4]) for low in range(0, len(words), 4)]
            if len(quarters) == 1:
                m.d.comb += self.o[bit].eq(quarters[0])
            else:
                m.submodules[f"wide_{bit}"] = Instance(
                    "L6MUX21", i_D0=quarters[0], i_D1=quarters[1], i_SD=self.select[2], o_Z=self.o[bit]
                )
        return m

    def _mux4(self, m: Module, name: str, words: list[Value]) -> Signal:
        """A PFUMX over two LUTs."""
        low, high, chosen = (Signal(name=f"{part}_{name}") for part in ("low", "high", "chosen"))
        for half, pair in ((low, words[:2]), (high, words[2:])):
            m.submodules[f"lut_{half.name}"] = Instance(
                "LUT4", p_INIT=Const(_MUX2, 16), i_A=pair[0], i_B=pair[1], i_C=self.select[0], i_D=Const(0), o_Z=half
            )
        m.submodules[f"mux_{name}"] = Instance("PFUMX", i_ALUT=high, i_BLUT=low, i_C0=self.select[1], o_Z=chosen)
        return chosen
