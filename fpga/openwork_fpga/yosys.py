"""Run Yosys scripts through pyosys, each in a process of its own."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from openwork_hw.arch.refusal import Refusal

# An exception of the library's destructors at exit would hide the result, so the process leaves without them.
_RUNNER = """
import ctypes, os, sys
from pyosys import libyosys
status = 0
try:
    libyosys.run_pass("script " + sys.argv[1], libyosys.yosys_get_design())
except BaseException as error:
    print("ERROR:", error)
    status = 1
libyosys.log_flush()
sys.stdout.flush()
ctypes.CDLL(None).fflush(None)
os._exit(status)
"""


class ToolError(Refusal):
    """A tool stopped; the message is its last complaint and the path of its log."""


def version() -> str:
    """Name and version of the synthesizer."""
    return f"pyosys {metadata.version('pyosys')}"


def run_script(script: str, folder: Path, name: str = "yosys") -> Path:
    """Run a Yosys script inside `folder` and give the path of its log, `name`.log.

    Raises:
        ToolError: Yosys complained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ys").write_text(script)
    log = folder / f"{name}.log"
    with log.open("w") as output:
        command = [sys.executable, "-c", _RUNNER, f"{name}.ys"]
        process = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)
    if process.returncode:
        raise ToolError(f"Yosys stopped: {complaint(log, process.returncode)} (log: {log})")
    return log


def complaint(log: Path, status: int) -> str:
    """The last line of a tool's log that says what went wrong."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if "ERROR" in line]
    return lines[-1] if lines else f"exit status {status}"
