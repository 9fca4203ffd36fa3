"""The activation table of one PE, or of two PEs that share a memory."""

from amaranth.hdl import Elaboratable, Module, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.commands import TABLE_VALUES
from openwork_hw.arch.config import Technology
from openwork_hw.arch.timing import ACTIVATION_TABLE_CYCLES
from openwork_hw.array.payloads import TableWrite
from openwork_hw.primitives.block_memory import BlockMemory
from openwork_hw.primitives.shared_memory import SharedMemory


class ActivationTable(wiring.Component):
    """Give a byte for each byte: any function of one int8.

    Role
        Stands between two PEs of a `Chain`: the outputs of both go through the table, one lane of each PE per cycle.
    Function
        o[n][t + latency_cycles] = table[i[n][t]]; place p of the table holds what becomes of p - 128. Where i_write.enable is high,
        table[i_write.address] = i_write.value from the next cycle on.
    Ports
        i : in, for each user 8 bits: a number + 128. As a signed number it would be a memory's address below 0 in Verilog
        o : out, for each user signed 8
        i_write : in, TableWrite
    Timing
        latency_cycles = 2, one byte per user and cycle. No combinational path.
    Cost
        One block memory on ECP5 (see SharedMemory) or for a single user.
    Limits
        What goes through the table while i_write.enable is high is undefined. Contents are undefined until they are written.
    """

    latency_cycles = ACTIVATION_TABLE_CYCLES

    i: list[Value]
    o: list[Value]
    i_write: data.View

    def __init__(self, users: int, technology: Technology) -> None:
        """`users`: 1 or 2."""
        self._users = users
        self._technology = technology
        super().__init__({"i": In(8).array(users), "o": Out(signed(8)).array(users), "i_write": In(TableWrite())})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        if self._users == 1:
            m.submodules.memory = one = BlockMemory(8, TABLE_VALUES, self._technology)
            m.d.comb += [one.read_address.eq(self.i[0]), self.o[0].eq(one.read_data)]
            write = one
        else:
            m.submodules.memory = both = SharedMemory(8, TABLE_VALUES, self._technology)
            m.d.comb += [
                both.read_address_0.eq(self.i[0]),
                both.read_address_1.eq(self.i[1]),
                self.o[0].eq(both.read_data_0),
                self.o[1].eq(both.read_data_1),
            ]
            write = both
        m.d.comb += [
            write.write_enable.eq(self.i_write.enable),
            write.write_address.eq(self.i_write.address),
            write.write_data.eq(self.i_write.value),
        ]
        return m
