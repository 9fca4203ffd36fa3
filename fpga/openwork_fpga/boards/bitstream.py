"""From a board to its bitstream: Amaranth, Yosys, nextpnr, the packer."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from openwork.image import Image
from openwork.records import Origin, Run, Value
from openwork_fpga import floorplan, nextpnr, yosys
from openwork_fpga.boards.board import Board
from openwork_fpga.boards.checks import path_complaints, pin_complaints, timing_complaints
from openwork_fpga.boards.pin_registers import move_to_pins
from openwork_fpga.boards.sdram import RESOURCE as SDRAM_PINS
from openwork_fpga.boards.top import BoardTop
from openwork_fpga.implement import SEEDS, Implementation, Progress, route_all, synthesize
from openwork_fpga.nextpnr import Routed
from openwork_fpga.tools import run_tool
from openwork_fpga.verilog import verilog_text
from openwork_fpga.yosys import ToolError
from openwork_hw.arch.refusal import Refusal


class TimingError(Refusal):
    """No placer seed met the board's clock, or a path or a pin is not as it must be: there is no bitstream."""


class ImageRefused(Refusal):
    """An image that this board cannot hold from power-up on."""


@dataclass(frozen=True)
class Built:
    """A bitstream, and what it takes of the part.

    Attributes:
        board: whose it is.
        path: of the bitstream.
        chosen: what the bitstream was made of; it could run at this clock, and runs at the board's.
        outcome: of all seeds that were placed and routed.
        failed: how many seeds nextpnr found no place or no way for.
    """

    board: Board
    path: Path
    chosen: Routed
    outcome: Implementation
    failed: int

    def run(self, origin: Origin) -> Run:
        """What the record keeps."""
        board, outcome = self.board, self.outcome
        clocks = {routed.seed: routed.clock_mhz for routed in outcome.routed}
        # One seed is no median.
        spread = {"median": outcome.median.clock_mhz, "lowest": min(clocks.values()), "highest": max(clocks.values())}
        figures: list[tuple[str, str, Value]] = [
            ("clock", "MHz", board.clock_mhz),
            ("clock_possible", "MHz", self.chosen.clock_mhz),
            ("seed", "placer seed", self.chosen.seed),
            ("seeds_tried", "", len(clocks) + self.failed),
            *([("seeds_failed", "", self.failed)] if self.failed else []),
            *((f"clock_{name}", "MHz", clock) for name, clock in spread.items() if len(clocks) > 1),
            *((f"clock_seed_{seed}", "MHz", clock) for seed, clock in clocks.items()),
            ("critical_path", "ns", [(step.kind, step.name, step.delay_ns) for step in outcome.critical_path]),
            ("macs", "MACs", board.config.macs),
            ("luts", "LUTs", outcome.luts),
            ("flip_flops", "flip-flops", outcome.flip_flops),
            ("dsps", "multiplier blocks", outcome.dsps),
            ("block_memories", "block memories", outcome.block_memories),
            ("bitstream", "bytes", self.path.stat().st_size),
        ]
        configuration = asdict(board.config) | {"encodings": [one.name.lower() for one in board.encodings]}
        tools = (yosys.version(), nextpnr.version(board.device.family))
        return replace(origin, tools=tools).measured(
            configuration, figures, device=board.name, part=" ".join(board.device.flags)
        )


def build(
    board: Board,
    out: Path,
    progress: Progress,
    *,
    image: Image | None = None,
    seeds: Sequence[int] = SEEDS,
    all_seeds: bool = False,
    tester: bool = False,
) -> Built:
    """Write top.v, top.json (the netlist) and the bitstream, top.bit or top.fs, into `out`.

    An earlier bitstream in `out` goes first, and the new one is there when all is well. The tools' own files and logs are in
    `out`/tools.

    Args:
        image: what the board's memory holds from power-up on.
        seeds: placer seeds, tried until one meets the board's clock. In a part as full as some of ours, nextpnr does not find
            a place for each cell with each of them.
        all_seeds: try all of them, to measure; the fastest is the bitstream.
        tester: instead of the board's shell, the design that tries out its SDRAM chip.

    Raises:
        ImageRefused: the image is another array's, or the board's memory cannot hold it.
        TimingError: no seed met the clock.
        ToolError: a tool stopped (nextpnr: with each seed), or is not installed.
    """
    if tester and image is not None:
        raise ImageRefused("the design that tries out an SDRAM chip runs no image")
    words = () if image is None else _initial(board, image)
    chip, family = board.chip, board.device.family
    nextpnr.require(family)
    result = out / f"top.{chip.suffix}"
    result.unlink(missing_ok=True)
    folder = out / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    steps = 3 + len(seeds)
    progress("synthesis", 0, steps)
    flip_flops = write_netlist(board, folder, words, tester=tester)
    routed, failed = _routed(board, folder, seeds, all_seeds, progress, steps)
    if not routed:
        raise failed[seeds[0]]
    chosen = max(routed, key=lambda one: one.clock_mhz)
    if complaints := _complaints(board, folder, chosen):
        raise TimingError(
            f"{board.name} does not meet its clock with {len(routed)} placer seeds: {complaints[0]}; there is no bitstream"
        )
    progress("bitstream", steps - 2, steps)
    packer, *options = chip.pack
    names = {"bitstream": "packed", "switches": _switches(chosen.seed)}
    run_tool(packer, [*board.pack, *(option.format(**names) for option in options)], folder)
    progress("Verilog", steps - 1, steps)
    (folder / "top.v").write_text(verilog_text(folder))
    os.replace(folder / "top.v", out / "top.v")
    os.replace(folder / "netlist.json", out / "top.json")
    os.replace(folder / "packed", result)
    return Built(board, result, chosen, Implementation(board.device, routed, flip_flops), len(failed))


def write_netlist(board: Board, folder: Path, words: Sequence[int] = (), *, tester: bool = False) -> int:
    """Write design.il, the file of pins and netlist.json of a board into a folder; gives the netlist's flip-flops.

    Args:
        words: that the board's memory holds from power-up on.
        tester: see `build`.

    Raises:
        TimingError: a path or a pin is not as it must be.
        ToolError: Yosys stopped, or has made something of a pin's register that cannot lie at the pin.
    """
    chip = board.chip
    platform = board.platform()
    plan = platform.build(BoardTop(board, words, tester=tester), do_build=False, emit_src=False)
    (folder / "design.il").write_text(plan.files["top.il"])
    (folder / chip.pins).write_text(plan.files[chip.pins])
    flip_flops = synthesize(board.device.family, folder, partial(floorplan.places, board.device, board.config))
    netlist = json.loads((folder / "netlist.json").read_text())
    if board.sdram is not None:
        if complaints := pin_complaints(plan.files[chip.pins], netlist, SDRAM_PINS):
            raise TimingError(
                f"{board.name} has pins that are not as its SDRAM chip needs them: {'; '.join(complaints)}"
            )
        flip_flops += move_to_pins(netlist, SDRAM_PINS)
        (folder / "netlist.json").write_text(json.dumps(netlist))
    if complaints := path_complaints(netlist, chip, platform.default_clk):
        raise TimingError(f"{board.name} has paths that no clock times: {'; '.join(complaints)}")
    return flip_flops


def _routed(
    board: Board, folder: Path, seeds: Sequence[int], all_seeds: bool, progress: Progress, steps: int
) -> tuple[tuple[Routed, ...], dict[int, ToolError]]:
    """What the seeds give, all of them or up to the first that meets the clock; and why nextpnr gave up, by seed."""

    def options(seed: int) -> Sequence[str]:
        return (*board.chip.read_pins, board.chip.write_switches, _switches(seed))

    def tell(routed: Routed, done: int) -> None:
        progress(f"seed {routed.seed}: {routed.clock_mhz:.1f} MHz", 1 + done, steps)

    progress("place and route", 1, steps)
    if all_seeds:
        return route_all(board.device, folder, seeds, tell, options)
    routed: tuple[Routed, ...] = ()
    failed: dict[int, ToolError] = {}
    for done, seed in enumerate(seeds, 1):
        try:
            one = nextpnr.route(board.device, folder, "netlist.json", seed, options(seed))
        except ToolError as error:
            failed[seed] = error
            progress(f"seed {seed}: nextpnr gave up", 1 + done, steps)
            continue
        routed += (one,)
        tell(one, done)
        if not _complaints(board, folder, one):
            break
    return routed, failed


def _switches(seed: int) -> str:
    """Name of the file that says what every switch of the chip is set to."""
    return f"seed_{seed}.config"


def _complaints(board: Board, folder: Path, routed: Routed) -> list[str]:
    report = json.loads((folder / f"seed_{routed.seed}_report.json").read_text())
    return timing_complaints(report, board.clock_mhz)


def _initial(board: Board, image: Image) -> Sequence[int]:
    """The words of an image that the board's memory holds from the start."""
    if board.flash_byte is not None:
        raise ImageRefused(
            f"{board.name} reads its image out of its flash: openwork program --board {board.name} --image writes it"
        )
    if board.sdram is not None:
        raise ImageRefused(f"{board.name} runs its image out of its SDRAM, where openwork run uploads it")
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
