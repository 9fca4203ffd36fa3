"""Walks through the bytes of an `.onnx` file before protobuf parses them: every field is known, and their number is bounded.

A file of some megabytes can hold millions of empty messages, each of which takes a hundred bytes when it is parsed, and fields
that stand twice, of which readers take one or the other. Here is what a message may hold in ONNX's own description of it.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import onnx

from openwork.limits import MAX_ONNX_FIELDS, MAX_ONNX_PACKED

MAX_DEPTH = 12
"""Messages inside each other; a tensor of an attribute of a node is at depth 5, and each graph in a graph adds 3."""

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
"""How a field is stored."""

STORED = {1: FIXED_64, 2: FIXED_32, 9: BYTES, 11: BYTES, 12: BYTES} | dict.fromkeys((3, 4, 5, 8, 13, 14), VARINT)
"""How a field is stored, by protobuf's number of its type: double, float; string, message, bytes; whole numbers."""

TEXT, MESSAGE, RAW = 9, 11, 12
"""Protobuf's numbers of the types string, message and bytes."""


class OnnxError(Exception):
    """Why an `.onnx` file is refused, in words that follow its name."""


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes:
        name: of the field.
        type: protobuf's number of its type.
        repeated: whether the field may stand several times.
        message: what is known of the message that the field holds.
    """

    name: str
    type: int
    repeated: bool
    message: Any = None


@cache
def fields_of(descriptor: Any) -> dict[int, Field]:
    """The fields of a message by their numbers. `descriptor` is protobuf's own description of the message."""
    return {
        number: Field(one.name, one.type, one.is_repeated, one.message_type if one.type == MESSAGE else None)
        for number, one in descriptor.fields_by_number.items()
    }


def check_wire(content: bytes) -> None:
    """Make sure that a file is a whole ONNX model on the level of bytes, and that parsing it takes bounded memory.

    Raises:
        OnnxError: a field is cut off, unknown, of another kind, or stands twice; or there are too many fields.
    """
    _Walk(content).message(0, len(content), onnx.ModelProto.DESCRIPTOR, 0)


class _Walk:
    """Where the walk is, and how many fields it has seen."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.fields = self.packed = 0

    def message(self, start: int, end: int, descriptor: Any, depth: int) -> None:
        """The fields from one byte to another one, and what is in them."""
        if depth > MAX_DEPTH:
            raise OnnxError(f"is nested more than {MAX_DEPTH} deep, as by graphs in graphs")
        known, seen, place = fields_of(descriptor), set[int](), start
        while place < end:
            key, place = self.number(place, end)
            number, stored = key >> 3, key & 7
            field = known.get(number)
            if field is None:
                raise OnnxError(
                    f"has a field {number} in a {descriptor.name}, which onnx {onnx.__version__} does not know: "
                    "the file is damaged, or for a newer onnx"
                )
            if number in seen and not field.repeated:
                raise OnnxError(f"is ambiguous: the {field.name} of a {descriptor.name} stands there twice")
            seen.add(number)
            self.fields += 1
            if self.fields > MAX_ONNX_FIELDS:
                raise OnnxError(f"has more than {MAX_ONNX_FIELDS:,} fields, which is the limit")
            place = self.value(place, end, field, stored, depth)

    def value(self, place: int, end: int, field: Field, stored: int, depth: int) -> int:
        """The value of a field; gives the byte behind it."""
        expected = STORED.get(field.type)
        if stored == BYTES and field.repeated and expected not in (BYTES, None):
            return self.numbers(place, end, field)
        if stored != expected:
            raise OnnxError(f"is damaged: its {field.name} is stored as another kind of value")
        if stored == VARINT:
            return self.number(place, end)[1]
        if stored != BYTES:
            return self.behind(place, 8 if stored == FIXED_64 else 4, end)
        length, place = self.number(place, end)
        stop = self.behind(place, length, end)
        if field.type == MESSAGE:
            self.message(place, stop, field.message, depth + 1)
        elif field.type == TEXT:
            try:
                self.content[place:stop].decode("utf-8")
            except UnicodeDecodeError:
                raise OnnxError(f"is damaged: a {field.name} in it is not UTF-8") from None
        return stop

    def numbers(self, place: int, end: int, field: Field) -> int:
        """A list of numbers without a key each."""
        length, place = self.number(place, end)
        stop = self.behind(place, length, end)
        kind = STORED[field.type]
        if kind == VARINT:
            self.packed += length
            if self.packed > MAX_ONNX_PACKED:
                raise OnnxError(
                    f"has more than {MAX_ONNX_PACKED:,} bytes of whole numbers in lists: raw_data is for large tensors"
                )
            while place < stop:
                place = self.number(place, stop)[1]
        elif length % (8 if kind == FIXED_64 else 4):
            raise OnnxError(f"is damaged: its {field.name} is cut off")
        return stop

    def number(self, place: int, end: int) -> tuple[int, int]:
        """A whole number of 64 bits, and the byte behind it."""
        value = shift = 0
        while True:
            if place >= end or shift > 63:
                raise OnnxError("is not a whole .onnx file: it is cut off, or of another format")
            byte = self.content[place]
            value |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
            if byte < 128:
                return value, place

    def behind(self, place: int, length: int, end: int) -> int:
        """The byte behind so many bytes."""
        if length > end - place:
            raise OnnxError("is not a whole .onnx file: it is cut off, or of another format")
        return place + length
