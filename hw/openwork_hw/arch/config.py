"""The configuration of an array, which gateware and compiler share, and the presets that fit real parts."""

from dataclasses import dataclass, fields
from enum import StrEnum
from zlib import crc32

from openwork_hw.arch.refusal import Refusal

COLUMN_BITS = 16
"""Bits per column number, in every weight stream."""

ROW_BITS = 16
"""Bits per row number, in every weight stream and row record."""

TAP_BITS = 6
"""Bits of the tap number in a column of a weight stream."""

MAX_TAPS = 1 << TAP_BITS
"""Most taps that a row can have."""

WORD_BITS = 32
"""Bits per word of a weight stream."""

MULTIPLIER_CYCLES = 4
"""Latency of a multiplier. It is the same on every device, so cycle counts are the same on every device, too."""


MAX_PES = 255
MAX_LANES = 64


LATER_SIZES = ("compact", "activation_tables", "map_stations")
"""Fields of `ArrayConfig` that fingerprints, files and identities name only where they are set. So images and boards without them
stay as they are."""


class Technology(StrEnum):
    """Which primitives the generator instantiates."""

    GENERIC = "generic"
    ECP5 = "ecp5"
    ICE40 = "ice40"
    GOWIN = "gowin"


class ConfigError(Refusal):
    """A size that no array can have. The message gives the value and the rule that it breaks."""


def bits_for(count: int) -> int:
    """How many bits number `count` things from 0. A single thing needs 0 bits.

    >>> [bits_for(n) for n in (1, 2, 3, 64, 65)]
    [0, 1, 2, 6, 7]
    """
    return (count - 1).bit_length()


@dataclass(frozen=True)
class ArrayConfig:
    """The configuration of one array: `pes` processing elements (PEs) of `lanes` lanes each.

    The generator builds the gateware from the configuration, and the compiler makes images for it. An image runs only on
    arrays with the `fingerprint` of the configuration that it was compiled for.

    Attributes:
        pes: number of PEs in the chain, 1 to 255.
        lanes: lanes per PE, 1 to 64. The lanes of a PE multiply and accumulate side by side.
        feature_words: words per PE of feature memory, a power of two from 64 to 65,536. A word holds one byte per lane.
        row_buffer_nonzeros: nonzeros per row buffer, a power of two from 16 to 4,096. A row that is replayed must fit.
        tap_entries: entries per tap table, a power of two from 16 to 4,096.
        sum_bits: bits per accumulator, 20 to 32.
        single_port: whether the feature memory has only one port. Each write then delays a beat by one cycle, and `replicas`
            must be 1.
        group_sizes: the values of row_groups that the array supports: how many PEs share one weight stream. Each must divide
            `pes`. A PE has a feeder only if a group of one of these sizes begins with it. Empty means all divisors of `pes`;
            then every PE has a feeder.
        replicas: how many weight streams may share one map. Their PEs copy every output to each other, so the PEs of each
            stream always hold the whole map. 1 (no copying) to 8.
        max_pooling: whether an accumulator can keep the largest product of a row instead of the sum.
        global_pooling: whether the array can add a row's sums over all lanes and PEs of a group.
        compact: whether the array is built for a small part that it nearly fills. A compact array keeps the settings of a
            command in one place, instead of in registers along the chain. It decodes only CSR, one byte per cycle
            (`arch.encodings.encodings_of`). It reads a command only after the report of the command before. Tang Nano 9K,
            iCEBreaker and UPduino have compact arrays.
        activation_tables: whether the outputs of a pass can go through a table of 256 bytes. Such a table is any function of one
            int8: SiLU, GELU, sigmoid and others (`docs/decisions/0026-activation-tables.md`).
        map_stations: whether maps move between the feature memories and an external memory while passes run
            (`docs/decisions/0027-maps-move-beside-passes.md`). Arrays of boards with an SDRAM have them.
        technology: the device family whose primitives the generator instantiates.

    Raises:
        ConfigError: a size is outside its range, or two sizes contradict each other.
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
    activation_tables: bool = False
    map_stations: bool = False
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
        if self.map_stations and (self.single_port or self.compact):
            raise ConfigError("map_stations need feature memories with two ports, and an array that is not compact")
        if self.map_stations and self.replicas >= self.lanes:
            raise ConfigError(
                f"map_stations need more than {self.replicas} lanes where replicas is {self.replicas}: outputs and their copies "
                "would leave a feature memory no cycle for maps"
            )
        if self.replicas > self.row_spacing:
            raise ConfigError(
                f"replicas must be at most {self.row_spacing} with {self.lanes} lanes, not {self.replicas}: outputs of so many "
                "streams could come faster than a memory takes them"
            )

    @property
    def row_spacing(self) -> int:
        """Least cycles from the end of a row to the end of the next row.

        A PE drains one lane per cycle, and no row can follow another in fewer than three cycles.
        """
        return max(self.lanes, 3)

    @property
    def most_replicas(self) -> int:
        """The most replicas that an array of these sizes can have.

        >>> ArrayConfig(pes=4, lanes=4, map_stations=True).most_replicas
        3
        """
        if self.single_port:
            return 1
        return self.lanes - 1 if self.map_stations else self.row_spacing

    @property
    def macs(self) -> int:
        """Multiply-accumulators of the whole array."""
        return self.pes * self.lanes

    @property
    def row_groups(self) -> tuple[int, ...]:
        """All values of row_groups that the array supports, ascending.

        >>> ArrayConfig(pes=6, lanes=1).row_groups
        (1, 2, 3, 6)
        """
        return tuple(sorted(self.group_sizes)) or tuple(n for n in range(1, self.pes + 1) if self.pes % n == 0)

    @property
    def feeders(self) -> tuple[int, ...]:
        """The PEs that have a feeder: each PE with which a group of a supported size begins.

        Every feeder has a weight stream and a stream of row records.

        >>> ArrayConfig(pes=21, lanes=7, group_sizes=(3, 7, 21)).feeders
        (0, 3, 6, 7, 9, 12, 14, 15, 18)
        """
        return tuple(sorted({pe for size in self.row_groups for pe in range(0, self.pes, size)}))

    @property
    def copied_groups(self) -> tuple[int, ...]:
        """The values of row_groups with which several streams can share a map: no more streams than `replicas`.

        >>> ArrayConfig(pes=12, lanes=1, replicas=3).copied_groups
        (4, 6)
        """
        return tuple(size for size in self.row_groups if 1 < self.pes // size <= self.replicas)

    @property
    def fingerprint(self) -> int:
        """The number by which an image and an array know that they fit: the CRC-32 of all sizes that software sees.

        The fields of `LATER_SIZES` are part of the CRC only if they are set.
        """
        unseen = {"technology", *(name for name in LATER_SIZES if not getattr(self, name))}
        seen = (field.name for field in fields(self) if field.name not in unseen)
        return crc32(" ".join(f"{name}={getattr(self, name)!r}" for name in seen).encode())

    @property
    def address_bits(self) -> int:
        """Bits per word address of the feature memory."""
        return bits_for(self.feature_words)

    @property
    def tap_index_bits(self) -> int:
        """Bits per index of the tap table."""
        return bits_for(self.tap_entries)

    @property
    def max_shift(self) -> int:
        """The largest requantization shift. With a larger shift, `zero_point << shift` may not fit the accumulator."""
        return self.sum_bits - 10

    def __str__(self) -> str:
        return f"{self.pes} x {self.lanes} = {self.macs} MACs"

    def table(self) -> str:
        """The configuration as text: one line `name value` per field."""
        return "\n".join(f"{field.name:20} {getattr(self, field.name)}" for field in fields(self))


PRESETS: dict[str, ArrayConfig] = {
    "tiny": ArrayConfig(pes=1, lanes=1, feature_words=64, row_buffer_nonzeros=16, tap_entries=16),
    "demo": ArrayConfig(pes=4, lanes=4, replicas=4),
    "demo-tables": ArrayConfig(pes=4, lanes=4, replicas=4, activation_tables=True),
    "ecp5-85k": ArrayConfig(pes=21, lanes=7, group_sizes=(7, 21), replicas=3, technology=Technology.ECP5),
    "ecp5-25k": ArrayConfig(pes=4, lanes=7, replicas=2, technology=Technology.ECP5),
    "ecp5-85k-sdram": ArrayConfig(
        pes=21, lanes=7, group_sizes=(7, 21), replicas=3, map_stations=True, technology=Technology.ECP5
    ),
    # A feeder for every second PE leaves flip-flops for what fetches the image out of an SDRAM.
    "ecp5-25k-sdram": ArrayConfig(
        pes=4, lanes=7, group_sizes=(2, 4), replicas=2, map_stations=True, technology=Technology.ECP5
    ),
    "ecp5-12k": ArrayConfig(pes=2, lanes=7, replicas=2, technology=Technology.ECP5),
    "ecp5-12k-sdram": ArrayConfig(pes=2, lanes=7, replicas=2, map_stations=True, technology=Technology.ECP5),
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
"""Arrays by name. `tiny` is the smallest legal array. `demo` simulates fast, and so does `demo-tables`, which is the same with
activation tables. Every other array fits the part that it is named for. Those whose names end with `-sdram` have map stations, for
boards with an SDRAM; `ice40-up5k-flash` leaves room for a link and a reader of flash memory."""
