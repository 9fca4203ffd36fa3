"""The sizes of one array, and the presets that fit real parts."""

from dataclasses import dataclass, fields
from enum import StrEnum
from zlib import crc32

from openwork_hw.arch.refusal import Refusal

COLUMN_BITS = 16
"""Bits of a column number in every weight stream."""

ROW_BITS = 16
"""Bits of a row number in every weight stream and row record."""

TAP_BITS = 6
"""Bits of a tap number in a column of a weight stream."""

MAX_TAPS = 1 << TAP_BITS
"""Taps of a row, at most."""

WORD_BITS = 32
"""Bits of a word of a weight stream."""

MULTIPLIER_CYCLES = 4
"""Latency of a multiplier, equal on every device so that cycle counts are."""


MAX_PES = 255
MAX_LANES = 64


class Technology(StrEnum):
    """Which primitives the generator instantiates."""

    GENERIC = "generic"
    ECP5 = "ecp5"
    ICE40 = "ice40"
    GOWIN = "gowin"


class ConfigError(Refusal):
    """A size that no array can have; the message holds the value and the rule."""


def bits_for(count: int) -> int:
    """Bits that number `count` things from 0; 0 for a single thing.

    >>> [bits_for(n) for n in (1, 2, 3, 64, 65)]
    [0, 1, 2, 6, 7]
    """
    return (count - 1).bit_length()


@dataclass(frozen=True)
class ArrayConfig:
    """Sizes of one array of `pes` processing elements x `lanes` lanes.

    Attributes:
        pes: processing elements in the chain, 1 to 255.
        lanes: multiply-accumulators that work side by side in a PE, 1 to 64.
        feature_words: words of a PE's feature memory (a word is one byte for each lane); a power of two, 64 to 65,536.
        row_buffer_nonzeros: entries of a feeder's ring, so the longest row that can be replayed; a power of two, 16 to 4,096.
        tap_entries: entries of a feeder's tap table; a power of two, 16 to 4,096.
        sum_bits: width of an accumulator, 20 to 32.
        single_port: the feature memory has one port, so that a write costs a beat; with one replica alone.
        group_sizes: the values of row_groups (PEs that share a stream) that the array can be asked for; divisors of `pes`. Only
            PEs that lead a group of such a size have a feeder. Empty for all divisors: then every PE has one.
        replicas: as many streams can write their outputs into each other's PEs, so that each of these holds the whole map; 1 to 8.
        max_pooling: the accumulators can keep the largest product instead of the sum.
        global_pooling: a sum can be taken over all lanes and PEs of a group.
        compact: the form for small, full parts. Settings are held once, in the command, instead of in registers on their way;
            weight streams are CSR alone (`arch.encodings.encodings_of`), which is decoded a byte per cycle; the next command is
            read after the report of the one before. Tang Nano 9K, iCEBreaker and UPduino have compact arrays.
        technology: which primitives are instantiated.

    Raises:
        ConfigError: a size is outside its range.
    """

    pes: int
    lanes: int
    feature_words: int = 2048
    row_buffer_nonzeros: int = 512
    tap_entries: int = 1024
    sum_bits: int = 28
    single_port: bool = False
    group_sizes: tuple[int, ...] = ()
    replicas: int = 1
    max_pooling: bool = True
    global_pooling: bool = True
    compact: bool = False
    technology: Technology = Technology.GENERIC

    def __post_init__(self) -> None:
        ranges = {
            "pes": (1, MAX_PES),
            "lanes": (1, MAX_LANES),
            "feature_words": (64, 65536),
            "row_buffer_nonzeros": (16, 4096),
            "tap_entries": (16, 4096),
            "sum_bits": (20, 32),
            "replicas": (1, 8),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
        for name in ("feature_words", "row_buffer_nonzeros", "tap_entries"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ConfigError(f"{name} must be a power of two, not {value}")
        for size in self.group_sizes:
            if size < 1 or self.pes % size:
                raise ConfigError(f"group_sizes must be divisors of the {self.pes} PEs, not {size}")

        if self.single_port and self.replicas > 1:
            raise ConfigError(
                f"replicas must be 1 where feature memories have one port, not {self.replicas}: copies come while they are read"
            )
        if self.replicas > self.row_spacing:
            raise ConfigError(
                f"replicas must be at most {self.row_spacing} with {self.lanes} lanes, not {self.replicas}: outputs of so many "
                "streams could come faster than a memory takes them"
            )

    @property
    def row_spacing(self) -> int:
        """Least cycles from a row's end to the next one's: an element drains a lane a cycle, and a row follows another in three."""
        return max(self.lanes, 3)

    @property
    def macs(self) -> int:
        """Multiply-accumulators of the whole array."""
        return self.pes * self.lanes

    @property
    def row_groups(self) -> tuple[int, ...]:
        """Legal values of row_groups, ascending.

        >>> ArrayConfig(pes=6, lanes=1).row_groups
        (1, 2, 3, 6)
        """
        return tuple(sorted(self.group_sizes)) or tuple(n for n in range(1, self.pes + 1) if self.pes % n == 0)

    @property
    def feeders(self) -> tuple[int, ...]:
        """PEs that have a feeder, and with it a weight and a record stream: those that lead a group of a legal size.

        >>> ArrayConfig(pes=21, lanes=7, group_sizes=(3, 7, 21)).feeders
        (0, 3, 6, 7, 9, 12, 14, 15, 18)
        """
        return tuple(sorted({pe for size in self.row_groups for pe in range(0, self.pes, size)}))

    @property
    def copied_groups(self) -> tuple[int, ...]:
        """Values of row_groups that divide the PEs into several streams, few enough to write into each other's PEs.

        >>> ArrayConfig(pes=12, lanes=1, replicas=3).copied_groups
        (4, 6)
        """
        return tuple(size for size in self.row_groups if 1 < self.pes // size <= self.replicas)

    @property
    def fingerprint(self) -> int:
        """A number that images for this array carry: the CRC-32 of all sizes that software sees, `compact` only where it is set."""
        unseen = {"technology"} if self.compact else {"technology", "compact"}
        seen = (field.name for field in fields(self) if field.name not in unseen)
        return crc32(" ".join(f"{name}={getattr(self, name)!r}" for name in seen).encode())

    @property
    def address_bits(self) -> int:
        """Bits of a word address in a PE's feature memory."""
        return bits_for(self.feature_words)

    @property
    def tap_index_bits(self) -> int:
        """Bits of an index of the tap table."""
        return bits_for(self.tap_entries)

    @property
    def max_shift(self) -> int:
        """Largest requantization shift: above it `zero_point << shift` could leave the accumulator."""
        return self.sum_bits - 10

    def __str__(self) -> str:
        return f"{self.pes} x {self.lanes} = {self.macs} MACs"

    def table(self) -> str:
        """The configuration, one `name value` line a field."""
        return "\n".join(f"{field.name:20} {getattr(self, field.name)}" for field in fields(self))


PRESETS: dict[str, ArrayConfig] = {
    "tiny": ArrayConfig(pes=1, lanes=1, feature_words=64, row_buffer_nonzeros=16, tap_entries=16),
    "demo": ArrayConfig(pes=4, lanes=4, replicas=4),
    "ecp5-85k": ArrayConfig(pes=21, lanes=7, group_sizes=(7, 21), replicas=3, technology=Technology.ECP5),
    "ecp5-25k": ArrayConfig(pes=4, lanes=7, replicas=2, technology=Technology.ECP5),
    "ecp5-12k": ArrayConfig(pes=2, lanes=7, replicas=2, technology=Technology.ECP5),
    "ice40-up5k": ArrayConfig(
        pes=1,
        lanes=8,
        feature_words=16384,
        row_buffer_nonzeros=256,
        tap_entries=256,
        sum_bits=24,
        single_port=True,
        max_pooling=False,
        global_pooling=False,
        technology=Technology.ICE40,
    ),
    "ice40-up5k-flash": ArrayConfig(
        pes=1,
        lanes=4,
        feature_words=16384,
        row_buffer_nonzeros=256,
        tap_entries=256,
        sum_bits=24,
        single_port=True,
        max_pooling=False,
        compact=True,
        technology=Technology.ICE40,
    ),
    "gw1nr-9": ArrayConfig(
        pes=1,
        lanes=4,
        feature_words=1024,
        row_buffer_nonzeros=256,
        tap_entries=256,
        sum_bits=24,
        compact=True,
        technology=Technology.GOWIN,
    ),
}
"""Arrays by name: `tiny` is the smallest legal one, `demo` simulates fast, the others fit the part they are named for,
`ice40-up5k-flash` with a link and a reader of flash memory."""
