"""Results that are made once: each is a folder whose name is the hash of what it depends on."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openwork
import openwork_hw
from openwork.files import FileError, naming, read_whole

RESULT = "result.json"
"""What every finished folder holds: the figures, as JSON values."""

SETTINGS = "settings.json"
"""What the result depends on, for people who look into a folder."""

MOST_BYTES = 1 << 24
"""Of a `RESULT`: it is a few hundred."""

Make = Callable[[Path], dict[str, Any]]
"""Fills a folder, and returns the figures."""


def key_of(settings: Mapping[str, Any]) -> str:
    """The name of the folder of these settings.

    >>> key_of({"b": 1, "a": 2}) == key_of({"a": 2, "b": 1}) != key_of({"a": 2, "b": 2})
    True
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def file_version(path: Path) -> str:
    """Changes whenever the file's content does.

    Raises:
        FileError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with naming(path, "read"), path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def code_version() -> str:
    """Changes whenever a source of Openwork does, so that no result is of another version than it seems."""
    digest = hashlib.sha256()
    for package in (openwork, openwork_hw):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def finished(folder: Path, key: str) -> dict[str, Any] | None:
    """The figures of a result; None if nobody has finished it, or if its file is damaged."""
    path = folder / key / RESULT
    if not path.is_file():
        return None
    try:
        found = json.loads(read_whole(path, MOST_BYTES))
    except (ValueError, RecursionError, FileError):
        return None
    return found if isinstance(found, dict) else None


def kept(folder: Path, settings: Mapping[str, Any], make: Make) -> dict[str, Any]:
    """The figures of these settings: those of the finished folder, or else new ones.

    A folder is filled under another name and renamed, so it is whole or not there. If two processes fill the same folder, the one
    that ends first counts.

    Args:
        folder: of all results of one kind.
        settings: all that the figures depend on, as JSON values.
        make: fills an empty folder; what it writes there is kept beside the figures.

    Raises:
        FileError: the folder cannot be written into.
    """
    key = key_of(settings)
    if (known := finished(folder, key)) is not None:
        return known
    with naming(folder, "written into"):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{key}.{os.getpid()}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
    try:
        figures = make(part)
        with naming(folder, "written into"):
            (part / SETTINGS).write_text(json.dumps(settings, indent=1))
            (part / RESULT).write_text(json.dumps(figures, indent=1))
            place = folder / key
            if place.exists() and finished(folder, key) is None:
                shutil.rmtree(place)  # damaged
            if not place.exists():
                part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return figures
