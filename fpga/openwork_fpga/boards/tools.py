"""The tools that make a bitstream of what nextpnr placed and routed."""

import subprocess
import sys
from pathlib import Path

from openwork_fpga import nextpnr
from openwork_fpga.boards.board import Board
from openwork_fpga.devices import Family
from openwork_fpga.yosys import ToolError, complaint

ROUTED = {Family.ECP5: ("--textcfg", "routed.config"), Family.ICE40: ("--asc", "routed.asc")}
"""The option of nextpnr, and the file, that says what every switch of the chip is set to."""

SUFFIX = {Family.ECP5: ".bit", Family.ICE40: ".bin"}
"""Of the bitstream's file."""


def pack(board: Board, folder: Path) -> Path:
    """Make the bitstream of the routed design in `folder`.

    Raises:
        ToolError: the tool stopped.
    """
    family = board.device.family
    result = folder / f"packed{SUFFIX[family]}"
    result.unlink(missing_ok=True)
    if family is Family.ECP5:
        arguments = ["--compress", *board.pack, "--input", ROUTED[family][1], "--bit", result.name]
        run_tool(family, "ecppack", arguments, folder)
    else:
        run_tool(family, "icepack", [ROUTED[family][1], result.name], folder)
    return result


def run_tool(family: Family, tool: str, arguments: list[str], folder: Path) -> Path:
    """Run a tool that comes with the family's nextpnr inside `folder`; gives its log.

    Raises:
        ToolError: the tool stopped.
    """
    log = folder / f"{tool}.log"
    module = nextpnr.package(family).replace("-", "_")
    command = [
        sys.executable,
        "-c",
        f"import sys, {module} as tool; sys.exit(tool.run_{tool}(sys.argv[1:]))",
        *arguments,
    ]
    with log.open("w") as output:
        process = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)
    if process.returncode:
        raise ToolError(f"{tool} stopped: {complaint(log, process.returncode)} (log: {log})")
    return log
