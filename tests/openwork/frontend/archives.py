"""Hostile `.pt2` archives, made by hand: what no writer makes and readers disagree about."""

import json
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from openwork_dv.fuzzing.programs import archive_of, members_of

__all__ = ["archive_of", "members_of"]


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def pickled(trap: Path) -> bytes:
    """What `torch.save` makes of a trap, as sample inputs would be."""
    file = BytesIO()
    torch.save(((Trap(trap),), {}), file)
    return file.getvalue()


def with_member(content: bytes, name: str, data: bytes) -> bytes:
    """The archive with one member's content replaced; `name` is below its folder."""
    found = [(full, data if full.partition("/")[2] == name else part) for full, part in members_of(content)]
    assert any(part is data for _, part in found), name
    return archive_of(found)


def with_json(content: bytes, name: str, change: Callable[[Any], Any]) -> bytes:
    """The archive with one member's JSON changed in place."""
    (document,) = (json.loads(part) for full, part in members_of(content) if full.partition("/")[2] == name)
    change(document)
    return with_member(content, name, json.dumps(document).encode())


def with_two_directories(shown: bytes, hidden: bytes) -> bytes:
    """An archive whose last directory shows one archive, and in front of which another archive stands, whole.

    A reader that goes by the end sees `shown`; one that adds an offset, or starts at the front, sees `hidden`.
    """
    return hidden + shown


def with_other_end(content: bytes) -> bytes:
    """An archive of `torch.save`, which has an end of 64 bits and an old one; the old one points to another directory."""
    assert b"PK\6\6" in content[-98:]
    (offset,) = struct.unpack("<I", content[-6:-2])
    return content[:-6] + struct.pack("<I", offset + 1) + content[-2:]
