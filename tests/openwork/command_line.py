"""Commands as a person types them, in this process: a program of its own would import everything once more."""

import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from openwork.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(folder: Path, *arguments: object) -> Result:
    """Run a command in a folder, whose modules it can import."""
    handler, path, argv = signal.getsignal(signal.SIGINT), Path.cwd(), sys.argv
    out, err, status = StringIO(), StringIO(), 0
    try:
        os.chdir(folder)
        sys.argv = ["openwork", *map(str, arguments)]
        sys.path.insert(0, str(folder))
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        sys.path.remove(str(folder))
        signal.signal(signal.SIGINT, handler)
        os.chdir(path)
        sys.argv = argv
    return Result(status, out.getvalue(), err.getvalue())


def openwork(*arguments: object) -> tuple[int, str]:
    """Run a command where the tests run: exit status, and all that the command said."""
    said, handler, argv = StringIO(), signal.getsignal(signal.SIGINT), sys.argv
    sys.argv = ["openwork", *map(str, arguments)]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            main()
    except SystemExit as stop:
        return int(stop.code or 0), said.getvalue()
    finally:
        signal.signal(signal.SIGINT, handler)
        sys.argv = argv
    return 0, said.getvalue()
