"""What a board is to us."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.build import Platform

from openwork_fpga.boards.chip import Chip
from openwork_fpga.boards.sdram_tester import SdramTester
from openwork_fpga.devices import Device
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.refusal import Refusal
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.shells.flash_shell import FlashShell
from openwork_hw.shells.sdram_shell import SdramShell
from openwork_hw.shells.serial_shell import SerialShell

SDRAM_PHASE = 255.0
"""In the midst of what data sheets allow at 100 MHz; slower clocks want a later one (`sdram_timing`)."""


@dataclass(frozen=True)
class Board:
    """One board that a bitstream can be built for.

    Attributes:
        name: how users call it.
        title: what is printed on it.
        platform: makes its pins and oscillator; from amaranth-boards, or like them.
        chip: how its bitstreams are made.
        device: its part, with the options of place and route.
        preset, encodings: name of the array that fits (`openwork_hw.arch.config.PRESETS`), and the weight streams that it decodes.
        clock_mhz: what is made of the oscillator; a bitstream is made only where it is met.
        baud: of the serial line.
        line: where the serial line is found.
        memory_words, receive_bytes, result_bytes: sizes of the shell's memories, see `ByteShell`.
        lamp: resource of the lamp that is lit when the design runs; a part of it behind a point.
        loader: how openFPGALoader is told which board this is.
        pack: more options of the packer.
        flash_byte: where a linear image begins in the board's flash memory, on a board that runs out of it; its `memory_words` are
            a power of two.
        sdram: name of the board's SDRAM chip (`openwork_hw.arch.sdram.SDRAM_CHIPS`), on a board that fetches external images out of
            it; the memory of `memory_words` is then the scratchpad.
        sdram_phase: degrees of a cycle from when a pin to the SDRAM chip changes to when the chip's clock rises.
    """

    name: str
    title: str
    platform: Callable[[], Platform]
    chip: Chip
    device: Device
    preset: str
    encodings: tuple[Encoding, ...]
    clock_mhz: float
    baud: int
    line: str
    memory_words: int
    receive_bytes: int
    result_bytes: int
    lamp: str
    loader: tuple[str, ...]
    pack: tuple[str, ...] = ()
    flash_byte: int | None = None
    sdram: str | None = None
    sdram_phase: float = SDRAM_PHASE

    @property
    def config(self) -> ArrayConfig:
        """The array."""
        return PRESETS[self.preset]

    @property
    def sdram_config(self) -> SdramConfig | None:
        """The SDRAM chip at the board's clock, if there is one."""
        return None if self.sdram is None else SdramConfig(SDRAM_CHIPS[self.sdram], self.clock_mhz * 1e6)

    def sdram_tester(self) -> SdramTester:
        """A design in the shell's place that tries out the SDRAM chip.

        Raises:
            Refusal: the board has none.
        """
        if self.sdram_config is None:
            raise Refusal(f"{self.name} has no SDRAM chip that we use")
        return SdramTester(self.sdram_config, baud=self.baud)

    def shell(self, image: Sequence[int] = ()) -> SerialShell | FlashShell | SdramShell:
        """The design but for clock, reset and pins; `image`: words that its memory, if it is on the chip, holds from the start."""
        if self.sdram_config is not None:
            return SdramShell(
                self.config,
                sdram=self.sdram_config,
                encodings=self.encodings,
                baud=self.baud,
                memory_words=self.memory_words,
                receive_bytes=self.receive_bytes,
                result_bytes=self.result_bytes,
            )
        if self.flash_byte is not None:
            return FlashShell(
                self.config,
                encodings=self.encodings,
                clock_hz=round(self.clock_mhz * 1e6),
                baud=self.baud,
                memory_words=self.memory_words,
                first_byte=self.flash_byte,
                receive_bytes=self.receive_bytes,
                result_bytes=self.result_bytes,
            )
        return SerialShell(
            self.config,
            encodings=self.encodings,
            clock_hz=round(self.clock_mhz * 1e6),
            baud=self.baud,
            memory_words=self.memory_words,
            receive_bytes=self.receive_bytes,
            result_bytes=self.result_bytes,
            image=image,
        )
