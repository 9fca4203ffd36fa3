"""The gateware's top compiled to a program of this machine: whole networks in RTL, a million cycles in seconds."""

from openwork_dv.native.build import build
from openwork_dv.native.simulation import (
    Check,
    HangError,
    NativeSimulation,
    Progress,
    Put,
    Run,
    Stalls,
    Window,
)

__all__ = [
    "Check",
    "HangError",
    "NativeSimulation",
    "Progress",
    "Put",
    "Run",
    "Stalls",
    "Window",
    "build",
]
