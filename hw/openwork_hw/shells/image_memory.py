"""An image memory on the chip: block memory, or the large memories of iCE40 UltraPlus."""

from collections.abc import Sequence

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import memory, stream, wiring

from openwork_hw.arch.config import WORD_BITS, ArrayConfig, ConfigError, Technology, bits_for
from openwork_hw.primitives.feature_memory import FeatureMemory
from openwork_hw.shells.memory import memory_ports


class ImageMemory(wiring.Component):
    """Hold an image, and serve many readers through one port.

    Function
        Requests are taken one a cycle, from the readers in turn, and answered. Addresses beyond `words` wrap around.
    Ports
        as `shells.memory` says
    Timing
        A word each cycle, 3 cycles after its request was taken; a write each cycle, with `large` each in which nothing is read.
        Combinational paths: from the `valid` of all readers to the `ready` of each.
    Cost
        words x 32 bits of memory, with `large` two SB_SPRAM256KA; for each reader a turn and a leg of the address multiplexer.
    Limits
        Reading a word in the cycle in which it is written gives the old or the new one. With `large` up to 16,384 words,
        undefined after power-up.
    """

    i_requests: list[stream.Interface]
    o_words: list[stream.Interface]
    i_writes: stream.Interface
    forget: Signal

    def __init__(self, words: int, readers: int, image: Sequence[int] = (), *, large: bool = False) -> None:
        """`image`: what the memory holds from the start; zeros behind it. `large`: in single-port memories of iCE40 UltraPlus."""
        if words < 1 or len(image) > words:
            raise ConfigError(f"a memory of {words} words does not hold an image of {len(image)}")
        if large and len(image):
            raise ConfigError("the large memories of iCE40 are empty after power-up: a host has to write the image")
        self._large: FeatureMemory | None = None
        if large:
            # Four lanes of a byte are a word.
            shape = ArrayConfig(pes=1, lanes=4, feature_words=words, single_port=True, technology=Technology.ICE40)
            self._large = FeatureMemory(shape)
        self._words = words
        self._readers = readers
        self._image = [int(word) for word in image]
        super().__init__(memory_ports(readers))

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        address_bits = bits_for(self._words)
        writes = self.i_writes
        write_address = writes.payload.address[:address_bits]

        # The first reader that asks and has not had its turn in this round; where there is none, a new round begins.
        asking, waiting, had, turn = (Signal(self._readers, name=name) for name in ("asking", "waiting", "had", "turn"))
        m.d.comb += waiting.eq(asking & ~had)
        with m.If(waiting.any()):
            m.d.comb += turn.eq(waiting & -waiting)
            m.d.sync += had.eq(had | turn)
        with m.Else():
            m.d.comb += turn.eq(asking & -asking)
            m.d.sync += had.eq(turn)
        address = Signal(address_bits)
        asked, reading, found = (Signal(self._readers, name=name) for name in ("asked", "reading", "found"))
        m.d.sync += [asked.eq(turn), reading.eq(asked), found.eq(reading)]
        word = Signal(WORD_BITS, reset_less=True)
        if self._large is not None:
            m.submodules.memory = large = self._large
            m.d.comb += [
                writes.ready.eq(~asked.any()),
                large.write_enable.eq(writes.valid & writes.ready),
                large.write_address.eq(write_address),
                large.write_data.eq(writes.payload.word),
                large.read_address.eq(address),
                word.eq(large.read_data),
            ]
        else:
            m.submodules.memory = words = memory.Memory(shape=WORD_BITS, depth=self._words, init=self._image)
            write, read = words.write_port(), words.read_port()
            m.d.comb += [
                writes.ready.eq(1),
                write.en.eq(writes.valid),
                write.addr.eq(write_address),
                write.data.eq(writes.payload.word),
                read.addr.eq(address),
            ]
            m.d.sync += word.eq(read.data)
        for reader in range(self._readers):
            m.d.comb += [
                asking[reader].eq(self.i_requests[reader].valid),
                self.i_requests[reader].ready.eq(turn[reader]),
                self.o_words[reader].payload.eq(word),
                self.o_words[reader].valid.eq(found[reader]),
            ]
            with m.If(turn[reader]):
                m.d.sync += address.eq(self.i_requests[reader].payload[:address_bits])
        with m.If(self.forget):
            m.d.sync += [asked.eq(0), reading.eq(0), found.eq(0)]
        return m
