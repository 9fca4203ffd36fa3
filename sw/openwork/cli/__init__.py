"""The command line: each command is one call into the packages, which are imported when the command needs them.

What is imported here is little, so that Ctrl-C is heard at once: the commands themselves are in `openwork.cli.commands`.
"""

from openwork.cli.entry import main

__all__ = ["main"]
