"""An image memory on the chip."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring

from openwork_hw.arch.config import WORD_BITS, ConfigError, Technology, bits_for
from openwork_hw.primitives.registered_memory import RegisteredMemory
from openwork_hw.shells.memory import memory_ports

SLICE_BITS = 8
"""A large memory lies all over the part: so many bits of its words have registers of their own, and can lie together."""

MOST_WORDS = 1 << 20
"""Of an image memory on the chip: nine times what the block memories of an LFE5U-85F hold."""


class ImageMemory(wiring.Component):
    """Hold an image in block memory, and serve many readers through one port.

    Role
        The image memory of a `BusShell` and of a `SerialShell`.
    Function
        The memory takes one request per cycle, from the readers in turn, and answers it. Addresses beyond `words` wrap around.
    Ports
        as `shells.memory` says
    Timing
        latency_cycles from a request that is taken to its word; one word and one write per cycle. Combinational paths: from the
        `valid` of all readers to the `ready` of each.
    Cost
        words x 32 bits of memory; per reader a turn, an address and an input of the multiplexer behind it; per slice of a word
        two addresses.
    Limits
        At most MOST_WORDS words.
        If a word is written two cycles after a request for it, the answer is the old word or the new word; if it is written
        later, the old word.
    """

    latency_cycles = RegisteredMemory.latency_cycles + 3

    i_requests: list[stream.Interface]
    o_words: list[stream.Interface]
    i_writes: stream.Interface
    forget: Signal

    def __init__(self, words: int, readers: int, technology: Technology, image: Sequence[int] = ()) -> None:
        """`image`: what the memory holds from the start; zeros behind it."""
        if words < 1 or len(image) > words:
            raise ConfigError(f"a memory of {words} words does not hold an image of {len(image)}")
        if words > MOST_WORDS:
            need, most = (count * WORD_BITS // 8192 for count in (words, MOST_WORDS))
            raise ConfigError(
                f"an image memory of {words:,} words needs {need:,} KiB of the chip's block memory, and at most {MOST_WORDS:,} "
                f"words ({most:,} KiB) can be made: keep larger images in a memory outside"
            )
        self._words = words
        self._readers = readers
        self._technology = technology
        self._image = [int(word) for word in image]
        super().__init__(memory_ports(readers))

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        # The first reader that asks and has not had its turn in this round; where there is none, a new round begins.
        asking, waiting, had, turn = (Signal(self._readers, name=name) for name in ("asking", "waiting", "had", "turn"))
        m.d.comb += waiting.eq(asking & ~had)
        with m.If(waiting.any()):
            m.d.comb += turn.eq(waiting & -waiting)
            m.d.sync += had.eq(had | turn)
        with m.Else():
            m.d.comb += turn.eq(asking & -asking)
            m.d.sync += had.eq(turn)
        # Whose turn it was so many cycles ago.
        age = [turn, *(Signal(self._readers, name=f"age_{cycles + 1}") for cycles in range(self.latency_cycles))]
        m.d.sync += [older.eq(younger) for younger, older in pairwise(age)]

        # Every reader's address goes into a register, so that choosing a reader and choosing its address are two cycles.
        address_bits = bits_for(self._words)
        addresses = [Signal(address_bits, name=f"address_{reader}", reset_less=True) for reader in range(self._readers)]
        address = Signal(address_bits, reset_less=True)
        picked = (Mux(age[1][reader], addresses[reader], 0) for reader in range(self._readers))
        word = Signal(WORD_BITS, reset_less=True)
        m.d.sync += [address.eq(reduce(or_, picked)), word.eq(self._word(m, address))]
        for reader in range(self._readers):
            m.d.comb += [
                asking[reader].eq(self.i_requests[reader].valid),
                self.i_requests[reader].ready.eq(turn[reader]),
                self.o_words[reader].payload.eq(word),
                self.o_words[reader].valid.eq(age[-1][reader]),
            ]
            m.d.sync += addresses[reader].eq(self.i_requests[reader].payload[:address_bits])
        with m.If(self.forget):
            m.d.sync += [reader.eq(0) for reader in age[1:]]
        return m

    def _word(self, m: Module, address: Signal) -> Cat:
        """The word at `address`, RegisteredMemory's cycles late, of a memory that `i_writes` writes."""
        m.d.comb += self.i_writes.ready.eq(1)
        write, slices = self.i_writes.payload, []
        for low in range(0, WORD_BITS, SLICE_BITS):
            image = [word >> low & ((1 << SLICE_BITS) - 1) for word in self._image]
            m.submodules[f"bits_{low}"] = part = RegisteredMemory(SLICE_BITS, self._words, self._technology, image)
            m.d.comb += [
                part.read_address.eq(address),
                part.write_enable.eq(self.i_writes.valid),
                part.write_address.eq(write.address),
                part.write_data.eq(write.word[low:]),
            ]
            slices.append(part.read_data)
        return Cat(slices)
