"""SDR SDRAM chips: their sizes, their intervals in nanoseconds and in cycles of a clock, and when our controller does what."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from math import ceil, floor

from openwork_hw.arch.config import WORD_BITS, ConfigError


class Command(IntEnum):
    """What the pins ras_n (bit 2), cas_n and we_n (bit 0) ask a selected chip for."""

    MODE = 0
    REFRESH = 1
    PRECHARGE = 2
    ACTIVATE = 3
    WRITE = 4
    READ = 5
    NONE = 7


PRECHARGE_BIT = 10
"""The address pin that asks PRECHARGE for all banks, and READ and WRITE for a precharge behind them."""

MODE_CAS_BIT = 4
"""Where the CAS latency lies in the mode register; all other bits are 0: bursts of one word."""

MOST_COLUMN_BITS = PRECHARGE_BIT
MOST_ROW_BITS = 13
MOST_OWED = 3
"""Refreshes that the controller can owe at once."""

BURST_WORDS = 64
"""Words of 32 bits that are read at once; a burst ends where their number divides the address."""

QUEUE_WORDS = 128
"""Words that wait for whoever reads them in order: two bursts, so that one comes while the other is taken."""

MAP_WRITE_WORDS = 32
"""Words that wait to be written to a map: two bursts."""

MAP_BURST_WORDS = 16
"""Words of a map that are written at once, at most."""

QUEUE_CYCLES = 2
"""From the last beat of a word to the cycle in which the queue offers the word."""

_ROUNDING = 1e-9
"""Of a cycle: 60 ns at 100 MHz are 6 cycles, whatever the last bit of a floating-point number says."""


@dataclass(frozen=True)
class SdramChip:
    """Sizes and intervals of an SDR SDRAM chip, as its data sheet gives them. Times are in nanoseconds.

    Attributes:
        data_bits: width of a word, which is one beat: 8, 16 or 32.
        row_bits, column_bits, bank_bits: bits of the three parts of a word's address.
        trcd, trp, tras, trc: ACTIVATE to READ or WRITE; PRECHARGE, ACTIVATE to PRECHARGE and to ACTIVATE, of the same bank.
        trfc: REFRESH to the next command.
        trrd: ACTIVATE to ACTIVATE of another bank.
        twr: the last word of a WRITE to PRECHARGE.
        tmrd: MODE to the next command.
        tras_most: ACTIVATE to PRECHARGE, at most.
        cl2_hz, cl3_hz: the highest clock with a CAS latency of 2 and of 3.
        refreshes: REFRESH commands that reach every row once.
        retention: how long a row keeps its content.
        startup: from a stable clock to the first command.
        startup_refreshes: between the first PRECHARGE and the first ACTIVATE, at least.

    Raises:
        ConfigError: a size is outside its range.
    """

    data_bits: int
    row_bits: int
    column_bits: int
    trcd: float
    trp: float
    tras: float
    trc: float
    refreshes: int
    bank_bits: int = 2
    trfc: float = 70
    trrd: float = 14
    twr: float = 14
    tmrd: float = 14
    tras_most: float = 100e3
    cl2_hz: float = 100e6
    cl3_hz: float = 143e6
    retention: float = 64e6
    startup: float = 200e3
    startup_refreshes: int = 8

    def __post_init__(self) -> None:
        if self.data_bits not in (8, 16, 32):
            raise ConfigError(f"an SDRAM chip has 8, 16 or 32 data bits, not {self.data_bits}")
        if not 1 <= self.column_bits <= MOST_COLUMN_BITS:
            raise ConfigError(f"column_bits must be from 1 to {MOST_COLUMN_BITS}, not {self.column_bits}")
        if not 1 <= self.row_bits <= MOST_ROW_BITS:
            raise ConfigError(f"row_bits must be from 1 to {MOST_ROW_BITS}, not {self.row_bits}")
        if self.bank_bits != 2:
            raise ConfigError(
                f"bank_bits must be 2, not {self.bank_bits}: chips with other than four banks are not handled"
            )

    @property
    def address_bits(self) -> int:
        """Bits of a word's linear address: the column lowest, then the bank, then the row."""
        return self.row_bits + self.bank_bits + self.column_bits

    @property
    def word_address_bits(self) -> int:
        """Bits of the address of a word of 32 bits."""
        return self.address_bits - (WORD_BITS // self.data_bits).bit_length() + 1

    @property
    def address_pins(self) -> int:
        """Address pins: for rows, and for what precharges."""
        return max(self.row_bits, PRECHARGE_BIT + 1)

    @property
    def columns(self) -> int:
        """Words of a row, and so of the longest burst."""
        return 1 << self.column_bits

    @property
    def bytes(self) -> int:
        """All that the chip holds."""
        return (self.data_bits // 8) << self.address_bits


SDRAM_CHIPS: dict[str, SdramChip] = {
    "IS42S16160G": SdramChip(16, 13, 9, trcd=18, trp=18, tras=42, trc=60, refreshes=8192),
    "AS4C32M16": SdramChip(16, 13, 10, trcd=21, trp=21, tras=42, trc=63, refreshes=8192),
    # What holds for both of the chips that ULX3S boards have.
    "IS42S16160G/AS4C32M16": SdramChip(16, 13, 9, trcd=21, trp=21, tras=42, trc=63, refreshes=8192),
    "M12L64322A": SdramChip(32, 11, 8, trcd=20, trp=20, tras=42, trc=63, refreshes=4096),
    "EM638325": SdramChip(32, 11, 8, trcd=21, trp=21, tras=42, trc=63, refreshes=4096),
}
"""Chips of boards, by name, each as slow as the slowest of its kind up to 143 MHz.

ULX3S has one of the first two, Colorlight i5 one of the others, whose data masks are tied low there.
"""


@dataclass(frozen=True)
class SdramConfig:
    """A chip at a clock: every interval in cycles.

    Attributes:
        chip: the chip.
        clock_hz: the clock of the chip and of its controller.

    Raises:
        ConfigError: the chip is not made for this clock, or the clock leaves no time for its refreshes.
    """

    chip: SdramChip
    clock_hz: float

    def __post_init__(self) -> None:
        if not 0 < self.clock_hz <= self.chip.cl3_hz:
            raise ConfigError(
                f"the SDRAM chip takes a clock of up to {self.chip.cl3_hz / 1e6:g} MHz, not {self.clock_hz / 1e6:g}"
            )
        if self.refresh_interval <= self.trfc + self.tmrd or self.refresh_delay >= MOST_OWED * self.refresh_interval:
            raise ConfigError(
                f"at {self.clock_hz / 1e6:g} MHz a burst over a whole row delays refreshes by {self.refresh_delay:,} cycles, and "
                f"the controller can make up for less than {MOST_OWED * self.refresh_interval}: take a faster clock"
            )

    def cycles(self, nanoseconds: float) -> int:
        """Whole cycles that are at least so long.

        >>> SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6).cycles(60), SdramConfig(SDRAM_CHIPS["IS42S16160G"], 133e6).cycles(60)
        (6, 8)
        """
        return ceil(nanoseconds * self.clock_hz / 1e9 - _ROUNDING)

    @property
    def cas(self) -> int:
        """CAS latency: READ to its word."""
        return 2 if self.clock_hz <= self.chip.cl2_hz else 3

    @property
    def trcd(self) -> int:
        """ACTIVATE to READ or WRITE."""
        return self.cycles(self.chip.trcd)

    @property
    def trp(self) -> int:
        """PRECHARGE to ACTIVATE or REFRESH."""
        return self.cycles(self.chip.trp)

    @property
    def tras(self) -> int:
        """ACTIVATE to PRECHARGE."""
        return self.cycles(self.chip.tras)

    @property
    def trc(self) -> int:
        """ACTIVATE to ACTIVATE of the same bank."""
        return self.cycles(self.chip.trc)

    @property
    def trfc(self) -> int:
        """REFRESH to the next command."""
        return self.cycles(self.chip.trfc)

    @property
    def trrd(self) -> int:
        """ACTIVATE to ACTIVATE of another bank."""
        return self.cycles(self.chip.trrd)

    @property
    def twr(self) -> int:
        """WRITE to PRECHARGE."""
        return self.cycles(self.chip.twr)

    @property
    def tmrd(self) -> int:
        """MODE to the next command; two cycles in every data sheet, however slow the clock."""
        return max(2, self.cycles(self.chip.tmrd))

    @property
    def tras_most(self) -> int:
        """ACTIVATE to PRECHARGE, at most; rounded down."""
        return floor(self.chip.tras_most * self.clock_hz / 1e9 + _ROUNDING)

    @property
    def startup(self) -> int:
        """From a stable clock to the first command."""
        return self.cycles(self.chip.startup)

    @property
    def retention(self) -> int:
        """How long a row keeps its content; rounded down."""
        return floor(self.chip.retention * self.clock_hz / 1e9 + _ROUNDING)

    @property
    def open_cycles(self) -> int:
        """Our controller: from a row's ACTIVATE to the first cycle in which its precharge may begin, so that neither that row nor
        another one opens too early: long enough for tRAS, tRC, tRRD, and for another bank's tWR and tRP to pass meanwhile."""
        return max(self.tras, self.trc - self.trp, self.trrd, self.twr + self.trp - 1)

    @property
    def refresh_delay(self) -> int:
        """Our controller: from when a refresh is due to its command, at most: a burst over a whole row, and one more refresh."""
        return self.trcd + self.cas + self.chip.columns + self.open_cycles + self.twr + self.trp + 2 * self.trfc

    @property
    def refresh_interval(self) -> int:
        """Our controller: cycles from refresh to refresh. Every row is refreshed within the retention, though one may be late.

        >>> SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6).refresh_interval
        781
        """
        return (self.retention - self.refresh_delay) // self.chip.refreshes

    @property
    def burst_words(self) -> int:
        """Words of 32 bits per burst that is read ahead."""
        return min(BURST_WORDS, self.chip.columns * self.chip.data_bits // WORD_BITS)

    @property
    def read_latency(self) -> int:
        """Our controller: from a beat of a read to its word on `o_words`; two are registers at the pins."""
        return self.cas + 2


@dataclass(frozen=True)
class Request:
    """A burst within one row.

    Attributes:
        write: words go to the chip, instead of from it.
        address: of the first word, linear.
        beats: words, 1 to what is left of the row.
        offered: the first cycle in which the controller may see the request.
    """

    write: bool
    address: int
    beats: int
    offered: int = 0


@dataclass(frozen=True)
class Burst:
    """When a request is served: the cycles in which the controller decides for a command, which is on the pins in the next one.

    Attributes:
        opens: ACTIVATE.
        first: the first beat.
        last: the last beat, in which the request is taken; all beats but this one follow each other.
        beats: words.
    """

    opens: int
    first: int
    last: int
    beats: int

    def beat(self, number: int) -> int:
        """The cycle of a beat: a written word is taken in it, a read one is offered `read_latency` cycles later."""
        return self.last if number == self.beats - 1 else self.first + number


class BurstSchedule:
    """When the controller serves requests, one after the other.

    Cycles are counted from the one in which the controller takes `restart`, in which requests may be offered. They are exact where
    the words of writes never let the controller wait.
    """

    def __init__(self, config: SdramConfig) -> None:
        self._config = config
        self._refreshed = 0
        self._free = 1  # the first cycle in which the controller may decide
        self._closed = 0  # the first cycle in which the bank that was used last may be opened, or all be refreshed
        self._bank = -1
        self._read = -config.read_latency  # the last beat of the latest read

    def serve(self, request: Request) -> Burst:
        """The next request. The controller sees it when it has taken the one before."""
        config, chip = self._config, self._config.chip
        bank = request.address >> chip.column_bits & ((1 << chip.bank_bits) - 1)
        while True:
            opens = max(self._free, request.offered, self._closed if bank == self._bank else 0)
            due = 1 + self._refreshed * config.refresh_interval
            if due > opens:
                break
            self._free = max(self._free, due, self._closed) + config.trfc
            self._refreshed += 1
        first = opens + config.trcd
        if request.write:
            # The chip lets go of the pins.
            first = max(first, self._read + config.read_latency)
        last = max(first + request.beats - 1, opens + config.open_cycles - 1)
        if request.beats == 1:
            first = last
        if not request.write:
            self._read = last
        self._bank, self._free = bank, last + 1
        self._closed = last + (config.twr if request.write else 1) + config.trp
        return Burst(opens, first, last, request.beats)


def burst_cycles(config: SdramConfig, requests: Iterable[Request]) -> list[Burst]:
    """When the controller serves requests: `BurstSchedule` from its begin.

    >>> config = SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6)
    >>> burst_cycles(config, [Request(False, 0, 4), Request(True, 512, 1)])
    [Burst(opens=8, first=10, last=13, beats=4), Burst(opens=14, first=18, last=18, beats=1)]
    """
    schedule = BurstSchedule(config)
    return [schedule.serve(request) for request in requests]


class WordSchedule:
    """When the words of an SDRAM are there that are read in order, as `memory.sdram_words.SdramWords` does.

    Cycles are counted from the one in which the start is taken. No write and no peek comes in between.
    """

    def __init__(self, config: SdramConfig, address: int = 0) -> None:
        """`address`: of the first word."""
        self._config = config
        self._bursts = BurstSchedule(config)
        self._beats = WORD_BITS // config.chip.data_bits
        self._address = address
        self._asked = 0  # words
        self._offered = 2  # when the next request can be offered, as far as the request before it goes
        self._there: deque[int] = deque()  # of words that were asked for
        self._taken: deque[int] = deque()  # when words were taken whose room no burst has used
        self._used = 0  # words whose room, from the queue or from words that were taken, bursts have used

    def word(self) -> int:
        """The first cycle in which the queue can offer the next word, if it has given all words before it."""
        if not self._there:
            self._ask()
        return self._there.popleft()

    def take(self, cycle: int) -> None:
        """The word has been taken, in this cycle."""
        self._taken.append(cycle)

    def _ask(self) -> None:
        config = self._config
        words = config.burst_words - self._address % config.burst_words
        # The whole of a burst must find room, also where it is shorter.
        room = self._asked + config.burst_words - QUEUE_WORDS - self._used
        for _ in range(room):
            self._offered = max(self._offered, self._taken.popleft() + 2)
            self._used += 1
        address = self._address % (1 << config.chip.word_address_bits)
        request = Request(False, address * self._beats, words * self._beats, self._offered)
        burst = self._bursts.serve(request)
        self._offered = burst.last + 1
        for word in range(words):
            last_beat = burst.beat((word + 1) * self._beats - 1)
            self._there.append(last_beat + config.read_latency + QUEUE_CYCLES)
        self._asked += words
        self._address += words
