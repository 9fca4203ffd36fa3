"""The gateware's top compiled to a program of this machine: whole networks in RTL, a million cycles in seconds."""

from openwork_dv.native.build import build
from openwork_dv.native.simulation import (
    Check,
    CommandResult,
    HangError,
    NativeSimulation,
    Progress,
    Put,
    Run,
    RunResult,
    Stalls,
    Window,
)

__all__ = [
    "Check",
    "CommandResult",
    "HangError",
    "NativeSimulation",
    "Progress",
    "Put",
    "Run",
    "RunResult",
    "Stalls",
    "Window",
    "build",
]
