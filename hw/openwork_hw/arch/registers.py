"""The register map of the bus shell: what a processor reads and writes. Gateware, driver and document import this one table.

Every register has 32 bits and an address of its own, a multiple of 4. Bits that no field names read as 0, and a write
ignores them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from openwork_hw.arch.image import ImageStatus

ADDRESS_BITS = 12
"""Bits per byte address. The map has one page of 4 KiB, and an access to an address without a register is refused."""

MAP_VERSION = 1
IDENTITY_MARK = 0x4F57
"""'OW' in the upper half of IDENTITY. A block that answers something else is not this block."""


class Access(StrEnum):
    """What a bus may do with a register. Any other access is answered with SLVERR."""

    READ = "read"
    TRIGGER = "write: a 1 does what the field says, once"
    READ_WRITE = "read, write"
    CLEAR = "read; writing a 1 clears the bit"


@dataclass(frozen=True)
class Field:
    """Bits `low` .. `low + bits - 1` of a register. After a reset they are 0, unless they say what the block is."""

    name: str
    low: int
    bits: int
    meaning: str


@dataclass(frozen=True)
class Register:
    """One word of the map.

    Attributes:
        name: the name that documents and drivers use.
        address: byte address.
        access: what a bus may do with the register.
        meaning: what the register is for, in one sentence.
        fields: its fields, lowest first.
    """

    name: str
    address: int
    access: Access
    meaning: str
    fields: tuple[Field, ...]

    @property
    def readable(self) -> bool:
        """Whether a read is answered with OKAY."""
        return self.access is not Access.TRIGGER

    @property
    def writable(self) -> bool:
        """Whether a write is answered with OKAY."""
        return self.access is not Access.READ

    @property
    def mask(self) -> int:
        """The bits that fields name."""
        return sum((1 << field.bits) - 1 << field.low for field in self.fields)

    def pack(self, **values: int) -> int:
        """The word that holds these fields; all other fields are 0.

        >>> INTERRUPT_ENABLE.pack(answer=1, loaded=1)
        5

        Raises:
            ValueError: a field does not exist, or a value does not fit its field.
        """
        places = {field.name: field for field in self.fields}
        word = 0
        for name, value in values.items():
            if name not in places or not 0 <= value < 1 << places[name].bits:
                raise ValueError(f"{self.name} has no field {name} that holds {value}")
            word |= value << places[name].low
        return word

    def unpack(self, word: int) -> Mapping[str, int]:
        """The fields of a word.

        >>> dict(ANSWER.unpack(0x8000_0007))
        {'status': 7, 'valid': 1}
        """
        return {field.name: word >> field.low & (1 << field.bits) - 1 for field in self.fields}


def _number(name: str, meaning: str) -> tuple[Field, ...]:
    """The field of a register that holds one number."""
    return (Field(name, 0, 32, meaning),)


_EVENTS = (
    Field("answer", 0, 1, "A CHECK or a RUN has been answered."),
    Field("report", 1, 1, "A report waits, or was lost."),
    Field("loaded", 2, 1, "The last word of an image packet has been written."),
)

IDENTITY = Register(
    "IDENTITY",
    0x00,
    Access.READ,
    "What this block is.",
    (
        Field("map_version", 0, 8, f"Version of this register map: {MAP_VERSION}."),
        Field("image_version", 8, 8, "Version of the images that it runs."),
        Field("mark", 16, 16, f"{IDENTITY_MARK:#06x}."),
    ),
)
FINGERPRINT = Register(
    "FINGERPRINT",
    0x04,
    Access.READ,
    "The array's configuration, as images carry it.",
    _number("fingerprint", "CRC-32 of all sizes that software sees; an image for another array is refused."),
)
ARRAY = Register(
    "ARRAY",
    0x08,
    Access.READ,
    "Sizes of the array.",
    (
        Field("pes", 0, 8, "Processing elements."),
        Field("lanes", 8, 7, "Lanes of each."),
        Field("feature_words", 15, 17, "Words of a processing element's feature memory."),
    ),
)
ENCODINGS = Register(
    "ENCODINGS",
    0x0C,
    Access.READ,
    "Weight encodings that the array decodes.",
    (
        Field("csr", 0, 1, "`csr`."),
        Field("triplet", 1, 1, "`triplet`."),
        Field("packed", 2, 1, "`packed`."),
    ),
)
IMAGE_MEMORY = Register(
    "IMAGE_MEMORY",
    0x10,
    Access.READ,
    "Size of the image memory.",
    _number("words", "Words of 32 bits that it holds."),
)
LOADED = Register(
    "LOADED",
    0x14,
    Access.READ,
    "How much of an image has come.",
    _number(
        "words", "Words of the image packet that comes in, or of the last one; more than the memory holds are dropped."
    ),
)
CONTROL = Register(
    "CONTROL",
    0x20,
    Access.TRIGGER,
    "What to do. CHECK and RUN are ignored while STATUS.busy.",
    (
        Field("check", 0, 1, "CHECK the image in the memory."),
        Field("run", 1, 1, "RUN it once; with `check` in the same write, CHECK alone is done."),
        Field("drop_report", 2, 1, "Drop the report that REPORT shows; the next one takes its place."),
    ),
)
RESET = Register(
    "RESET",
    0x24,
    Access.READ_WRITE,
    "Brings the block back from anything: set it, let what feeds the streams come to its end, clear it.",
    (
        Field(
            "hold",
            0,
            1,
            "While 1, the array is in reset, requests are forgotten, and what comes in on the streams is dropped. A packet of "
            "features that had begun ends early. The image stays and has to be checked again. Reads as 1 until the block is out "
            "of it.",
        ),
    ),
)
STATUS = Register(
    "STATUS",
    0x28,
    Access.READ,
    "What goes on.",
    (
        Field("busy", 0, 1, "A CHECK or a RUN is not answered yet; image words wait meanwhile."),
        Field("changed", 1, 1, "Image words came after the last CHECK: RUN answers `not_checked`."),
        Field("reports_lost", 2, 1, "A report came when no more could wait; cleared when RUN begins."),
    ),
)
ANSWER = Register(
    "ANSWER",
    0x2C,
    Access.READ,
    "The last answer.",
    (
        Field("status", 0, 4, f"{', '.join(f'{one} {one.name.lower()}' for one in ImageStatus)}."),
        Field("valid", 31, 1, "There has been one since the last reset."),
    ),
)
CYCLES = Register(
    "CYCLES",
    0x30,
    Access.READ,
    "Time of the last answer.",
    _number("cycles", "Clock cycles from request to answer."),
)
INTERRUPT_ENABLE = Register("INTERRUPT_ENABLE", 0x34, Access.READ_WRITE, "Which events raise the interrupt.", _EVENTS)
INTERRUPT_PENDING = Register(
    "INTERRUPT_PENDING",
    0x38,
    Access.CLEAR,
    "Events since they were cleared; the interrupt is high while an enabled one is.",
    _EVENTS,
)
REPORT = Register(
    "REPORT",
    0x40,
    Access.READ,
    "The oldest report that waits: one for each command of a RUN, in order.",
    (
        Field("kind", 0, 4, "Kind of the first fault of the run so far; 0 for none."),
        Field("pe", 4, 8, "Processing element whose stream it is."),
        Field("valid", 15, 1, "A report waits; otherwise this register and the next three read as 0."),
        Field("position", 16, 16, "Rows of the stream that were complete before the fault."),
    ),
)
REPORT_COMMAND = Register(
    "REPORT_COMMAND",
    0x44,
    Access.READ,
    "Which command it is of.",
    _number("index", "Number of the command in the image's program, from 0."),
)
REPORT_CYCLES = Register(
    "REPORT_CYCLES", 0x48, Access.READ, "Time of the command.", _number("cycles", "Clock cycles that it took.")
)
REPORT_STALLS = Register(
    "REPORT_STALLS",
    0x4C,
    Access.READ,
    "Waiting during the command.",
    _number("stalls", "Cycles of them in which the array waited for a word or a feature, or for somebody to take one."),
)

REGISTERS = (
    IDENTITY,
    FINGERPRINT,
    ARRAY,
    ENCODINGS,
    IMAGE_MEMORY,
    LOADED,
    CONTROL,
    RESET,
    STATUS,
    ANSWER,
    CYCLES,
    INTERRUPT_ENABLE,
    INTERRUPT_PENDING,
    REPORT,
    REPORT_COMMAND,
    REPORT_CYCLES,
    REPORT_STALLS,
)
"""The whole map, by address."""
