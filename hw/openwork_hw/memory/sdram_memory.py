"""An SDRAM chip as a memory of 32-bit words. Wiring only."""

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.memory.payloads import SdramPins, WordBurst
from openwork_hw.memory.sdram_controller import SdramController
from openwork_hw.memory.sdram_words import SdramWords
from openwork_hw.shells.memory import WordWrite


class SdramMemory(wiring.Component):
    """Give the words of an SDRAM in order, and write and read single ones.

    Role
        The external memory of an `SdramShell`.
    Function
        An `SdramWords` on an `SdramController`.
    Ports
        i_starts, o, i_writes, i_peeks, o_peeked, i_map_requests, o_map_words, i_map_words, map_idle, map_drop,
            forget : SdramWords'
        pins : out, SdramPins(chip)
    Timing
        As SdramWords; after reset, the chip's start-up comes first.
    Cost
        Its parts'.
    Limits
        Its parts'.
    Verified by
        tests/openwork_hw/memory/test_sdram_words.py::test_words_come_in_the_cycles_predicted
    """

    i_starts: stream.Interface
    o: stream.Interface
    i_writes: stream.Interface
    i_peeks: stream.Interface
    o_peeked: stream.Interface
    i_map_requests: stream.Interface
    o_map_words: stream.Interface
    i_map_words: stream.Interface
    map_idle: Signal
    map_drop: Signal
    forget: Signal
    pins: wiring.PureInterface

    def __init__(self, config: SdramConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_starts": In(stream.Signature(ADDRESS_BITS)),
                "o": Out(stream.Signature(WORD_BITS)),
                "i_writes": In(stream.Signature(WordWrite)),
                "i_peeks": In(stream.Signature(ADDRESS_BITS)),
                "o_peeked": Out(stream.Signature(WORD_BITS)),
                "i_map_requests": In(stream.Signature(WordBurst(ADDRESS_BITS, config.burst_words))),
                "o_map_words": Out(stream.Signature(WORD_BITS)),
                "i_map_words": In(stream.Signature(WORD_BITS)),
                "map_idle": Out(1),
                "map_drop": In(1),
                "forget": In(1),
                "pins": Out(SdramPins(config.chip)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.words = words = SdramWords(self._config)
        m.submodules.controller = controller = SdramController(self._config)
        for name in ("i_starts", "i_writes", "i_peeks", "i_map_requests", "i_map_words"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(words, name))
        for name in ("o", "o_peeked", "o_map_words"):
            wiring.connect(m, getattr(words, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, words.o_requests, controller.i_requests)
        wiring.connect(m, words.o_data, controller.i_words)
        wiring.connect(m, controller.o_words, words.i_data)
        wiring.connect(m, controller.pins, wiring.flipped(self.pins))
        m.d.comb += [
            words.forget.eq(self.forget),
            self.map_idle.eq(words.map_idle),
            words.map_drop.eq(self.map_drop),
            controller.restart.eq(words.restart),
            words.idle.eq(controller.idle),
        ]
        return m
