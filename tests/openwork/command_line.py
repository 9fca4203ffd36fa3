"""Commands as a person types them, in this process: a program of its own would import everything once more."""

import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import typer.main

from openwork.cli import main

# To make the parser of all commands takes longer than most of the commands, and it is the same every time.
_made_once = patch.object(typer.main, "get_command", cache(typer.main.get_command))


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
        with _made_once, redirect_stdout(out), redirect_stderr(err):
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
        with _made_once, redirect_stdout(said), redirect_stderr(said):
            main()
    except SystemExit as stop:
        return int(stop.code or 0), said.getvalue()
    finally:
        signal.signal(signal.SIGINT, handler)
        sys.argv = argv
    return 0, said.getvalue()
