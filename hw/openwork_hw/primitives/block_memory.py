"""A memory with one write port and one read port, in plain Amaranth or in the block memories of a device."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ConfigError, Technology
from openwork_hw.primitives.technologies import primitives_of


class BlockMemory(wiring.Component):
    """Hold `depth` words of `width` bits; write one and read one each cycle.

    Role
        The memory behind row buffers, tap tables, feature memories with two ports, queues and images.
    Function
        read_data[t+2] = memory[read_address[t]]; where write_enable, memory[write_address] = write_data from the next
        cycle on.
    Ports
        write_enable : in, 1
        write_address : in, range(depth)
        write_data : in, width bits
        read_address : in, range(depth); read every cycle
        read_data : out, width bits
        back_data : out, width bits; in a memory that reads back only
    Timing
        Latency 2 (the memory's own register and its output register), one word per cycle. No combinational path.
        A memory that reads back: back_data[t+2] = memory[write_address[t]], unless write_enable[t].
    Cost
        ECP5: ceil(width / w) DP16KD, output register included, w = 36, 18, 9, 4, 2, 1 for up to 512, 1024 to 16,384
        words; 18 for up to 512 words, too, in a memory that reads back.
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
    back_data: Signal
    width: int
    depth: int
    start: Sequence[int]
    reads_back: bool

    latency_cycles = 2

    def __init__(
        self, width: int, depth: int, technology: Technology, start: Sequence[int] = (), *, reads_back: bool = False
    ) -> None:
        """`start`: the first words after power-up; zeros behind them. `reads_back`: the write port can read, too."""
        if width < 1 or depth < 1:
            raise ConfigError(f"a block memory has at least one word of one bit, not {depth} of {width}")
        self._primitives = primitives = primitives_of(technology)
        if primitives.block_words is not None and depth > primitives.block_words:
            raise ConfigError(
                f"a block memory of {technology} holds at most {primitives.block_words} words, not {depth}"
            )
        if len(start) > depth or (start and not primitives.block_start):
            raise ConfigError(
                f"a block memory of {technology} with {depth} words does not start with {len(start)} of them"
            )
        if reads_back and not primitives.reads_back:
            raise ConfigError(f"the write port of a block memory of {technology} does not read")
        self.width, self.depth, self.start, self.reads_back = width, depth, start, reads_back
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(range(depth)),
                "write_data": In(width),
                "read_address": In(range(depth)),
                "read_data": Out(width),
            }
            | ({"back_data": Out(width)} if reads_back else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._primitives.block_memory(m, self)
        return m
