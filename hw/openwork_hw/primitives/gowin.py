"""Primitives in the cells of Gowin parts: MULT9X9, SDPX9B and SDPB."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, signed

from openwork_hw.arch.config import bits_for
from openwork_hw.primitives.pins import extended

if TYPE_CHECKING:
    from openwork_hw.primitives.block_memory import BlockMemory
    from openwork_hw.primitives.multipliers import Multipliers

BLOCK_MODES = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1}
"""Data width of an SDPX9B, or below 9 of an SDPB, by the most words it then holds."""


def multipliers(m: Module, unit: "Multipliers") -> None:
    """A MULT9X9 per lane, with registers of the fabric on both sides."""
    w = Signal(signed(8), reset_less=True)
    m.d.sync += w.eq(unit.w)
    for lane in range(unit.lanes):
        x = Signal(signed(8), name=f"x_{lane}", reset_less=True)
        o = Signal(18, name=f"o_{lane}")
        product = Signal(signed(16), name=f"product_{lane}", reset_less=True)
        m.d.sync += [x.eq(unit.x[lane]), product.eq(o)]
        m.d.comb += unit.products[lane].eq(product)
        m.submodules[f"multiplier_{lane}"] = Instance(
            "MULT9X9",
            p_AREG=Const(1, 1),
            p_BREG=Const(1, 1),
            p_PIPE_REG=Const(0, 1),
            p_OUT_REG=Const(1, 1),
            p_ASIGN_REG=Const(0, 1),
            p_BSIGN_REG=Const(0, 1),
            p_SOA_REG=Const(0, 1),
            p_MULT_RESET_MODE="SYNC",
            i_CLK=ClockSignal(),
            i_CE=Const(1),
            i_RESET=Const(0),
            i_A=Cat(x, x[-1]),
            i_B=Cat(w, w[-1]),
            i_ASIGN=Const(1),
            i_BSIGN=Const(1),
            # The operands are these, and not the neighbour's.
            i_ASEL=Const(0),
            i_BSEL=Const(0),
            i_SIA=Const(0, 9),
            i_SIB=Const(0, 9),
            o_DOUT=o,
        )


def block_memory(m: Module, memory: "BlockMemory") -> None:
    """SDPX9B or SDPB side by side, with flip-flops as output register."""
    words, mode = next((words, mode) for words, mode in BLOCK_MODES.items() if memory.depth <= words)
    nines = mode >= 9
    # Wide words use the lowest address pins of the write port as byte enables.
    low_bits = 14 - bits_for(words)
    enables = Const((1 << mode // 9) - 1 if mode > 9 else 0, low_bits)
    # The part's own output register does not work in all parts of the family: nextpnr, too, takes flip-flops for it.
    output = Signal(memory.width, reset_less=True)
    m.d.comb += memory.read_data.eq(output)
    for low in range(0, memory.width, mode):
        used = min(mode, memory.width - low)
        read_data = Signal(36 if nines else 32, name=f"read_data_{low}")
        m.d.sync += output[low : low + used].eq(read_data)
        m.submodules[f"memory_{low}"] = Instance(
            "SDPX9B" if nines else "SDPB",
            p_BIT_WIDTH_0=mode,
            p_BIT_WIDTH_1=mode,
            p_READ_MODE=Const(0, 1),
            p_BLK_SEL_0=Const(0, 3),
            p_BLK_SEL_1=Const(0, 3),
            p_RESET_MODE="SYNC",
            i_CLKA=ClockSignal(),
            i_CEA=memory.write_enable,
            i_RESETA=Const(0),
            i_ADA=extended(Cat(enables, memory.write_address), 14),
            i_BLKSELA=Const(0, 3),
            i_DI=extended(memory.write_data[low : low + used], len(read_data)),
            i_CLKB=ClockSignal(),
            i_CEB=Const(1),
            i_OCE=Const(1),
            i_RESETB=Const(0),
            i_ADB=extended(Cat(Const(0, low_bits), memory.read_address), 14),
            i_BLKSELB=Const(0, 3),
            o_DO=read_data,
            **_values([word >> low & ((1 << used) - 1) for word in memory.start], mode),
        )


def _values(words: Sequence[int], width: int) -> dict[str, Const]:
    """INIT_RAM_00 to INIT_RAM_3F of an SDPX9B or SDPB: the words, one after the other."""
    bits = sum(word << width * number for number, word in enumerate(words))
    row_bits = 288 if width >= 9 else 256
    return {
        f"p_INIT_RAM_{row:02X}": Const(bits >> row_bits * row & ((1 << row_bits) - 1), row_bits)
        for row in range(64 if words else 0)
    }
