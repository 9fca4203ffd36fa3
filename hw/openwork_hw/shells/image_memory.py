"""An image memory on the chip."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring

from openwork_hw.arch.config import WORD_BITS, ConfigError, bits_for
from openwork_hw.shells.memory import memory_ports


class ImageMemory(wiring.Component):
    """Hold an image in block memory, and serve many readers through one port.

    Function
        Requests are taken one a cycle, from the readers in turn, and answered. Addresses beyond `words` wrap around.
    Ports
        as `shells.memory` says
    Timing
        latency_cycles = 4, from a request that is taken to its word; a word each cycle, a write each cycle. Combinational paths:
        from the `valid` of all readers to the `ready` of each.
    Cost
        words x 32 bits of memory; for each reader a turn, an address and a leg of the multiplexer behind it.
    Limits
        Reading a word in the cycle in which it is written gives the old or the new one.
    """

    latency_cycles = 4

    i_requests: list[stream.Interface]
    o_words: list[stream.Interface]
    i_writes: stream.Interface
    forget: Signal

    def __init__(self, words: int, readers: int, image: Sequence[int] = ()) -> None:
        """`image`: what the memory holds from the start; zeros behind it."""
        if words < 1 or len(image) > words:
            raise ConfigError(f"a memory of {words} words does not hold an image of {len(image)}")
        self._words = words
        self._readers = readers
        self._image = [int(word) for word in image]
        super().__init__(memory_ports(readers))

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=WORD_BITS, depth=self._words, init=self._image)
        write, read = words.write_port(), words.read_port()
        address_bits = bits_for(self._words)
        m.d.comb += [
            self.i_writes.ready.eq(1),
            write.en.eq(self.i_writes.valid),
            write.addr.eq(self.i_writes.payload.address[:address_bits]),
            write.data.eq(self.i_writes.payload.word),
        ]

        # The first reader that asks and has not had its turn in this round; where there is none, a new round begins.
        asking, waiting, had, turn = (Signal(self._readers, name=name) for name in ("asking", "waiting", "had", "turn"))
        m.d.comb += waiting.eq(asking & ~had)
        with m.If(waiting.any()):
            m.d.comb += turn.eq(waiting & -waiting)
            m.d.sync += had.eq(had | turn)
        with m.Else():
            m.d.comb += turn.eq(asking & -asking)
            m.d.sync += had.eq(turn)
        # Every reader's address goes into a register, so that choosing a reader and choosing its address are two cycles.
        chosen, asked, reading, found = (
            Signal(self._readers, name=name) for name in ("chosen", "asked", "reading", "found")
        )
        m.d.sync += [chosen.eq(turn), asked.eq(chosen), reading.eq(asked), found.eq(reading)]
        addresses = [Signal(address_bits, name=f"address_{reader}", reset_less=True) for reader in range(self._readers)]
        address = Signal(address_bits, reset_less=True)
        picked = (Mux(chosen[reader], addresses[reader], 0) for reader in range(self._readers))
        m.d.sync += address.eq(reduce(or_, picked))
        word = Signal(WORD_BITS, reset_less=True)
        m.d.comb += read.addr.eq(address)
        m.d.sync += word.eq(read.data)
        for reader in range(self._readers):
            m.d.comb += [
                asking[reader].eq(self.i_requests[reader].valid),
                self.i_requests[reader].ready.eq(turn[reader]),
                self.o_words[reader].payload.eq(word),
                self.o_words[reader].valid.eq(found[reader]),
            ]
            m.d.sync += addresses[reader].eq(self.i_requests[reader].payload[:address_bits])
        with m.If(self.forget):
            m.d.sync += [chosen.eq(0), asked.eq(0), reading.eq(0), found.eq(0)]
        return m
