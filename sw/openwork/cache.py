"""Where what can be made again is kept: a folder of the user's, and not the folder that a command runs in."""

import os
import sys
from pathlib import Path

VARIABLE = "OPENWORK_CACHE"
"""The environment variable that names another folder."""


def cache_folder() -> Path:
    """The folder for what can be made again; nobody has made it yet.

    It is the folder that OPENWORK_CACHE names, or else `openwork` in the user's folder of caches: in XDG_CACHE_HOME or ~/.cache,
    on macOS in ~/Library/Caches, on Windows in LOCALAPPDATA. XDG_CACHE_HOME counts only if its path is absolute, as the XDG Base
    Directory Specification says. Where nobody has a home, it is `build` in the working directory.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    said = os.environ.get(variable, "")
    if Path(said).is_absolute():
        return Path(said) / "openwork"
    try:
        home = Path.home()
    except RuntimeError:
        return Path("build")
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "openwork"
