"""Simulations are built once: what a build depends on names its folder, and the folder is there when the build is whole."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

import openwork_hw
from openwork.cache import cache_folder
from openwork.files import naming
from openwork_hw.arch.refusal import Refusal

BUILD_FOLDER = cache_folder() / "simulation"
"""Where simulations are built: beside the user's other caches. What a simulation depends on names its folder, so several checkouts
and several versions of Openwork share it."""


class SimulationError(Refusal):
    """A simulation that could not be built or run; the message holds the path of its log, where there is one."""


def built(folder: Path, depends_on: str, make: Callable[[Path], None], *, gateware: bool = True) -> Path:
    """The folder inside `folder` that `make` filled for the same gateware and the same `depends_on`; filled now if there is none.

    It is filled under another name and renamed at the end. One process at a time does it; a failed build leaves its logs.

    Args:
        gateware: what is made depends on the gateware, too.
    """
    version = _gateware_version() if gateware else ""
    key = hashlib.sha256(f"{depends_on}\n{version}".encode()).hexdigest()[:16]
    place = (folder / key).absolute()
    with naming(folder, "written into"):
        folder.mkdir(parents=True, exist_ok=True)
    with naming(folder, "written into"), _locked(place.with_suffix(".lock")):
        if not place.exists():
            part = place.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(place)
    return place


def files_version(*paths: Path) -> str:
    """Changes whenever one of these files does."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _gateware_version() -> str:
    """Changes whenever the gateware's source or what turns it into Verilog does."""
    digest = hashlib.sha256()
    root = Path(openwork_hw.__file__).parent
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.v")]):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update(f"{metadata.version('amaranth')} {metadata.version('pyosys')}".encode())
    return digest.hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time builds into a folder."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
