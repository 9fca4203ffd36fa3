"""Primitives in plain Amaranth: for simulation, and for parts that have no file of their own."""

from typing import TYPE_CHECKING

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib.memory import Memory

if TYPE_CHECKING:
    from openwork_hw.primitives.block_memory import BlockMemory
    from openwork_hw.primitives.clearable_adder import ClearableAdder
    from openwork_hw.primitives.feature_memory import FeatureMemory
    from openwork_hw.primitives.multipliers import Multipliers
    from openwork_hw.primitives.selector import Selector
    from openwork_hw.primitives.shared_memory import SharedMemory


def multipliers(m: Module, unit: "Multipliers") -> None:
    """Registers around a product, as late as those of every device."""
    w = Signal(signed(8), reset_less=True)
    m.d.sync += w.eq(unit.w)
    for lane in range(unit.lanes):
        x = Signal(signed(8), name=f"x_{lane}", reset_less=True)
        stages = [Signal(signed(16), name=f"product_{lane}_{stage}", reset_less=True) for stage in range(3)]
        m.d.sync += [x.eq(unit.x[lane]), stages[0].eq(x * w), stages[1].eq(stages[0]), stages[2].eq(stages[1])]
        m.d.comb += unit.products[lane].eq(stages[2])


def clearable_adder(m: Module, adder: "ClearableAdder") -> None:
    """An adder and a multiplexer."""
    m.d.comb += adder.o.eq(adder.a + Mux(adder.clear, 0, adder.b))


def selector(m: Module, unit: "Selector") -> None:
    """What synthesis makes of a choice."""
    m.d.comb += unit.o.eq(Array(unit.i[word] for word in range(unit.count))[unit.select])


def block_memory(m: Module, memory: "BlockMemory") -> None:
    """A memory that synthesis infers, with an output register."""
    m.submodules.words = words = Memory(shape=memory.width, depth=memory.depth, init=memory.start)
    write = words.write_port()
    read = words.read_port()
    output = Signal(memory.width, reset_less=True)
    m.d.comb += [
        write.en.eq(memory.write_enable),
        write.addr.eq(memory.write_address),
        write.data.eq(memory.write_data),
        read.addr.eq(memory.read_address),
        memory.read_data.eq(output),
    ]
    m.d.sync += output.eq(read.data)
    if memory.reads_back:
        back = words.read_port()
        back_output = Signal(memory.width, reset_less=True)
        m.d.comb += [back.addr.eq(memory.write_address), memory.back_data.eq(back_output)]
        m.d.sync += back_output.eq(back.data)


def shared_memory(m: Module, memory: "SharedMemory") -> None:
    """A memory with two ports that read, with output registers."""
    m.submodules.words = words = Memory(shape=memory.width, depth=memory.depth, init=[])
    write = words.write_port()
    m.d.comb += [
        write.en.eq(memory.write_enable),
        write.addr.eq(memory.write_address),
        write.data.eq(memory.write_data),
    ]
    addresses, outputs = (memory.read_address_0, memory.read_address_1), (memory.read_data_0, memory.read_data_1)
    for user, (address, output) in enumerate(zip(addresses, outputs, strict=True)):
        read = words.read_port()
        late = Signal(memory.width, name=f"output_{user}", reset_less=True)
        m.d.comb += [read.addr.eq(address), output.eq(late)]
        m.d.sync += late.eq(read.data)


def single_port_memory(m: Module, memory: "FeatureMemory", address: Signal) -> Signal:
    """What is read of a memory with one port, a cycle late: it writes or reads."""
    m.submodules.words = words = Memory(shape=8 * memory.lanes, depth=memory.words, init=[])
    write = words.write_port()
    read = words.read_port()
    m.d.comb += [
        write.en.eq(memory.write_enable),
        write.addr.eq(address),
        write.data.eq(memory.write_data),
        read.en.eq(~memory.write_enable),
        read.addr.eq(address),
    ]
    data: Signal = read.data
    return data
