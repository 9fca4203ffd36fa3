"""A memory with one write port and one read port, in plain Amaranth and in the block memories of ECP5, iCE40 and Gowin."""

from collections.abc import Sequence

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ConfigError, Technology, bits_for
from openwork_hw.primitives.pins import pins

_DP16KD_MODES = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1}
"""Data width of a DP16KD by the most words it then holds."""

_SB_RAM40_MODES = {
    256: tuple(range(16)),
    512: (0, 2, 4, 6, 8, 10, 12, 14),
    1024: (1, 5, 9, 13),
    2048: (3, 11),
}
"""Data pins in use of an SB_RAM40_4K by the most words it then holds; the mode number counts the entries."""

_GOWIN_MODES = {512: 36, 1024: 18, 2048: 9, 4096: 4, 8192: 2, 16384: 1}
"""Data width of an SDPX9B, or below 9 of an SDPB, by the most words it then holds."""

MOST_WORDS = {
    Technology.ECP5: max(_DP16KD_MODES),
    Technology.ICE40: max(_SB_RAM40_MODES),
    Technology.GOWIN: max(_GOWIN_MODES),
}
"""Words of a block memory, where a device sets a limit."""


class BlockMemory(wiring.Component):
    """Hold `depth` words of `width` bits; write one and read one each cycle.

    Function
        read_data[t+2] = memory[read_address[t]]; where write_enable, memory[write_address] = write_data from the next
        cycle on.
    Ports
        write_enable : in, 1
        write_address : in, range(depth)
        write_data : in, width bits
        read_address : in, range(depth); read every cycle
        read_data : out, width bits
    Timing
        Latency 2 (the memory's own register and its output register), a word each cycle. No combinational path.
    Cost
        ECP5: ceil(width / w) DP16KD, output register included, w = 36, 18, 9, 4, 2, 1 for up to 512, 1024 to 16,384
        words.
        iCE40: ceil(width / w) SB_RAM40_4K, w = 16, 8, 4, 2 for up to 256, 512, 1024, 2048 words, and width flip-flops.
        Gowin: ceil(width / w) SDPX9B or SDPB, w as for ECP5, and width flip-flops.
    Limits
        Reading the address that is written in the same cycle gives an undefined word: devices differ.
        Contents are those of the start after power-up, and are not reset. ECP5 and Gowin hold up to 16,384 words, iCE40 up to
        2,048, which start as zero there. Without a start, a memory's contents on Gowin are undefined.
    """

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal

    latency_cycles = 2

    def __init__(self, width: int, depth: int, technology: Technology, start: Sequence[int] = ()) -> None:
        """`start`: the first words after power-up; zeros behind them."""
        if width < 1 or depth < 1:
            raise ConfigError(f"a block memory has at least one word of one bit, not {depth} of {width}")
        if depth > MOST_WORDS.get(technology, depth):
            raise ConfigError(
                f"a block memory of {technology} holds at most {MOST_WORDS[technology]} words, not {depth}"
            )
        if len(start) > depth or (start and technology is Technology.ICE40):
            raise ConfigError(
                f"a block memory of {technology} with {depth} words does not start with {len(start)} of them"
            )
        self._width = width
        self._depth = depth
        self._technology = technology
        self._start = start
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(range(depth)),
                "write_data": In(width),
                "read_address": In(range(depth)),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        match self._technology:
            case Technology.ECP5:
                self._elaborate_ecp5(m)
            case Technology.ICE40:
                self._elaborate_ice40(m)
            case Technology.GOWIN:
                self._elaborate_gowin(m)
            case Technology.GENERIC:
                self._elaborate_generic(m)
        return m

    def _elaborate_generic(self, m: Module) -> None:
        m.submodules.words = words = memory.Memory(shape=self._width, depth=self._depth, init=self._start)
        write = words.write_port()
        read = words.read_port()
        output = Signal(self._width, reset_less=True)
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address),
            self.read_data.eq(output),
        ]
        m.d.sync += output.eq(read.data)

    def _elaborate_ecp5(self, m: Module) -> None:
        mode = next(width for words, width in _DP16KD_MODES.items() if self._depth <= words)
        # Port A writes and port B reads. Wide words use the lowest address pins of the write port as byte enables.
        enables = {36: 4, 18: 2}.get(mode, 0)
        low_bits = 14 - bits_for(next(words for words in _DP16KD_MODES if self._depth <= words))
        write_address = Signal(14)
        read_address = Signal(14)
        m.d.comb += [
            write_address.eq(Cat(Const((1 << enables) - 1, low_bits), self.write_address)),
            read_address.eq(Cat(Const(0, low_bits), self.read_address)),
        ]
        for low in range(0, self._width, mode):
            used = min(mode, self._width - low)
            write_data = Signal(36, name=f"write_data_{low}")
            read_data = Signal(36, name=f"read_data_{low}")
            m.d.comb += write_data.eq(self.write_data[low : low + used])
            # 36 bits leave through both ports' data pins, narrower words through port B's alone.
            m.d.comb += self.read_data[low : low + used].eq(read_data if mode == 36 else read_data[18:])
            m.submodules[f"memory_{low}"] = Instance(
                "DP16KD",
                p_DATA_WIDTH_A=mode,
                p_DATA_WIDTH_B=mode,
                p_REGMODE_A="OUTREG",
                p_REGMODE_B="OUTREG",
                p_RESETMODE="SYNC",
                p_ASYNC_RESET_RELEASE="SYNC",
                p_CSDECODE_A="0b000",
                p_CSDECODE_B="0b000",
                p_CLKAMUX="CLKA",
                p_CLKBMUX="CLKB",
                p_GSR="DISABLED",
                i_CLKA=ClockSignal(),
                i_CLKB=ClockSignal(),
                i_CEA=self.write_enable,
                i_WEA=Const(1),
                i_OCEA=Const(1),
                i_RSTA=Const(0),
                i_CEB=Const(1),
                i_WEB=Const(0),
                i_OCEB=Const(1),
                i_RSTB=Const(0),
                **pins("i_CSA", Const(0, 3)),
                **pins("i_CSB", Const(0, 3)),
                **pins("i_ADA", write_address),
                **pins("i_ADB", read_address),
                **pins("i_DIA", write_data[:18]),
                **pins("i_DIB", write_data[18:]),
                **pins("o_DOA", read_data[:18]),
                **pins("o_DOB", read_data[18:]),
                **_ecp5_values([word >> low & ((1 << used) - 1) for word in self._start], mode),
            )

    def _elaborate_ice40(self, m: Module) -> None:
        mode, pins = next(
            (mode, pins) for mode, (words, pins) in enumerate(_SB_RAM40_MODES.items()) if self._depth <= words
        )
        output = Signal(self._width, reset_less=True)
        m.d.comb += self.read_data.eq(output)
        for low in range(0, self._width, len(pins)):
            write_data = Signal(16, name=f"write_data_{low}")
            read_data = Signal(16, name=f"read_data_{low}")
            for bit, pin in zip(range(low, self._width), pins, strict=False):
                m.d.comb += write_data[pin].eq(self.write_data[bit])
                m.d.sync += output[bit].eq(read_data[pin])
            m.submodules[f"memory_{low}"] = Instance(
                "SB_RAM40_4K",
                p_READ_MODE=mode,
                p_WRITE_MODE=mode,
                i_RCLK=ClockSignal(),
                i_RCLKE=Const(1),
                i_RE=Const(1),
                i_RADDR=_extended(self.read_address, 11),
                i_WCLK=ClockSignal(),
                i_WCLKE=Const(1),
                i_WE=self.write_enable,
                i_WADDR=_extended(self.write_address, 11),
                i_MASK=Const(0, 16),
                i_WDATA=write_data,
                o_RDATA=read_data,
            )

    def _elaborate_gowin(self, m: Module) -> None:
        words, mode = next((words, mode) for words, mode in _GOWIN_MODES.items() if self._depth <= words)
        nines = mode >= 9
        # Wide words use the lowest address pins of the write port as byte enables.
        low_bits = 14 - bits_for(words)
        enables = Const((1 << mode // 9) - 1 if mode > 9 else 0, low_bits)
        # The part's own output register does not work in all parts of the family: nextpnr, too, takes flip-flops for it.
        output = Signal(self._width, reset_less=True)
        m.d.comb += self.read_data.eq(output)
        for low in range(0, self._width, mode):
            used = min(mode, self._width - low)
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
                i_CEA=self.write_enable,
                i_RESETA=Const(0),
                i_ADA=_extended(Cat(enables, self.write_address), 14),
                i_BLKSELA=Const(0, 3),
                i_DI=_extended(self.write_data[low : low + used], len(read_data)),
                i_CLKB=ClockSignal(),
                i_CEB=Const(1),
                i_OCE=Const(1),
                i_RESETB=Const(0),
                i_ADB=_extended(Cat(Const(0, low_bits), self.read_address), 14),
                i_BLKSELB=Const(0, 3),
                o_DO=read_data,
                **_gowin_values([word >> low & ((1 << used) - 1) for word in self._start], mode),
            )


def _ecp5_values(words: Sequence[int], width: int) -> dict[str, Const]:
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


def _gowin_values(words: Sequence[int], width: int) -> dict[str, Const]:
    """INIT_RAM_00 to INIT_RAM_3F of an SDPX9B or SDPB: the words, one after the other."""
    bits = sum(word << width * number for number, word in enumerate(words))
    row_bits = 288 if width >= 9 else 256
    return {
        f"p_INIT_RAM_{row:02X}": Const(bits >> row_bits * row & ((1 << row_bits) - 1), row_bits)
        for row in range(64 if words else 0)
    }


def _extended(value: Value, bits: int) -> Value:
    return Cat(value, Const(0, bits - len(value)))
