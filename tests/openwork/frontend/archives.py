"""Hostile `.pt2` archives, made by hand: what no writer makes and readers disagree about."""

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

Member = tuple[str, bytes]


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


def members_of(content: bytes) -> list[Member]:
    """Names and contents, as Python's reader sees them."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def archive_of(members: Iterable[Member], method: int = 0, flags: int = 0, prefix: bytes = b"") -> bytes:
    """A zip archive of these members, in this order; names may stand there twice.

    Args:
        members: of the archive.
        method: 0 stores them, 8 compresses them; another one is only said.
        flags: of every member.
        prefix: stands before the first member.
    """
    body, directory = bytearray(prefix), bytearray()
    count = 0
    for name, data in members:
        packed = zlib.compress(data, 9, wbits=-15) if method == 8 else data
        head = (20, flags, method, 0, 0x21, zlib.crc32(data), len(packed), len(data), len(name.encode()))
        directory += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, *head, 0, 0, 0, 0, 0, len(body)) + name.encode()
        body += struct.pack("<4s5H3I2H", b"PK\3\4", *head, 0) + name.encode() + packed
        count += 1
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


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
