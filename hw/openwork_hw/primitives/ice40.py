"""Primitives in the cells of iCE40: SB_MAC16, SB_RAM40_4K and SB_SPRAM256KA."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal

from openwork_hw.primitives.pins import extended

if TYPE_CHECKING:
    from openwork_hw.primitives.block_memory import BlockMemory
    from openwork_hw.primitives.feature_memory import FeatureMemory
    from openwork_hw.primitives.multipliers import Multipliers

BLOCK_MODES = {
    256: tuple(range(16)),
    512: (0, 2, 4, 6, 8, 10, 12, 14),
    1024: (1, 5, 9, 13),
    2048: (3, 11),
}
"""Data pins in use of an SB_RAM40_4K by the most words it then holds; the mode number counts the entries."""

SINGLE_PORT_WORDS = 16384
"""Words of an SB_SPRAM256KA."""


def multipliers(m: Module, unit: "Multipliers") -> None:
    """An SB_MAC16 for each two lanes."""
    w = Signal(8, reset_less=True)
    m.d.sync += w.eq(unit.w)
    for lane in range(0, unit.lanes, 2):
        lanes = min(2, unit.lanes - lane)
        x = Signal(16, name=f"x_{lane}", reset_less=True)
        o = Signal(32, name=f"o_{lane}")
        m.d.sync += x.eq(Cat(unit.x[lane + i] for i in range(lanes)))
        m.d.comb += [unit.products[lane + i].eq(o.word_select(i, 16)) for i in range(lanes)]
        m.submodules[f"multiplier_{lane}"] = Instance(
            "SB_MAC16",
            p_NEG_TRIGGER=Const(0, 1),
            p_A_SIGNED=Const(1, 1),
            p_B_SIGNED=Const(1, 1),
            p_MODE_8x8=Const(1, 1),
            p_A_REG=Const(1, 1),
            p_B_REG=Const(1, 1),
            p_C_REG=Const(0, 1),
            p_D_REG=Const(0, 1),
            p_TOP_8x8_MULT_REG=Const(1, 1),
            p_BOT_8x8_MULT_REG=Const(1, 1),
            p_PIPELINE_16x16_MULT_REG1=Const(0, 1),
            p_PIPELINE_16x16_MULT_REG2=Const(0, 1),
            # The output registers are those of the adders, which add 0 (C and D) to the products.
            p_TOPOUTPUT_SELECT=Const(1, 2),
            p_TOPADDSUB_LOWERINPUT=Const(1, 2),
            p_TOPADDSUB_UPPERINPUT=Const(1, 1),
            p_TOPADDSUB_CARRYSELECT=Const(0, 2),
            p_BOTOUTPUT_SELECT=Const(1, 2),
            p_BOTADDSUB_LOWERINPUT=Const(1, 2),
            p_BOTADDSUB_UPPERINPUT=Const(1, 1),
            p_BOTADDSUB_CARRYSELECT=Const(0, 2),
            i_CLK=ClockSignal(),
            i_CE=Const(1),
            i_A=x,
            i_B=Cat(w, w),
            i_C=Const(0, 16),
            i_D=Const(0, 16),
            i_AHOLD=Const(0),
            i_BHOLD=Const(0),
            i_CHOLD=Const(0),
            i_DHOLD=Const(0),
            i_IRSTTOP=Const(0),
            i_IRSTBOT=Const(0),
            i_ORSTTOP=Const(0),
            i_ORSTBOT=Const(0),
            i_OLOADTOP=Const(0),
            i_OLOADBOT=Const(0),
            i_OHOLDTOP=Const(0),
            i_OHOLDBOT=Const(0),
            i_ADDSUBTOP=Const(0),
            i_ADDSUBBOT=Const(0),
            i_CI=Const(0),
            i_ACCUMCI=Const(0),
            i_SIGNEXTIN=Const(0),
            o_O=o,
        )


def block_memory(m: Module, memory: "BlockMemory") -> None:
    """SB_RAM40_4K side by side, with flip-flops as output register."""
    mode, pins = next((mode, pins) for mode, (words, pins) in enumerate(BLOCK_MODES.items()) if memory.depth <= words)
    output = Signal(memory.width, reset_less=True)
    m.d.comb += memory.read_data.eq(output)
    for low in range(0, memory.width, len(pins)):
        write_data = Signal(16, name=f"write_data_{low}")
        read_data = Signal(16, name=f"read_data_{low}")
        for bit, pin in zip(range(low, memory.width), pins, strict=False):
            m.d.comb += write_data[pin].eq(memory.write_data[bit])
            m.d.sync += output[bit].eq(read_data[pin])
        m.submodules[f"memory_{low}"] = Instance(
            "SB_RAM40_4K",
            p_READ_MODE=mode,
            p_WRITE_MODE=mode,
            i_RCLK=ClockSignal(),
            i_RCLKE=Const(1),
            i_RE=Const(1),
            i_RADDR=extended(memory.read_address, 11),
            i_WCLK=ClockSignal(),
            i_WCLKE=Const(1),
            i_WE=memory.write_enable,
            i_WADDR=extended(memory.write_address, 11),
            i_MASK=Const(0, 16),
            i_WDATA=write_data,
            o_RDATA=read_data,
        )


def single_port_memory(m: Module, memory: "FeatureMemory", address: Signal) -> Signal:
    """What is read of SB_SPRAM256KA side by side, a cycle late."""
    width = 8 * memory.lanes
    data = Signal(width)
    for low in range(0, width, 16):
        used = min(16, width - low)
        write_data = Signal(16, name=f"write_data_{low}")
        read_data = Signal(16, name=f"read_data_{low}")
        m.d.comb += [
            write_data.eq(memory.write_data[low : low + used]),
            data[low : low + used].eq(read_data),
        ]
        m.submodules[f"memory_{low}"] = Instance(
            "SB_SPRAM256KA",
            i_CLOCK=ClockSignal(),
            i_ADDRESS=Cat(address, Const(0, 14 - len(address))),
            i_DATAIN=write_data,
            i_MASKWREN=Const(0b1111, 4),
            i_WREN=memory.write_enable,
            i_CHIPSELECT=Const(1),
            i_STANDBY=Const(0),
            i_SLEEP=Const(0),
            i_POWEROFF=Const(1),
            o_DATAOUT=read_data,
        )
    return data
