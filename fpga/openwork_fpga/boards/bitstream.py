"""From a board to its bitstream: Amaranth, Yosys, nextpnr, the packer."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from openwork.image import Image
from openwork_fpga import floorplan, nextpnr, yosys
from openwork_fpga.boards.board import Board
from openwork_fpga.boards.checks import path_complaints, timing_complaints
from openwork_fpga.boards.top import BoardTop
from openwork_fpga.devices import Family
from openwork_fpga.implement import SEEDS, Implementation, Progress, synthesize
from openwork_fpga.nextpnr import Routed
from openwork_fpga.tools import run_tool

OPTIONS = ("--lpf", "top.lpf", "--textcfg", "routed.config")
"""nextpnr's: the file of pins and oscillator, and the one that says what every switch of the chip is set to."""

VERILOG = "read_rtlil design.il\nproc -nomux -norom\nmemory_collect\nwrite_verilog -norename top.v\n"


class TimingError(RuntimeError):
    """No placer seed met the board's clock, or a path is not timed: there is no bitstream."""


class ImageRefused(ValueError):
    """An image that this board cannot hold from power-up on."""


@dataclass(frozen=True)
class Built:
    """A bitstream, and what it takes of the part.

    Attributes:
        board: whose it is.
        path: of the bitstream.
        outcome: of the seed that met the clock.
    """

    board: Board
    path: Path
    outcome: Implementation

    @property
    def achieved_mhz(self) -> float:
        """The clock that the bitstream could run at; it runs at the board's."""
        return self.outcome.routed[-1].clock_mhz

    def measurements(self, commit: str, command: str) -> list[dict[str, Any]]:
        """The record: one entry a figure, each with all that is needed to get it again."""
        board, outcome = self.board, self.outcome
        figures: list[tuple[str, str, Any]] = [
            ("clock", "MHz", board.clock_mhz),
            ("clock_possible", "MHz", self.achieved_mhz),
            ("seed", "placer seed", outcome.routed[-1].seed),
            ("macs", "MACs", board.config.macs),
            ("luts", "LUTs", outcome.luts),
            ("flip_flops", "flip-flops", outcome.flip_flops),
            ("dsps", "multiplier blocks", outcome.dsps),
            ("block_memories", "block memories", outcome.block_memories),
            ("bitstream", "bytes", self.path.stat().st_size),
        ]
        context = {
            "device": board.name,
            "part": " ".join(board.device.flags),
            "configuration": asdict(board.config) | {"encodings": [one.name.lower() for one in board.encodings]},
            "commit": commit,
            "tools": [yosys.version(), nextpnr.version(Family.ECP5)],
            "command": command,
        }
        return [{"name": name, "unit": unit, "value": value} | context for name, unit, value in figures]


def build(
    board: Board, out: Path, progress: Progress, *, image: Image | None = None, seeds: Sequence[int] = SEEDS
) -> Built:
    """Write top.v, top.json (the netlist) and the bitstream top.bit into `out`.

    Seeds are tried until one meets the board's clock. An earlier bitstream in `out` goes first, and the new one is there when all
    is well. The tools' own files and logs are in `out`/tools.

    Raises:
        ImageRefused: the image is another array's, or the board's memory cannot hold it.
        TimingError: no seed met the clock.
        ToolError: a tool stopped, or is not installed.
    """
    words = () if image is None else _initial(board, image)
    nextpnr.require(Family.ECP5)
    result = out / "top.bit"
    result.unlink(missing_ok=True)
    folder = out / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    steps = 3 + len(seeds)
    progress("synthesis", 0, steps)
    plan = board.platform().build(BoardTop(board, words), do_build=False, emit_src=False)
    (folder / "design.il").write_text(plan.files["top.il"])
    (folder / "top.lpf").write_text(plan.files["top.lpf"])
    flip_flops = synthesize(Family.ECP5, folder, partial(floorplan.places, board.device, board.config))
    if complaints := path_complaints(json.loads((folder / "netlist.json").read_text())):
        raise TimingError(f"{board.name} has paths that no clock times: {'; '.join(complaints)}")
    routed: list[Routed] = []
    for seed in seeds:
        progress(f"place and route, seed {seed}", 1 + len(routed), steps)
        routed.append(nextpnr.route(board.device, folder, "netlist.json", seed, OPTIONS))
        report = json.loads((folder / f"seed_{seed}_report.json").read_text())
        complaints = timing_complaints(report, board.clock_mhz)
        if not complaints:
            break
    else:
        best = max(one.clock_mhz for one in routed)
        raise TimingError(
            f"{board.name} does not meet its clock with {len(routed)} placer seeds: {complaints[0]}, the best {best:.1f} MHz; "
            "there is no bitstream"
        )
    progress("bitstream", steps - 2, steps)
    arguments = ["--compress", *board.pack, "--input", "routed.config", "--bit", "packed.bit"]
    run_tool(Family.ECP5, "ecppack", arguments, folder)
    progress("Verilog", steps - 1, steps)
    yosys.run_script(VERILOG, folder, "verilog")
    os.replace(folder / "top.v", out / "top.v")
    os.replace(folder / "netlist.json", out / "top.json")
    os.replace(folder / "packed.bit", result)
    return Built(board, result, Implementation(board.device, (routed[-1],), flip_flops))


def _initial(board: Board, image: Image) -> Sequence[int]:
    """The words of an image that the board's memory holds from the start."""
    if image.config.fingerprint != board.config.fingerprint:
        raise ImageRefused(
            f"the image was compiled for an array of {image.config}, and {board.name} has one of {board.config} with sizes of its "
            f"own: openwork compile --preset {board.preset} compiles for it"
        )
    if image.encoding not in board.encodings:
        has = ", ".join(one.name.lower() for one in board.encodings)
        raise ImageRefused(f"the image is {image.encoding.name.lower()}, and {board.name} decodes {has}")
    if len(image.words) > board.memory_words:
        raise ImageRefused(f"the image has {len(image.words):,} words, and {board.name} holds {board.memory_words:,}")
    return [int(word) for word in image.words]
