"""All commands: importing this module adds each of them to the app."""

from openwork.cli import boards, export, fit, hardware, masks, networks, pruning, selftest, sweep, trace  # noqa: F401
from openwork.cli.terminal import app

__all__ = ["app"]
