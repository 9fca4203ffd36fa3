"""The command line: each command is one call into the packages, which are imported when the command needs them."""

from openwork.cli import boards, hardware, networks, pruning, selftest  # noqa: F401  # they add their commands to the app
from openwork.cli.terminal import app, main

__all__ = ["app", "main"]
