"""Take any component through synthesis, placement and routing."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from openwork_fpga import nextpnr, yosys
from openwork_fpga.devices import Device
from openwork_fpga.families import Family
from openwork_fpga.harness import PinPoor
from openwork_fpga.nextpnr import PathStep, Routed
from openwork_fpga.yosys import ToolError

Progress = Callable[[str, int, int], None]
"""Is told what has just begun or ended, how many steps are done, and how many there are."""

READ_DESIGN = "read_rtlil design.il\nproc\n"
"""The beginning of each script."""

SEEDS = (1, 2, 3, 4, 5)
"""Placer seeds of a measurement."""


@dataclass(frozen=True)
class Implementation:
    """A component on a part, once for each placer seed.

    Attributes:
        device: the part.
        routed: one result a seed, in the order of the seeds.
        flip_flops: of the netlist.
    """

    device: Device
    routed: tuple[Routed, ...]
    flip_flops: int

    @property
    def median(self) -> Routed:
        """The seed with the median clock (the lower of the two middle ones where their number is even)."""
        ordered = sorted(self.routed, key=lambda routed: routed.clock_mhz)
        return ordered[(len(ordered) - 1) // 2]

    @property
    def critical_path(self) -> tuple[PathStep, ...]:
        """Critical path of the median seed."""
        return self.median.critical_path

    @property
    def luts(self) -> int:
        """LUTs, those included that no other logic can use any more: see `Family.luts`."""
        used = self.median.used
        return sum(luts * used.get(kind, 0) for kind, luts in self.device.family.luts.items())

    @property
    def dsps(self) -> int:
        """Multiplier blocks."""
        return self.median.used.get(self.device.family.dsps, 0)

    @property
    def block_memories(self) -> int:
        """Block memories: DP16KD, SB_RAM40_4K or BSRAM."""
        return self.median.used.get(self.device.family.block_memories, 0)

    @property
    def large_memories(self) -> int:
        """Single-port memories of 256 kbit, which only iCE40 UltraPlus has."""
        return self.median.used.get(self.device.family.large_memories, 0)


Floorplan = Callable[[Iterable[str]], dict[str, str]]
"""Gives cells, by name, the bels where they have to be; see `floorplan.places`."""


def implement(
    component: wiring.Component,
    device: Device,
    seeds: Sequence[int],
    folder: Path,
    progress: Progress,
    floorplan: Floorplan | None = None,
) -> Implementation:
    """Synthesize a component once inside `PinPoor`, then place and route it with each seed, two at a time where there are
    processors for two.

    All intermediate files, logs among them, lie in `folder`.

    Raises:
        ToolError: a tool stopped, or is not installed.
    """
    nextpnr.require(device.family)
    steps = 1 + len(seeds)
    progress("synthesis", 0, steps)
    folder.mkdir(parents=True, exist_ok=True)
    top = PinPoor(component, global_reset=device.family.global_reset)
    (folder / "design.il").write_text(rtlil.convert(top, name="top", emit_src=False))
    flip_flops = synthesize(device.family, folder, floorplan)
    progress("place and route", 1, steps)

    def tell(routed: Routed, done: int) -> None:
        progress(f"seed {routed.seed}: {routed.clock_mhz:.1f} MHz", 1 + done, steps)

    routed, failed = route_all(device, folder, seeds, tell)
    for error in failed.values():
        raise error  # a median of those that went well would say too much
    return Implementation(device, routed, flip_flops)


def route_all(
    device: Device,
    folder: Path,
    seeds: Sequence[int],
    tell: Callable[[Routed, int], None],
    options: Callable[[int], Sequence[str]] = lambda _seed: (),
) -> tuple[tuple[Routed, ...], dict[int, ToolError]]:
    """Place and route the netlist.json in `folder` with each seed, two at a time where there are processors for two.

    Args:
        tell: is given each result when it is there, and how many seeds are through.
        options: more of nextpnr's for a seed.

    Returns:
        One result a seed, in the order of the seeds, but for those that nextpnr gave up; and why it did, by seed.
    """
    results: dict[int, Routed] = {}
    failed: dict[int, ToolError] = {}
    with ThreadPoolExecutor(max_workers=min(2, len(os.sched_getaffinity(0)))) as pool:
        running = {
            pool.submit(nextpnr.route, device, folder, "netlist.json", seed, options(seed)): seed for seed in seeds
        }
        try:
            for finished in as_completed(running):
                seed = running[finished]
                try:
                    results[seed] = finished.result()
                except ToolError as error:
                    failed[seed] = error
                else:
                    tell(results[seed], len(results) + len(failed))
        finally:
            # After an interrupt the seeds that have not begun do not begin.
            pool.shutdown(cancel_futures=True)
    return tuple(results[seed] for seed in seeds if seed in results), failed


def synthesize(family: Family, folder: Path, floorplan: Floorplan | None) -> int:
    """Make netlist.json, places included, of the design.il in `folder`; gives its flip-flops.

    Raises:
        ToolError: Yosys complained.
    """
    yosys.run_script(f"{READ_DESIGN}{family.synthesis}\ntee -q -o cells.json stat -json\n", folder)
    if floorplan is not None:
        _fix_places(folder / "netlist.json", floorplan)
    return _flip_flops(family, folder)


def _fix_places(netlist: Path, floorplan: Floorplan) -> None:
    """Give the cells of a netlist file the places that the floorplan names.

    A bit of a port register goes by the name of its net, since its cell's is made up in synthesis.
    """
    design = json.loads(netlist.read_text())
    top = design["modules"]["top"]
    cells = top["cells"]
    registers = {cell["connections"]["Q"][0]: name for name, cell in cells.items() if cell["type"] == "TRELLIS_FF"}
    named = {name: name for name in cells} | {
        f"{net}[{bit}]": registers[driver]
        for net, entry in top["netnames"].items()
        if net.endswith("_port")
        for bit, driver in enumerate(entry["bits"])
        if driver in registers
    }
    for name, bel in floorplan(named).items():
        cells[named[name]]["attributes"]["BEL"] = bel
    netlist.write_text(json.dumps(design))


def _flip_flops(family: Family, folder: Path) -> int:
    """Flip-flops of the netlist in `folder`, counted by Yosys."""
    text = (folder / "cells.json").read_text()
    cells = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]
    return sum(count for kind, count in cells.items() if kind.startswith(family.flip_flops))
