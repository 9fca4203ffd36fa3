"""A PE's feature memory, one byte per lane; with two ports, or with one as in the large memories of iCE40."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig, ConfigError
from openwork_hw.primitives.block_memory import BlockMemory
from openwork_hw.primitives.technologies import primitives_of


class FeatureMemory(wiring.Component):
    """Hold the activations of a PE: `feature_words` words of one byte per lane.

    Role
        Part of an `Element`: layers read their inputs from it and write their outputs into it.
    Function
        read_data[t+2] = memory[read_address[t]]; where write_enable, memory[write_address] = write_data from the next
        cycle on.
    Ports
        write_enable : in, 1
        write_address : in, range(feature_words)
        write_data : in, 8 * lanes bits, lane 0 lowest
        read_address : in, range(feature_words); read every cycle
        read_data : out, 8 * lanes bits
        back_data : out, 8 * lanes bits; with config.map_stations, as BlockMemory's
    Timing
        Latency 2, one word per cycle. No combinational path.
        Where `single_port`, a cycle that writes does not read: read_data two cycles later is undefined.
    Cost
        Two ports: those of BlockMemory. One port on iCE40: one SB_SPRAM256KA per two lanes, 8 * lanes flip-flops.
    Limits
        Two ports: reading the address that is written in the same cycle gives an undefined word.
        iCE40 with one port holds up to 16,384 words; its contents are undefined after power-up.
    """

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal
    back_data: Signal
    lanes: int
    words: int

    latency_cycles = 2

    def __init__(self, config: ArrayConfig) -> None:
        primitives = primitives_of(config.technology)
        most = primitives.single_port_words
        if config.single_port and most is not None and config.feature_words > most:
            raise ConfigError(
                f"a single-port feature memory of {config.technology} holds at most {most} words, not {config.feature_words}"
            )
        self.lanes, self.words = config.lanes, config.feature_words
        self._one_port = primitives.single_port_memory if config.single_port else None
        self._two_ports: BlockMemory | None = None
        if self._one_port is None:
            self._two_ports = BlockMemory(
                8 * config.lanes, config.feature_words, config.technology, reads_back=config.map_stations
            )
        super().__init__(
            {
                "write_enable": In(1),
                "write_address": In(range(config.feature_words)),
                "write_data": In(8 * config.lanes),
                "read_address": In(range(config.feature_words)),
                "read_data": Out(8 * config.lanes),
            }
            | ({"back_data": Out(8 * config.lanes)} if config.map_stations else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self._two_ports is not None:
            m.submodules.memory = self._two_ports
            wiring.connect(m, wiring.flipped(self), self._two_ports)
            return m
        assert self._one_port is not None
        address = Signal(range(self.words))
        output = Signal(8 * self.lanes, reset_less=True)
        m.d.comb += [
            address.eq(Mux(self.write_enable, self.write_address, self.read_address)),
            self.read_data.eq(output),
        ]
        m.d.sync += output.eq(self._one_port(m, self, address))
        return m
