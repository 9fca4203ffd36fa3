"""An ExternalRunner with all that a board has around it: a scratchpad, an SDRAM's controller, and the model of the chip."""

from amaranth.hdl import Elaboratable, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_dv.sdram.chip import SdramModel
from openwork_dv.sdram.violations import VIOLATIONS
from openwork_hw.arch.config import WORD_BITS, ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.external_runner import ExternalRunner
from openwork_hw.image.fetcher import TRANSFER_BITS
from openwork_hw.image.run_control import WATCHDOG_BITS, Answer, CommandReport, Request
from openwork_hw.memory.sdram_memory import SdramMemory
from openwork_hw.shells.image_memory import ImageMemory
from openwork_hw.shells.memory import WordWrite, connect_external_memory, connect_memory, memory_readers


class ExternalSystem(wiring.Component):
    """Run external images out of the model of an SDRAM chip.

    Role
        The top of compiled simulations of a board's array with its memories.
    Function
        As an `SdramShell`, without the serial line and its link.
    Ports
        i_requests, o_answers, transfer, o_reports, i_features, o_features : the ExternalRunner's
        i_writes : in, stream of WordWrite, to the SDRAM
        seen : out; a bit per entry of VIOLATIONS: what was done to the chip since the begin that its data sheet forbids
    Timing
        As the parts'.
    Cost
        -
    Limits
        -
    """

    i_requests: stream.Interface
    o_answers: stream.Interface
    transfer: Signal
    o_reports: stream.Interface
    i_features: stream.Interface
    o_features: stream.Interface
    i_writes: stream.Interface
    seen: Signal

    def __init__(
        self,
        config: ArrayConfig,
        *,
        encodings: tuple[Encoding, ...] | None,
        sdram: SdramConfig,
        scratchpad_words: int,
        watchdog_bits: int = WATCHDOG_BITS,
    ) -> None:
        self._sdram = sdram
        self._runner = ExternalRunner(
            config,
            encodings=encodings,
            scratchpad_words=scratchpad_words,
            address_bits=bits_for(sdram.chip.bytes // (WORD_BITS // 8) + 1),
            burst_words=sdram.burst_words,
            watchdog_bits=watchdog_bits,
        )
        self._scratchpad = ImageMemory(scratchpad_words, memory_readers(config, peek=False), config.technology)
        super().__init__(
            {
                "i_requests": In(stream.Signature(Request)),
                "o_answers": Out(stream.Signature(Answer)),
                "transfer": Out(TRANSFER_BITS),
                "o_reports": Out(stream.Signature(CommandReport(config))),
                "i_features": In(stream.Signature(signed(8))),
                "o_features": Out(stream.Signature(signed(8))),
                "i_writes": In(stream.Signature(WordWrite)),
                "seen": Out(len(VIOLATIONS)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.runner = runner = self._runner
        m.submodules.scratchpad = scratchpad = self._scratchpad
        m.submodules.memory = memory = SdramMemory(self._sdram)
        m.submodules.model = model = SdramModel(self._sdram)
        for name in ("i_requests", "i_features"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(runner, name))
        for name in ("o_answers", "o_reports", "o_features"):
            wiring.connect(m, getattr(runner, name), wiring.flipped(getattr(self, name)))
        connect_memory(m, runner, scratchpad)
        wiring.connect(m, wiring.flipped(self.i_writes), memory.i_writes)
        connect_external_memory(m, runner, memory)
        wiring.connect(m, memory.pins, model.pins)
        m.d.comb += [self.transfer.eq(runner.transfer), self.seen.eq(model.seen)]
        return m
