"""What the link costs on a board, and how much of a line it uses.

Cells are those of `BoardLink` alone, after Yosys. Times are of the host's session with a model of the board, over a line of
3 Mbaud behind a USB converter whose timer hands on what comes from the board every so many milliseconds, and what goes to it every
millisecond at most.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from amaranth.back import rtlil
from rich.console import Console
from rich.table import Table

from openwork.host import Session
from openwork.records import Origin, write_record
from openwork_dv.link import BoardModel, Faults, ModelLine, image_taking
from openwork_fpga.yosys import run_script
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.link import ANSWER, REPORT, Identity, Order
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.shells.board_link import BoardLink

ROOT = Path(__file__).resolve().parents[1]
PACKED = (Encoding.PACKED,)
SMALL = Identity(PRESETS["ice40-up5k"], PACKED, 8192, 512, 512, 24_000_000)
LARGE = Identity(PRESETS["ecp5-85k"], PACKED, 1 << 18, 2048, 16384, 96_000_000)
DESIGNS = {
    "UP5K, without PEEK and reports": ("ice40", replace(SMALL, peek=False, reports=False)),
    "UP5K, without writes and reports": ("ice40", replace(SMALL, writable=False, reports=False)),
    "UP5K, everything": ("ice40", SMALL),
    "LFE5U-85F, everything": ("ecp5", LARGE),
}
CELLS = {
    "luts": r"^(?:SB_LUT4|LUT4)$",
    "flip flops": r"^(?:SB_DFF\w*|TRELLIS_FF)$",
    "block memories": r"^(?:SB_RAM40_4K|DP16KD)$",
}
LATENCIES_MS = (0, 1, 4, 16)
MEGABYTE = 1 << 20

KEYWORD_INPUTS, KEYWORD_OUTPUTS, KEYWORD_COMMANDS = 784, 84, 19
"""Of the keyword network of MLPerf Tiny (DS-CNN) on the array of 21 x 7: bytes that it loads and stores, and its commands."""

Figure = tuple[str, str, str, float]
"""Setting, name, unit and value."""

KEYWORD_RUN_S = 32_000 / 96e6


def cells() -> Iterator[Figure]:
    """What each design takes."""
    for name, (family, identity) in DESIGNS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "top.il").write_text(rtlil.convert(BoardLink(identity), name="top", emit_src=False))
            run_script(f"read_rtlil top.il\nsynth_{family} -top top\ntee -o cells stat\n", folder)
            found = re.findall(r"^\s+(\d+)\s+(\w+)$", (folder / "cells").read_text(), re.MULTILINE)
        for what, pattern in CELLS.items():
            count = sum(int(number) for number, kind in found if re.match(pattern, kind))
            yield name, f"link {what}", "cells", count


def rates() -> Iterator[Figure]:
    """How much of the line long transfers use, and how fast keyword inferences follow each other."""
    content = np.random.default_rng(1).bytes(MEGABYTE)
    keywords = bytes(KEYWORD_OUTPUTS + KEYWORD_COMMANDS * REPORT.size)
    for latency_ms in LATENCIES_MS:
        setting = f"3 Mbaud, converter's timer {latency_ms} ms"
        board = BoardModel(LARGE, lambda inputs: content if len(inputs) == 4 else keywords, run_s=KEYWORD_RUN_S)
        line = ModelLine(board, latency_s=latency_ms / 1000)
        session = Session(line, seed=1)
        whole_s = MEGABYTE * 10 / line.baud

        start = line.now()
        session.write(0, content)
        session.settle()
        share = round(whole_s / (line.now() - start), 3)
        yield setting, "link to the board", "of the line", share

        check(session, board, 4)
        start = line.now()
        session.start(Order.RUN, bytes(4), MEGABYTE + ANSWER.size)
        session.results(MEGABYTE + ANSWER.size)
        share = round(whole_s / (line.now() - start), 3)
        yield setting, "link from the board", "of the line", share

        check(session, board, KEYWORD_INPUTS)
        start, up, runs = line.now(), line.bytes_up, 100
        for _ in range(runs):
            session.start(Order.RUN, bytes(KEYWORD_INPUTS), len(keywords) + ANSWER.size)
        for _ in range(runs):
            session.results(len(keywords) + ANSWER.size)
        each_s = (line.now() - start) / runs
        carried = (line.bytes_up - up) * 10 / line.baud / runs / each_s
        yield setting, "link keyword inference", "ms", round(1000 * each_s, 2)
        yield setting, "link busy meanwhile", "of the time", round(carried, 3)


def bad_lines() -> Iterator[Figure]:
    """What is left of the line when bytes are lost, doubled, changed or held up."""
    for one_in in (10_000, 1_000, 100):
        board = BoardModel(LARGE, lambda inputs: inputs)
        faults = Faults(1 / one_in, pause_s=0.005)
        line = ModelLine(board, latency_s=0.001, faults=faults, random=Random(1))
        session = Session(line, patience_s=60, seed=1)
        content = Random(1).randbytes(MEGABYTE // 16)
        start = line.now()
        session.write(0, content)
        session.settle()
        share = round(len(content) * 10 / line.baud / (line.now() - start), 4)
        setting = f"3 Mbaud, converter's timer 1 ms, one byte in {one_in:,} spoilt"
        yield setting, "link to the board", "of the line", share


def check(session: Session, board: BoardModel, inputs: int) -> None:
    """From now on a run takes so many bytes."""
    words = image_taking(inputs, board.identity.config)
    board.array.memory[: len(words)] = words
    session.start(Order.CHECK, b"", ANSWER.size)
    session.results(ANSWER.size)


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python benchmarks/link.py\n  python benchmarks/link.py --output build/link.json",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "link.json")
    options = parser.parse_args()
    origin = Origin.of_script(__file__, packages=["pyosys"])
    console = Console(width=None if sys.stdout.isatty() else 140)
    with console.status("synthesis, then transfers"):
        found: dict[str, list[tuple[str, str, float]]] = {}
        for setting, name, unit, value in (*cells(), *rates(), *bad_lines()):
            found.setdefault(setting, []).append((name, unit, value))
    table = Table(title="The link")
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
