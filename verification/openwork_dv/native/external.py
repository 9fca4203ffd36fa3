"""Compiles the array of a board with its scratchpad, its SDRAM controller and a model of the chip."""

from pathlib import Path

from openwork_dv.building import BUILD_FOLDER
from openwork_dv.native.build import build_program
from openwork_dv.native.external_system import ExternalSystem
from openwork_dv.native.simulation import NativeSimulation
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.image.run_control import WATCHDOG_BITS


def build_external(
    config: ArrayConfig,
    sdram: SdramConfig,
    scratchpad_words: int,
    encodings: tuple[Encoding, ...] | None = None,
    folder: Path = BUILD_FOLDER,
    *,
    waves: bool = False,
    short_runs: bool = False,
    watchdog_bits: int = WATCHDOG_BITS,
) -> NativeSimulation:
    """A program that runs external images out of an SDRAM, built now unless it was built before.

    Args:
        sdram: the chip, and the clock of all.
        waves, short_runs, watchdog_bits: as `native.build`'s.

    Raises:
        SimulationError: the compiler is not there, or refused the program.
    """
    name = f"external {config!r} {encodings!r} {sdram!r} {scratchpad_words} {watchdog_bits}"
    program = build_program(
        name,
        lambda: ExternalSystem(
            config, encodings=encodings, sdram=sdram, scratchpad_words=scratchpad_words, watchdog_bits=watchdog_bits
        ),
        "main.cpp",
        folder,
        waves=waves,
        short_runs=short_runs,
    )
    return NativeSimulation(config, program, 0 if watchdog_bits == WATCHDOG_BITS else 2 << watchdog_bits, sdram)
