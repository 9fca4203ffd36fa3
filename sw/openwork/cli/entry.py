"""The begin and the end of every command: Ctrl-C, refusals, bugs. It imports nothing slow before Ctrl-C is handled."""

import errno
import os
import signal
import sys
from types import FrameType

from openwork.extras import missing_extra
from openwork_hw.arch.refusal import Refusal

STATUS_REFUSED = 2
STATUS_BUG = 1

BUG = (
    "openwork: this is a bug of Openwork {version}. Please report it with the text above, the whole command, and the files that "
    "the command reads, if you may share them.\n"
)


class Interrupted(BaseException):
    """The user pressed Ctrl-C. It is not an `Exception`, so no handler of errors catches it and goes on."""


def main() -> None:
    """Run a command. A refusal becomes one sentence and exit status 2; a bug keeps its traceback, and a line asks for a report."""
    signal.signal(signal.SIGINT, _stop)
    try:
        # While modules are loaded, there is nothing to clean up, and some modules would swallow an exception.
        from openwork.cli.commands import app

        signal.signal(signal.SIGINT, _interrupt)
        app()
    except Interrupted:
        _say("openwork: interrupted")
        sys.exit(STATUS_REFUSED)
    except Refusal as refusal:
        _say(f"openwork: {refusal}")
        sys.exit(STATUS_REFUSED)
    except Exception as error:
        needed = missing_extra(error) if isinstance(error, ModuleNotFoundError) else None
        if needed:
            _say(f"openwork: {needed}")
            sys.exit(STATUS_REFUSED)
        if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EIO):
            _give_up_output()
            _say(f"openwork: what this command prints cannot be written: {os.strerror(error.errno).lower()}")
            sys.exit(STATUS_REFUSED)
        _report(error)
        sys.exit(STATUS_BUG)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    os.write(2, b"openwork: interrupted\n")
    os._exit(STATUS_REFUSED)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupted


def _say(sentence: str) -> None:
    """Print a sentence in red. Control characters, which a user's name may hold, are shown as Python writes them."""
    from openwork.cli.terminal import messages

    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in sentence)
    messages.print(shown, style="red", markup=False, highlight=False, soft_wrap=True)


def _report(error: Exception) -> None:
    """Print the traceback, and a line that asks for a report."""
    import traceback
    from importlib.metadata import version

    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.write(BUG.format(version=version("openwork")))


def _give_up_output() -> None:
    """Send further output nowhere, so that Python does not complain again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
