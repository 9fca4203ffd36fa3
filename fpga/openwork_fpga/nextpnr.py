"""Place and route one netlist with one seed, and read nextpnr's report."""

import importlib.util
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from openwork_fpga.devices import Device
from openwork_fpga.families import Family
from openwork_fpga.tools import command
from openwork_fpga.yosys import ToolError, complaint

_CELL = re.compile(
    r"(_(TRELLIS_[A-Z0-9]+|LUT[1-4]|CCU2C|PFUMX|L6MUX21|SB_[A-Z0-9]+|DFF[A-Z]*|ALU|RAM16SDP4)(_.*)?|\$[A-Za-z0-9_]+)$"
)
"""What Yosys and nextpnr append to the name of a net to name a cell that drives or reads it."""


@dataclass(frozen=True)
class PathStep:
    """One hop of a critical path.

    Attributes:
        kind: clk-to-q, logic, routing or setup.
        name: the design's own name of the cell, or of the net where it is routing.
        delay_ns: what the hop takes.
        cells: how many hops are taken together here, in a carry chain.
    """

    kind: str
    name: str
    delay_ns: float
    cells: int = 1

    def __str__(self) -> str:
        chain = f" x {self.cells}" if self.cells > 1 else ""
        return f"{self.delay_ns:6.2f} ns  {self.kind:8}  {self.name}{chain}"


@dataclass(frozen=True)
class Routed:
    """One netlist placed and routed with one seed.

    Attributes:
        seed: the placer's seed.
        clock_mhz: the highest clock that the timing model allows.
        used: cells in use, by nextpnr's name of their kind.
        critical_path: the slowest path between two registers.
    """

    seed: int
    clock_mhz: float
    used: dict[str, int]
    critical_path: tuple[PathStep, ...]


def version(family: Family) -> str:
    """Name and version of the family's nextpnr."""
    return f"{family.nextpnr} {metadata.version(family.nextpnr)}"


def installed(family: Family) -> bool:
    """Whether the family's nextpnr is there."""
    return importlib.util.find_spec(family.nextpnr.replace("-", "_")) is not None


def require(family: Family) -> None:
    """Refuse to begin where the family's nextpnr is not installed.

    Raises:
        ToolError: names what to install.
    """
    if not installed(family):
        raise ToolError(f"{family.nextpnr} is not installed: pip install 'openwork[fpga]' installs it")


def route(device: Device, folder: Path, netlist: str, seed: int, options: Sequence[str] = ()) -> Routed:
    """Place and route `netlist`, a JSON file inside `folder`; `options`: more of nextpnr's, such as a file of pins.

    nextpnr sees the folder that it runs in and nothing else, so all its files have names without a path.

    Raises:
        ToolError: nextpnr stopped: the netlist does not fit, or cannot be routed.
    """
    report, log = folder / f"seed_{seed}_report.json", folder / f"seed_{seed}.log"
    report.unlink(missing_ok=True)
    arguments = [
        *(*device.flags, *device.options, *options, "--json", netlist, "--report", report.name),
        *("--seed", str(seed), "--freq", str(device.target_mhz), "--timing-allow-fail"),
    ]
    full = command(device.family.nextpnr, arguments)
    with log.open("w") as output:
        process = subprocess.run(full, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)
    if process.returncode or not report.exists():
        raise ToolError(f"nextpnr stopped on {device.name}: {complaint(log, process.returncode)} (log: {log})")
    return read_report(json.loads(report.read_text()), seed)


def read_report(report: dict[str, Any], seed: int) -> Routed:
    """The parts of nextpnr's report that we keep.

    Raises:
        ToolError: the report names no clock, or several.
    """
    clocks = {name: entry["achieved"] for name, entry in report["fmax"].items()}
    if len(clocks) != 1:
        raise ToolError(f"nextpnr reports {len(clocks)} clocks, and one was expected: {', '.join(clocks) or 'none'}")
    clock, achieved = next(iter(clocks.items()))
    edge = f"posedge {clock}"
    paths = [entry["path"] for entry in report["critical_paths"] if entry["from"] == entry["to"] == edge]
    return Routed(
        seed=seed,
        clock_mhz=round(float(achieved), 2),
        used={name: int(entry["used"]) for name, entry in report["utilization"].items() if entry["used"]},
        critical_path=_readable(paths[0]) if paths else (),
    )


def _readable(path: list[dict[str, Any]]) -> tuple[PathStep, ...]:
    """The steps of a path under the design's own names, hops along a carry chain taken together."""
    steps: list[PathStep] = []
    for hop in path:
        kind, delay = str(hop["type"]), float(hop["delay"])
        name = own_name(hop["net"] if kind == "routing" else hop["to" if kind == "setup" else "from"]["cell"])
        if kind == "routing" and delay == 0.0:
            continue
        last = steps[-1] if steps else None
        if last and last.kind == kind == "logic" and _stem(last.name) == _stem(name):
            steps[-1] = PathStep(kind, _stem(name) + "*", round(last.delay_ns + delay, 3), last.cells + 1)
        else:
            steps.append(PathStep(kind, name, round(delay, 3)))
    return tuple(steps)


def own_name(name: str) -> str:
    """A cell's or net's name without what the tools added to it.

    >>> own_name("component.accumulator_3.total_TRELLIS_FF_Q_5")
    'accumulator_3.total'
    """
    while (shorter := _CELL.sub("", name)) not in ("", name):
        name = shorter
    return name.removeprefix("component.")


def _stem(name: str) -> str:
    return re.sub(r"[0-9*]+$", "", name)
