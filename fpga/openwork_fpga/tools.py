"""Run the tools that are Python packages with a command: nextpnr, PLL calculators, packers of bitstreams."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from openwork_fpga.yosys import ToolError, complaint

_START = """
import sys
from importlib.metadata import entry_points
name = sys.argv.pop(1)
sys.exit(next(iter(entry_points(group="console_scripts", name=name))).load()())
"""


def command(tool: str, arguments: Sequence[str]) -> list[str]:
    """What runs a command of an installed package with this Python; it need not be on the path."""
    return [sys.executable, "-c", _START, tool, *arguments]


def run_tool(tool: str, arguments: Sequence[str], folder: Path) -> Path:
    """Run a tool inside `folder`; gives its log.

    Raises:
        ToolError: the tool stopped.
    """
    log = folder / f"{tool}.log"
    with log.open("w") as output:
        process = subprocess.run(
            command(tool, arguments), cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if process.returncode:
        raise ToolError(f"{tool} stopped: {complaint(log, process.returncode)} (log: {log})")
    return log
