"""A memory that two users read in the same cycle, in plain Amaranth or in one block memory of a device."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ConfigError, Technology
from openwork_hw.primitives.block_memory import BlockMemory
from openwork_hw.primitives.technologies import primitives_of


class SharedMemory(wiring.Component):
    """Hold `depth` words of `width` bits for two readers; write one word, or read two, in each cycle.

    Role
        The memory behind the activation tables of two PEs, which are written only while neither PE reads.
    Function
        read_data_0[t+2] = memory[read_address_0[t]], if write_enable[t] is low; so for read_data_1. Where write_enable is high,
        memory[write_address] = write_data from the next cycle on.
    Ports
        write_enable : in, 1
        write_address : in, range(depth)
        write_data : in, width bits
        read_address_0, read_address_1 : in, range(depth); read every cycle
        read_data_0, read_data_1 : out, width bits
    Timing
        Latency 2 (the memory's own register and its output register), two words per cycle. No combinational path.
    Cost
        ECP5: one DP16KD, whose first port also writes, and a choice of its address. Other parts have no block memory with two ports
        that read: they take two block memories with equal contents.
    Limits
        What is read in a cycle with write_enable is undefined. A word has at most 9 bits, and there are at most 2,048 words.
    """

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    read_address_0: Signal
    read_address_1: Signal
    read_data_0: Signal
    read_data_1: Signal
    width: int
    depth: int

    latency_cycles = BlockMemory.latency_cycles

    def __init__(self, width: int, depth: int, technology: Technology) -> None:
        if not 1 <= width <= 9 or not 1 <= depth <= 2048:
            raise ConfigError(f"a shared memory has 1 to 2,048 words of 1 to 9 bits, not {depth} of {width}")
        self._technology = technology
        self.width, self.depth = width, depth
        super().__init__(
            {"write_enable": In(1), "write_address": In(range(depth)), "write_data": In(width)}
            | {f"read_address_{user}": In(range(depth)) for user in (0, 1)}
            | {f"read_data_{user}": Out(width) for user in (0, 1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        build = primitives_of(self._technology).shared_memory
        if build is not None:
            build(m, self)
            return m
        addresses: tuple[Value, ...] = (self.read_address_0, self.read_address_1)
        for user, (address, data) in enumerate(zip(addresses, (self.read_data_0, self.read_data_1), strict=True)):
            m.submodules[f"copy_{user}"] = copy = BlockMemory(self.width, self.depth, self._technology)
            m.d.comb += [
                copy.write_enable.eq(self.write_enable),
                copy.write_address.eq(self.write_address),
                copy.write_data.eq(self.write_data),
                copy.read_address.eq(address),
                data.eq(copy.read_data),
            ]
        return m
