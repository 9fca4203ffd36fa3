"""The link: the protocol between a host and a board with the byte shell, over any line that carries bytes.

The host sends requests, and the board sends a response only when it is asked. A *request* is a header, a payload and the
CRC-32 of both. COBS (consistent overhead byte stuffing) wraps the request, so the only zero byte is the zero that ends it:

    byte     request holds
    0        kind
    1        sequence number; RESET: number of the new session, 1 to 255; HELLO: 0
    2, 3     length: bytes of the payload, or bytes that are asked for
    4 .. 7   address
    8 ..     payload: whole words for WRITE, bytes for FEED
    last 4   CRC-32 (zlib's) of all bytes before it

A *response* is not stuffed: to stuff it, the board would have to look ahead.

    byte     response holds
    0        MARKER
    1        number of the session
    2        sequence number that the board expects next: it has received all requests before this one
    3        kind of the request [3:0], BUSY [4]
    4, 5     lower half of the request's address
    6, 7     bytes of the payload
    8 ..     payload
    last 4   CRC-32 of all bytes before it

All numbers are little endian. The kinds of request are:

    HELLO    asks who the board is. The response holds an `Identity`, and the address of the request. Allowed at any time
    RESET    begins a session: the board drops waiting requests, stops the array, expects sequence number 0. No response
    WRITE    puts words into the image memory from word `address` on. No response
    PEEK     asks for words of the image memory from word `address` on
    START    gives the array a request when it has finished the one before: `address` 0 is CHECK, 1 is RUN. No response
    FEED     gives the array input bytes. No response
    READ     asks for `length` bytes of results from byte `address[15:0]` on. The board waits until it has that many. If
             the array is idle or a HELLO follows, the board sends as many as it has. It forgets the results before byte
             `address[31:16]`

The payload of WRITE and FEED has `length` bytes, and the other requests have no payload. If the payload has another length, a
board whose memory can be written drops the request as damaged. Other boards give the array what a FEED carries, but at most
`length` bytes. A WRITE that reaches beyond the memory is received and not carried out. A PEEK that reaches beyond the memory
is answered without words; on a board whose memory cannot be written, only the address decides this.

All requests but HELLO and RESET are carried out once and in order. The board drops a request whose sequence number it does not
expect, and the host sends again from the expected number on. Results are one string of bytes, counted from the begin of the
session, modulo 65,536. For each command of the program, the string holds the bytes of a STORE and then the report. After the
last command follows the answer.

    report   cycles, stalls (32 bits each), kind of the fault (8), its PE (8), its position (16)
    answer   status (8), number of the latest transfer (24; 0 on boards without an external image), cycles (32)

This conversation runs as a test. The host begins session 9 and greets the board. It writes a word to address 16, and asks for
a check and for the first 8 bytes of results. The board answers that it has received three sequenced requests, and that the
image is damaged (status 6):

>>> encode_request(Request(Kind.RESET, sequence=9)).hex(" ")
'03 01 09 01 01 01 01 01 05 24 9a 10 3c 00'
>>> encode_request(Request(Kind.HELLO, address=0xBEEF)).hex(" ")
'01 01 01 01 03 ef be 01 05 1d 5d fe 24 00'
>>> encode_request(Request(Kind.WRITE, 0, 4, 16, bytes.fromhex("4f574931"))).hex(" ")
'02 08 02 04 02 10 01 01 09 4f 57 49 31 e8 a5 68 d2 00'
>>> encode_request(Request(Kind.START, 1, address=Order.CHECK)).hex(" ")
'03 0a 01 01 01 01 01 01 05 15 c8 95 52 00'
>>> encode_request(Request(Kind.READ, 2, length=8, address=0)).hex(" ")
'04 0c 02 08 01 01 01 01 05 62 59 41 49 00'
>>> decode_response(bytes.fromhex("a5 09 03 0c 00 00 08 00 06 00 00 00 34 12 00 00 1e da da f8"))[0].payload.hex(" ")
'06 00 00 00 34 12 00 00'
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any
from zlib import crc32

from openwork_hw.arch.config import LATER_SIZES, ArrayConfig, ConfigError
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.refusal import Refusal

LINK_VERSION = 1

DEFAULT_BAUD = 3_000_000

MARKER = 0xA5
"""The first byte of a response. It is rare in int8 results, so the host seldom takes another byte for the marker."""

HEADER = struct.Struct("<BBHI")
RESPONSE_HEADER = struct.Struct("<BBBBHH")
CRC = struct.Struct("<I")
REPORT = struct.Struct("<IIBBH")
ANSWER = struct.Struct("<II")

BUSY = 1 << 4
SEQUENCED = 1 << 3
"""The bit of a kind that says that the request is carried out once and in order."""

SEQUENCES = 256
WINDOW = 127
"""Most requests that the host sends without a response. They are fewer than half of all sequence numbers, so the board can
tell an old request from a new one."""

RESULT_POSITIONS = 1 << 16


class LinkError(Refusal):
    """Bytes that break the protocol. The message says how."""


class Kind(IntEnum):
    """The kind of a request. The module's text says what each kind asks for."""

    HELLO = 0
    RESET = 1
    WRITE = 8
    PEEK = 9
    START = 10
    FEED = 11
    READ = 12


CARRYING = (Kind.WRITE, Kind.FEED)
"""Requests that have a payload."""


class Order(IntEnum):
    """What START asks the array for."""

    CHECK = 0
    RUN = 1


@dataclass(frozen=True)
class Request:
    """A request of the host. The module's text says what the fields mean for each kind."""

    kind: Kind
    sequence: int = 0
    length: int = 0
    address: int = 0
    payload: bytes = b""


@dataclass(frozen=True)
class Response:
    """A response of the board.

    Attributes:
        session: number of the session that the board is in.
        expected: sequence number that the board expects next.
        kind: kind of the request.
        busy: whether the array works, or its answer is not among the results yet.
        echo: lower half of the request's address.
        payload: identity, words or results.
    """

    session: int
    expected: int
    kind: Kind
    busy: bool
    echo: int
    payload: bytes


def decode_answer(content: bytes) -> tuple[int, int, int]:
    """Status, number of the latest transfer, and cycles in an answer.

    >>> decode_answer(ANSWER.pack(6 | 17 << 8, 1000))
    (6, 17, 1000)
    """
    word, cycles = ANSWER.unpack(content)
    return word & 0xFF, word >> 8, cycles


def stuff(content: bytes) -> bytes:
    """Wrap content in COBS: each run of up to 254 bytes without a zero follows its length + 1, and a zero ends the content.

    >>> stuff(bytes([1, 0, 0, 2])).hex(" ")
    '02 01 01 02 02 00'
    """
    stuffed = bytearray()
    for run in content.split(b"\0"):
        while len(run) >= 254:
            stuffed += b"\xff" + run[:254]
            run = run[254:]
        stuffed += bytes([len(run) + 1]) + run
    return bytes(stuffed) + b"\0"


def unstuff(stuffed: bytes) -> bytes:
    """The content of stuffed bytes, given without the zero that ends them. Undoes `stuff`.

    >>> unstuff(bytes([2, 1, 1, 2, 2])).hex(" ")
    '01 00 00 02'

    Raises:
        LinkError: a run ends too early.
    """
    content = bytearray()
    at, zero = 0, False
    while at < len(stuffed):
        code = stuffed[at]
        run = stuffed[at + 1 : at + code]
        if code == 0 or len(run) != code - 1:
            raise LinkError("a run of bytes ends too early")
        content += b"\0" * zero + run
        zero = code != 255
        at += code
    return bytes(content)


def encode_request(request: Request) -> bytes:
    """The bytes of a request on the line, with the zero that ends it."""
    header = HEADER.pack(request.kind, request.sequence, request.length, request.address)
    content = header + request.payload
    return stuff(content + CRC.pack(crc32(content)))


def decode_request(stuffed: bytes, *, exact: bool = True) -> Request:
    """The request in stuffed bytes, given without the zero that ends them.

    Args:
        exact: whether to refuse a payload that is not as long as the request says.

    Raises:
        LinkError: the request is damaged, its kind does not exist, or its payload is not as long as it says.
    """
    content = unstuff(stuffed)
    if len(content) < HEADER.size + CRC.size or CRC.unpack(content[-4:])[0] != crc32(content[:-4]):
        raise LinkError("the request is damaged")
    kind, sequence, length, address = HEADER.unpack_from(content)
    payload = content[HEADER.size : -CRC.size]
    if exact and len(payload) != (length if kind in CARRYING else 0):
        raise LinkError(f"the request says that it carries {length} bytes, and carries {len(payload)}")
    try:
        return Request(Kind(kind), sequence, length, address, payload)
    except ValueError:
        raise LinkError(f"there is no request of kind {kind}") from None


def encode_response(response: Response) -> bytes:
    """The bytes of a response on the line."""
    flags = response.kind | BUSY * response.busy
    header = RESPONSE_HEADER.pack(
        MARKER, response.session, response.expected, flags, response.echo, len(response.payload)
    )
    content = header + response.payload
    return content + CRC.pack(crc32(content))


def decode_response(content: bytes) -> tuple[Response, int] | None:
    """The response at the begin of these bytes, and its length in bytes; None if the response is not complete.

    Raises:
        LinkError: the bytes do not begin with a response.
    """
    if content and content[0] != MARKER:
        raise LinkError("no response begins here")
    if len(content) < RESPONSE_HEADER.size:
        return None
    _, session, expected, flags, echo, length = RESPONSE_HEADER.unpack_from(content)
    end = RESPONSE_HEADER.size + length
    try:
        kind = Kind(flags & ~BUSY)
    except ValueError:
        raise LinkError(f"there is no response of kind {flags}") from None
    if len(content) < end + CRC.size:
        return None
    if CRC.unpack_from(content, end)[0] != crc32(content[:end]):
        raise LinkError("the response is damaged")
    payload = content[RESPONSE_HEADER.size : end]
    return Response(session, expected, kind, bool(flags & BUSY), echo, payload), end + CRC.size


@dataclass(frozen=True)
class Identity:
    """What a board says about itself. The host learns from it which images fit, and how many bytes it may send.

    Attributes:
        config: configuration of the array. `technology` is not sent and stays generic.
        encodings: the encodings that the array decodes.
        memory_words: words of the image memory.
        receive_bytes: bytes of the receive buffer, which keeps requests until they are carried out, without the stuffing.
        result_bytes: bytes of the result buffer.
        clock_hz: frequency of the clock.
        writable: whether the host can write the image memory over the link.
        reports: whether the results hold a report per command. If not, they hold only the bytes of STORE commands and answers.
        peek: whether the board knows PEEK.
        linear: whether the memory holds a linear image (`arch.linear_image`).
        scratchpad_words: on a board whose memory holds an external image (`arch.external_image`), the words of the scratchpad that
            it is fetched into; 0 on other boards.

    Raises:
        ConfigError: the host can neither write nor read the memory, so it cannot know which image the board runs.
    """

    config: ArrayConfig
    encodings: tuple[Encoding, ...]
    memory_words: int
    receive_bytes: int
    result_bytes: int
    clock_hz: int
    writable: bool = True
    reports: bool = True
    peek: bool = True
    linear: bool = False
    scratchpad_words: int = 0

    def __post_init__(self) -> None:
        if not self.writable and not self.peek:
            raise ConfigError(
                "a memory that the link cannot write must answer PEEK: else no host knows what image it runs"
            )


def encode_identity(identity: Identity) -> bytes:
    """The bytes of an identity: LINK_VERSION, the fingerprint (32 bits), then the fields as LEB128 numbers.

    The numbers come in the order of the fields of `Identity`, and then of `ArrayConfig` without `technology`. A tuple is its
    length and then its items; a truth value is 0 or 1. The last five numbers say whether the image is linear, whether the array
    is compact, how many words the scratchpad has, and whether the array has activation tables and map stations. Zeros at the end
    are left out.
    """
    encodings = [encoding.value for encoding in identity.encodings]
    numbers = [len(encodings), *encodings]
    for name in ("memory_words", "receive_bytes", "result_bytes", "clock_hz", "writable", "reports", "peek"):
        numbers.append(int(getattr(identity, name)))
    for name in _seen():
        value = getattr(identity.config, name)
        numbers += [len(value), *value] if isinstance(value, tuple) else [int(value)]
    config = identity.config
    later = [
        int(identity.linear),
        int(config.compact),
        identity.scratchpad_words,
        int(config.activation_tables),
        int(config.map_stations),
    ]
    while later and not later[-1]:
        later.pop()
    numbers += later
    return (
        bytes([LINK_VERSION])
        + struct.pack("<I", identity.config.fingerprint)
        + b"".join(_leb128(number) for number in numbers)
    )


def decode_identity(content: bytes) -> Identity:
    """The identity in the payload of a HELLO's response. Undoes `encode_identity`.

    Raises:
        LinkError: the board speaks another version of the link, or describes an array that does not exist.
    """
    if not content or content[0] != LINK_VERSION:
        version = content[0] if content else "none"
        raise LinkError(
            f"the board speaks version {version} of the link, and this program version {LINK_VERSION}: "
            "build its bitstream again with this version"
        )
    numbers = _numbers(content[5:])
    try:
        encodings = tuple(Encoding(next(numbers)) for _ in range(next(numbers)))
        memory_words, receive_bytes, result_bytes, clock_hz = (next(numbers) for _ in range(4))
        writable, reports, peek = (bool(next(numbers)) for _ in range(3))
        sizes: dict[str, Any] = {}
        for name, kind in _seen().items():
            value = next(numbers)
            sizes[name] = tuple(next(numbers) for _ in range(value)) if kind is tuple else kind(value)
        linear = bool(next(numbers, 0))
        compact, scratchpad_words = bool(next(numbers, 0)), next(numbers, 0)
        tables, stations = bool(next(numbers, 0)), bool(next(numbers, 0))
        config = ArrayConfig(**sizes, compact=compact, activation_tables=tables, map_stations=stations)
    except (StopIteration, RuntimeError, ValueError, ConfigError) as error:
        raise LinkError(f"the board describes no array that this program knows: {error}") from None
    if content[1:5] != struct.pack("<I", config.fingerprint):
        raise LinkError("the board's array has sizes that this program does not know: build its bitstream again")
    return Identity(
        config,
        encodings,
        memory_words,
        receive_bytes,
        result_bytes,
        clock_hz,
        writable,
        reports,
        peek,
        linear,
        scratchpad_words,
    )


def _seen() -> dict[str, Any]:
    """Names and types of the sizes that every identity holds."""
    example = ArrayConfig(pes=1, lanes=1)
    names = (field.name for field in fields(example) if field.name not in ("technology", *LATER_SIZES))
    return {name: type(getattr(example, name)) for name in names}


def _leb128(number: int) -> bytes:
    """A number as LEB128: seven bits per byte, lowest first. The upper bit of a byte says that another byte follows."""
    content = bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    return bytes([*content, number])


def _numbers(content: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in content:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0
