"""Run the small tools that come with nextpnr: PLL calculators, packers of bitstreams."""

import subprocess
import sys
from pathlib import Path

from openwork_fpga import nextpnr
from openwork_fpga.devices import Family
from openwork_fpga.yosys import ToolError, complaint


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
