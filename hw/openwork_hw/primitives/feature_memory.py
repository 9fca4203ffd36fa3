"""A PE's feature memory, a byte for each lane; with two ports, or with one as in the large memories of iCE40."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig, ConfigError, Technology
from openwork_hw.primitives.block_memory import BlockMemory

_SPRAM_WORDS = 16384


class FeatureMemory(wiring.Component):
    """Hold the activations of a PE: `feature_words` words of a byte for each lane.

    Function
        read_data[t+2] = memory[read_address[t]]; where write_enable, memory[write_address] = write_data from the next
        cycle on.
    Ports
        write_enable : in, 1
        write_address : in, range(feature_words)
        write_data : in, 8 * lanes bits, lane 0 lowest
        read_address : in, range(feature_words); read every cycle
        read_data : out, 8 * lanes bits
    Timing
        Latency 2, a word each cycle. No combinational path.
        Where `single_port`, a cycle that writes does not read: read_data two cycles later is undefined.
    Cost
        Two ports: those of BlockMemory. One port on iCE40: an SB_SPRAM256KA for each two lanes, 8 * lanes flip-flops.
    Limits
        Two ports: reading the address that is written in the same cycle gives an undefined word.
        iCE40 with one port holds up to 16,384 words; its contents are undefined after power-up.
    """

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal

    latency_cycles = 2

    def __init__(self, config: ArrayConfig) -> None:
        if config.technology is Technology.ICE40 and config.single_port and config.feature_words > _SPRAM_WORDS:
            raise ConfigError(
                f"a single-port feature memory of ice40 holds at most {_SPRAM_WORDS} words, not {config.feature_words}"
            )
        self._config = config
        self._two_ports: BlockMemory | None = None
        if not config.single_port or config.technology is Technology.ECP5:
            self._two_ports = BlockMemory(8 * config.lanes, config.feature_words, config.technology)
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(range(config.feature_words)),
                "write_data": In(8 * config.lanes),
                "read_address": In(range(config.feature_words)),
                "read_data": Out(8 * config.lanes),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self._two_ports is not None:
            m.submodules.memory = self._two_ports
            wiring.connect(m, wiring.flipped(self), self._two_ports)
            return m
        address = Signal(range(self._config.feature_words))
        output = Signal(8 * self._config.lanes, reset_less=True)
        m.d.comb += [
            address.eq(Mux(self.write_enable, self.write_address, self.read_address)),
            self.read_data.eq(output),
        ]
        if self._config.technology is Technology.ICE40:
            read_data = self._spram(m, address)
        else:
            read_data = self._plain(m, address)
        m.d.sync += output.eq(read_data)
        return m

    def _plain(self, m: Module, address: Signal) -> Signal:
        m.submodules.words = words = memory.Memory(
            shape=8 * self._config.lanes, depth=self._config.feature_words, init=[]
        )
        write = words.write_port()
        read = words.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(address),
            write.data.eq(self.write_data),
            read.en.eq(~self.write_enable),
            read.addr.eq(address),
        ]
        data: Signal = read.data
        return data

    def _spram(self, m: Module, address: Signal) -> Signal:
        width = 8 * self._config.lanes
        data = Signal(width)
        for low in range(0, width, 16):
            used = min(16, width - low)
            write_data = Signal(16, name=f"write_data_{low}")
            read_data = Signal(16, name=f"read_data_{low}")
            m.d.comb += [
                write_data.eq(self.write_data[low : low + used]),
                data[low : low + used].eq(read_data),
            ]
            m.submodules[f"memory_{low}"] = Instance(
                "SB_SPRAM256KA",
                i_CLOCK=ClockSignal(),
                i_ADDRESS=Cat(address, Const(0, 14 - len(address))),
                i_DATAIN=write_data,
                i_MASKWREN=Const(0b1111, 4),
                i_WREN=self.write_enable,
                i_CHIPSELECT=Const(1),
                i_STANDBY=Const(0),
                i_SLEEP=Const(0),
                i_POWEROFF=Const(1),
                o_DATAOUT=read_data,
            )
        return data
