"""Primitives in the cells of ECP5: MULT18X18D, DP16KD, carry cells and wide multiplexers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value, signed

from openwork_hw.arch.config import bits_for
from openwork_hw.primitives import generic
from openwork_hw.primitives.pins import pins

if TYPE_CHECKING:
    from openwork_hw.primitives.block_memory import BlockMemory
    from openwork_hw.primitives.clearable_adder import ClearableAdder
    from openwork_hw.primitives.multipliers import Multipliers
    from openwork_hw.primitives.selector import Selector
    from openwork_hw.primitives.shared_memory import SharedMemory

BLOCK_MODES = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1}
"""Data width of a DP16KD by the most words it then holds."""

CLEARABLE_ADD = 0xA6AA
"""LUT of a CCU2C half with D = 1: A ^ (B & ~C), and A as the carry where the two addends are equal."""

_MUX2 = 0xCACA
"""LUT4: C ? B : A."""


def multipliers(m: Module, unit: "Multipliers") -> None:
    """A MULT18X18D per lane, all its registers in use."""
    for lane in range(unit.lanes):
        # Operands at the top of the 18 pins, so the product at the top of the 36: no sign extension to route.
        a = Cat(Const(0, 10), unit.x[lane])
        b = Cat(Const(0, 10), unit.w)
        p = Signal(36, name=f"p_{lane}")
        product = Signal(signed(16), name=f"product_{lane}", reset_less=True)
        stages: dict[str, str] = {}
        for stage in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"):
            stages |= {f"p_REG_{stage}_CLK": "CLK0", f"p_REG_{stage}_CE": "CE0", f"p_REG_{stage}_RST": "RST0"}
        m.submodules[f"multiplier_{lane}"] = Instance(
            "MULT18X18D",
            p_CLK0_DIV="ENABLED",
            p_SOURCEB_MODE="B_SHIFT",
            p_RESETMODE="SYNC",
            p_MULT_BYPASS="DISABLED",
            i_SIGNEDA=Const(1),
            i_SIGNEDB=Const(1),
            i_SOURCEA=Const(0),
            i_SOURCEB=Const(0),
            **stages,
            **pins("i_CLK", Cat(ClockSignal(), Const(0, 3))),
            **pins("i_CE", Const(0b1111, 4)),
            **pins("i_RST", Const(0, 4)),
            **pins("i_A", a),
            **pins("i_B", b),
            **pins("o_P", p),
        )
        m.d.sync += product.eq(p[20:])
        m.d.comb += unit.products[lane].eq(product)


def clearable_adder(m: Module, adder: "ClearableAdder") -> None:
    """Carry cells, two bits each, with the clear folded into them."""
    bits = adder.width + adder.width % 2
    a, b = Signal(signed(bits)), Signal(signed(bits))
    total = Signal(bits)
    m.d.comb += [a.eq(adder.a), b.eq(adder.b), adder.o.eq(total)]
    carry = Const(0)
    for low in range(0, bits, 2):
        carry_out = Signal(name=f"carry_{low + 2}")
        m.submodules[f"add_{low}"] = Instance(
            "CCU2C",
            p_INIT0=Const(CLEARABLE_ADD, 16),
            p_INIT1=Const(CLEARABLE_ADD, 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_CIN=carry,
            i_A0=a[low],
            i_B0=b[low],
            i_C0=adder.clear,
            i_D0=Const(1),
            i_A1=a[low + 1],
            i_B1=b[low + 1],
            i_C1=adder.clear,
            i_D1=Const(1),
            o_S0=total[low],
            o_S1=total[low + 1],
            o_COUT=carry_out,
        )
        carry = carry_out


def selector(m: Module, unit: "Selector") -> None:
    """Look-up tables and wide multiplexers for 3 to 8 words; other counts as `generic`."""
    if not 3 <= unit.count <= 8:
        generic.selector(m, unit)
        return
    for bit in range(unit.width):
        # A word beyond the last is the last again.
        words = [unit.i[min(word, unit.count - 1)][bit] for word in range(1 << bits_for(unit.count))]
        quarters = [_mux4(m, unit, f"{bit}_{low}", words[low : low + 4]) for low in range(0, len(words), 4)]
        if len(quarters) == 1:
            m.d.comb += unit.o[bit].eq(quarters[0])
        else:
            m.submodules[f"wide_{bit}"] = Instance(
                "L6MUX21", i_D0=quarters[0], i_D1=quarters[1], i_SD=unit.select[2], o_Z=unit.o[bit]
            )


def _mux4(m: Module, unit: "Selector", name: str, words: list[Value]) -> Signal:
    """A PFUMX over two LUTs."""
    low, high, chosen = (Signal(name=f"{part}_{name}") for part in ("low", "high", "chosen"))
    for half, pair in ((low, words[:2]), (high, words[2:])):
        m.submodules[f"lut_{half.name}"] = Instance(
            "LUT4", p_INIT=Const(_MUX2, 16), i_A=pair[0], i_B=pair[1], i_C=unit.select[0], i_D=Const(0), o_Z=half
        )
    m.submodules[f"mux_{name}"] = Instance("PFUMX", i_ALUT=high, i_BLUT=low, i_C0=unit.select[1], o_Z=chosen)
    return chosen


def shared_memory(m: Module, memory: "SharedMemory") -> None:
    """A DP16KD in words of 9 bits: port A reads or writes, and port B reads."""
    address_a, address_b = Signal(14), Signal(14)
    write_data = Signal(18)
    read_data_a, read_data_b = Signal(18), Signal(18)
    m.d.comb += [
        address_a.eq(Mux(memory.write_enable, memory.write_address, memory.read_address_0) << 3),
        address_b.eq(memory.read_address_1 << 3),
        write_data.eq(memory.write_data),
        memory.read_data_0.eq(read_data_a),
        memory.read_data_1.eq(read_data_b),
    ]
    m.submodules.memory = Instance(
        "DP16KD",
        p_DATA_WIDTH_A=9,
        p_DATA_WIDTH_B=9,
        **_dp16kd_settings(enable=Const(1), write=memory.write_enable),
        **pins("i_ADA", address_a),
        **pins("i_ADB", address_b),
        **pins("i_DIA", write_data),
        **pins("i_DIB", Const(0, 18)),
        **pins("o_DOA", read_data_a),
        **pins("o_DOB", read_data_b),
    )


def block_memory(m: Module, memory: "BlockMemory") -> None:
    """DP16KD side by side, port A writes and port B reads; port A reads, too, in a memory that reads back."""
    modes = {words: width for words, width in BLOCK_MODES.items() if width <= (18 if memory.reads_back else 36)}
    mode = next(width for words, width in modes.items() if memory.depth <= words)
    # Port A writes and port B reads. Wide words use the lowest address pins of the write port as byte enables.
    enables = {36: 4, 18: 2}.get(mode, 0)
    low_bits = 14 - bits_for(next(words for words in modes if memory.depth <= words))
    write_address = Signal(14)
    read_address = Signal(14)
    m.d.comb += [
        write_address.eq(Cat(Const((1 << enables) - 1, low_bits), memory.write_address)),
        read_address.eq(Cat(Const(0, low_bits), memory.read_address)),
    ]
    for low in range(0, memory.width, mode):
        used = min(mode, memory.width - low)
        write_data = Signal(36, name=f"write_data_{low}")
        read_data = Signal(36, name=f"read_data_{low}")
        m.d.comb += write_data.eq(memory.write_data[low : low + used])
        # 36 bits leave through both ports' data pins, narrower words through port B's alone.
        m.d.comb += memory.read_data[low : low + used].eq(read_data if mode == 36 else read_data[18:])
        enable: Value = memory.write_enable
        write: Value = Const(1)
        if memory.reads_back:
            m.d.comb += memory.back_data[low : low + used].eq(read_data)
            enable, write = Const(1), memory.write_enable
        m.submodules[f"memory_{low}"] = Instance(
            "DP16KD",
            p_DATA_WIDTH_A=mode,
            p_DATA_WIDTH_B=mode,
            **_dp16kd_settings(enable=enable, write=write),
            **pins("i_ADA", write_address),
            **pins("i_ADB", read_address),
            **pins("i_DIA", write_data[:18]),
            **pins("i_DIB", write_data[18:]),
            **pins("o_DOA", read_data[:18]),
            **pins("o_DOB", read_data[18:]),
            **_values([word >> low & ((1 << used) - 1) for word in memory.start], mode),
        )


def _dp16kd_settings(enable: Value, write: Value) -> dict[str, object]:
    """What every DP16KD here has: output registers, no reset, one clock, and a port B that only reads.

    Args:
        enable, write: when port A does something, and whether it writes then.
    """
    return {
        "p_REGMODE_A": "OUTREG",
        "p_REGMODE_B": "OUTREG",
        "p_RESETMODE": "SYNC",
        "p_ASYNC_RESET_RELEASE": "SYNC",
        "p_CSDECODE_A": "0b000",
        "p_CSDECODE_B": "0b000",
        "p_CLKAMUX": "CLKA",
        "p_CLKBMUX": "CLKB",
        "p_GSR": "DISABLED",
        "i_CLKA": ClockSignal(),
        "i_CLKB": ClockSignal(),
        "i_CEA": enable,
        "i_WEA": write,
        "i_OCEA": Const(1),
        "i_RSTA": Const(0),
        "i_CEB": Const(1),
        "i_WEB": Const(0),
        "i_OCEB": Const(1),
        "i_RSTB": Const(0),
        **pins("i_CSA", Const(0, 3)),
        **pins("i_CSB", Const(0, 3)),
    }


def _values(words: Sequence[int], width: int) -> dict[str, Const]:
    """INITVAL_00 to INITVAL_3F of a DP16KD: 16 times 18 bits each, in places of 20; words below 9 bits leave out each ninth."""
    byte_bits = 9 if width >= 9 else 8
    bits = sum(word << width * number for number, word in enumerate(words))
    values = {}
    for row in range(64 if words else 0):
        value = 0
        for byte in range(32):
            piece = bits >> byte_bits * (32 * row + byte) & ((1 << byte_bits) - 1)
            value |= piece << 20 * (byte // 2) + 9 * (byte % 2)
        values[f"p_INITVAL_{row:02X}"] = Const(value, 320)
    return values
