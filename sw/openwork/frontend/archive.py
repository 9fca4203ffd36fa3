"""Reads zip archives of strangers: once, in memory, with limits, and only if there is a single way to read them."""

import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

END = struct.Struct("<4s4H2IH")
END_64 = struct.Struct("<4sQ2H2I4Q")
LOCATOR = struct.Struct("<4sIQI")
ENTRY = struct.Struct("<4s6H3I5H2I")
LOCAL = struct.Struct("<4s5H3I2H")

MAX_MEMBERS = 20_000
MAX_BYTES = 4 << 30
"""Most bytes of an archive, and of its content when unpacked."""
MAX_RATIO, FREE_BYTES = 32, 16 << 20
"""What is unpacked is at most `FREE_BYTES` and so many times the archive; weights, pruned ones too, come to a fourth of it."""

MAX_16, MAX_32 = 0xFFFF, 0xFFFFFFFF
"""The value of a count or size that is stored elsewhere, with 64 bits."""
STORED, DEFLATED = 0, 8
DESCRIBED, UTF_8, LEVEL = 8, 0x800, 6
"""Bits of a member's flags: its sizes follow its data, its name is UTF-8, its level of compression."""


class ArchiveError(Exception):
    """Why an archive is not read, in words that follow its name."""


@dataclass(frozen=True)
class Member:
    """An entry of the central directory.

    Attributes:
        name: name in the directory.
        flags, method, checksum, packed, size: fields of the directory; `packed` and `size` are in bytes.
        offset: byte at which its local header begins.
    """

    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    offset: int


def read_archive(content: bytes, known: re.Pattern[str]) -> dict[str, bytes]:
    """The members of a zip archive by the name below the archive's one folder; nothing is written to a disk.

    Readers of zip archives differ in what they make of names that stand twice or differ in case, of gaps, and of what
    precedes or follows; so an archive is taken only if its members cover it without a gap, each under one name that is
    expected.

    Args:
        content: the whole archive.
        known: names that may be in the folder, each in full.

    Raises:
        ArchiveError: the archive is damaged, ambiguous, larger than `MAX_BYTES`, or unpacks to far more than it is.
    """
    if len(content) > MAX_BYTES:
        raise ArchiveError(f"is of {len(content):,} bytes, and {MAX_BYTES:,} are possible")
    members, directory = _directory(content)
    names = _names(members, known)
    total, limit = sum(member.size for member in members), min(MAX_BYTES, FREE_BYTES + MAX_RATIO * len(content))
    if total > limit:
        raise ArchiveError(f"would unpack to {total:,} bytes, and {limit:,} are possible for a file of its size")
    ordered = sorted(zip(members, names, strict=True), key=lambda pair: pair[0].offset)
    ends = [member.offset for member, _ in ordered[1:]] + [directory]
    if ordered[0][0].offset:
        raise ArchiveError("is not a whole .pt2 file: something stands before its first member")
    return {name: _data(content, member, end) for (member, name), end in zip(ordered, ends, strict=True)}


def _directory(content: bytes) -> tuple[list[Member], int]:
    """The entries of the central directory, and where it begins."""
    end = len(content) - END.size
    if end < 0 or content[end : end + 4] != b"PK\5\6":
        raise ArchiveError("is not a whole .pt2 file: it is cut off, or something follows it")
    _, disk, first_disk, here, count, size, offset, comment = END.unpack_from(content, end)
    if comment or disk or first_disk or here != count:
        raise ArchiveError("is not a whole .pt2 file: it has a comment or other parts")
    if end >= LOCATOR.size and content[end - LOCATOR.size : end - LOCATOR.size + 4] == b"PK\6\7":
        _, disk, place, disks = LOCATOR.unpack_from(content, end - LOCATOR.size)
        if disk or disks != 1 or place + END_64.size + LOCATOR.size != end or content[place : place + 4] != b"PK\6\6":
            raise ArchiveError("is ambiguous: its end is not where it says, as in an archive with two of them")
        _, rest, _, _, disk, first_disk, here, count_64, size_64, offset_64 = END_64.unpack_from(content, place)
        if rest != END_64.size - 12 or disk or first_disk or here != count_64:
            raise ArchiveError("is not a whole .pt2 file: its end is not what it should be")
        for short, long, elsewhere in ((count, count_64, MAX_16), (size, size_64, MAX_32), (offset, offset_64, MAX_32)):
            if short not in (long, elsewhere):
                raise ArchiveError("is ambiguous: it has two ends, and they differ")
        count, size, offset, end = count_64, size_64, offset_64, place
    if offset + size != end:
        raise ArchiveError("is ambiguous: its directory is not where it says, as in an archive with two of them")
    if not 0 < count <= MAX_MEMBERS:
        raise ArchiveError(f"has {count:,} members; 1 to {MAX_MEMBERS:,} are possible")
    members = []
    place = offset
    for _ in range(count):
        if place + ENTRY.size > end or content[place : place + 4] != b"PK\1\2":
            raise ArchiveError("is not a whole .pt2 file: its directory is damaged")
        (_, _, _, flags, method, _, _, checksum, packed, unpacked, length, extra, comment, disk, _, _, local) = (
            ENTRY.unpack_from(content, place)
        )
        name = content[place + ENTRY.size : place + ENTRY.size + length]
        place += ENTRY.size + length + extra + comment
        if disk or comment or place > end:
            raise ArchiveError("is not a whole .pt2 file: its directory is damaged")
        members.append(Member(_text(name), flags, method, checksum, packed, unpacked, local))
    if place != end:
        raise ArchiveError("is ambiguous: its directory goes on after its last member")
    return members, offset


def _text(name: bytes) -> str:
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        raise ArchiveError(f"has a member whose name {name!r} is not UTF-8") from None
    if not text.isprintable():
        raise ArchiveError(f"has a member with the name {text!r}")
    return text


def _names(members: list[Member], known: re.Pattern[str]) -> list[str]:
    """The names of the members below the one folder that holds all of them."""
    folder = members[0].name.partition("/")[0]
    names = []
    for member in members:
        first, slash, name = member.name.partition("/")
        if first != folder or first in ("", ".", "..") or "\\" in member.name or not slash or not known.fullmatch(name):
            raise ArchiveError(f"has a member {member.name!r}, which a model's file does not have")
        names.append(name)
    twice = next((name for name, count in Counter(map(str.casefold, names)).items() if count > 1), None)
    if twice is not None:
        raise ArchiveError(f"is ambiguous: its member {twice!r} stands there more than once")
    return names


def _data(content: bytes, member: Member, end: int) -> bytes:
    """The content of a member. Its local header, data and descriptor must reach exactly to `end`."""
    if member.flags & ~(DESCRIBED | UTF_8 | LEVEL) or member.method not in (STORED, DEFLATED):
        raise ArchiveError(f"has a member {member.name!r} that is encrypted, or compressed in a way that is not usual")
    if member.offset + LOCAL.size > end or content[member.offset : member.offset + 4] != b"PK\3\4":
        raise ArchiveError(f"is damaged: its part {member.name!r} is not where its directory says")
    (_, _, flags, method, _, _, checksum, packed, size, length, extra) = LOCAL.unpack_from(content, member.offset)
    behind = member.offset + LOCAL.size
    start, name = behind + length + extra, content[behind : behind + length].decode("utf-8", "replace")
    stop = start + member.packed
    said = (member.checksum, member.packed, member.size)
    local = (checksum, packed, size) in (said, (0, 0, 0) if flags & DESCRIBED else said)
    if (flags, method, name) != (member.flags, member.method, member.name) or not local or stop > end:
        raise ArchiveError(f"is ambiguous: what stands before its part {member.name!r} is not what its directory says")
    if content[stop:end] not in _descriptors(member):
        raise ArchiveError(f"is ambiguous: something stands behind its part {member.name!r}")
    data = content[start:stop]
    if member.method == DEFLATED:
        data = _inflated(data, member)
    if len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise ArchiveError(f"is damaged: its part {member.name!r} does not match its checksum or size")
    return data


def _descriptors(member: Member) -> Iterator[bytes]:
    """The descriptors that may follow the data of a member."""
    if not member.flags & DESCRIBED:
        yield b""
        return
    for sizes in ("<3I", "<I2Q"):
        descriptor = struct.pack(sizes, member.checksum, member.packed, member.size)
        yield b"PK\7\x08" + descriptor
        yield descriptor


def _inflated(data: bytes, member: Member) -> bytes:
    """The unpacked content, cut off one byte after the size that the member claims."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        result = stream.decompress(data, member.size + 1)
    except zlib.error as error:
        raise ArchiveError(f"is damaged: its part {member.name!r} cannot be unpacked: {error}") from None
    if len(result) != member.size or not stream.eof or stream.unused_data:
        raise ArchiveError(f"is damaged: its part {member.name!r} unpacks to another size than its directory says")
    return result
