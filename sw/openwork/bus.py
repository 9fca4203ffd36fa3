"""Drives the bus shell through its registers, wherever these are: behind a memory map, a debug bridge or a simulation."""

import time
from collections.abc import Callable

from openwork_hw.arch import registers
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.arch.refusal import Refusal
from openwork_hw.arch.registers import Register
from openwork_hw.arch.report import CommandReport, RunResult


class BusError(Refusal):
    """What the block answers is not what this driver knows, or does not come; the message says what to look at."""


class BusDriver:
    """One block behind two functions that read and write a 32-bit word at a byte address of its map.

    The image and the features go through the system's own stream channels. With a memory map it looks like this:

    >>> words = memoryview(bytearray(4096)).cast("I")                       # of a mapped /dev/uio0, say
    >>> BusDriver(lambda address: words[address >> 2], lambda address, word: words.__setitem__(address >> 2, word))
    Traceback (most recent call last):
        ...
    openwork.bus.BusError: there is no Openwork block at this address: IDENTITY reads 0x00000000

    Raises:
        BusError: there is no such block, or one with another register map.
    """

    def __init__(self, read: Callable[[int], int], write: Callable[[int, int], None]) -> None:
        self._read = read
        self._write = write
        identity = self.read(registers.IDENTITY)
        known = registers.IDENTITY.unpack(identity)
        if known["mark"] != registers.IDENTITY_MARK:
            raise BusError(f"there is no Openwork block at this address: IDENTITY reads {identity:#010x}")
        if known["map_version"] != registers.MAP_VERSION:
            raise BusError(
                f"the block has version {known['map_version']} of the register map, and this driver knows "
                f"{registers.MAP_VERSION}: use the driver that came with the block"
            )

    def read(self, register: Register) -> int:
        """A register's word."""
        return self._read(register.address)

    def write(self, register: Register, **fields: int) -> None:
        """Set a register's fields, the others to 0."""
        self._write(register.address, register.pack(**fields))

    @property
    def fingerprint(self) -> int:
        """Of the array's configuration: `ArrayConfig.fingerprint`."""
        return self.read(registers.FINGERPRINT)

    @property
    def image_words(self) -> int:
        """Words that the image memory holds."""
        return self.read(registers.IMAGE_MEMORY)

    def check(self, timeout_seconds: float = 10.0) -> RunResult:
        """Have the image in the memory checked: status and cycles."""
        self.write(registers.CONTROL, check=1)
        return self.wait(timeout_seconds)

    def start(self) -> None:
        """Begin a run, and do not wait for it."""
        self.write(registers.CONTROL, run=1)

    def wait(self, timeout_seconds: float = 10.0) -> RunResult:
        """The answer to what was asked for: status and cycles. The outputs come through a stream of the system's own.

        Raises:
            BusError: it has not come in time.
        """
        last = time.monotonic() + timeout_seconds
        while registers.STATUS.unpack(self.read(registers.STATUS))["busy"]:
            if time.monotonic() > last:
                raise BusError(
                    f"no answer after {timeout_seconds:g} seconds: a run waits for its features, and for somebody to take its "
                    "outputs; reset() brings the block back"
                )
        answer = registers.ANSWER.unpack(self.read(registers.ANSWER))
        return RunResult(ImageStatus(answer["status"]), self.read(registers.CYCLES))

    def reports(self) -> list[tuple[int, CommandReport]]:
        """The reports that wait, oldest first, each with the number of its command in the program; they are gone then.

        `openwork.faults.fault_sentence` says what a report with an error means for a network.
        """
        found = []
        while (report := dict(registers.REPORT.unpack(self.read(registers.REPORT)))).pop("valid"):
            cycles, stalls = self.read(registers.REPORT_CYCLES), self.read(registers.REPORT_STALLS)
            kind = StreamErrorKind(report["kind"])
            told = CommandReport(cycles, stalls, kind, report["pe"], report["position"])
            found.append((self.read(registers.REPORT_COMMAND), told))
            self.write(registers.CONTROL, drop_report=1)
        return found

    def reset(self, settle: Callable[[], None] = lambda: None) -> None:
        """Bring the block back from anything; the image stays and has to be checked again.

        Args:
            settle: is called while the block drops what comes in: stop what feeds its streams.
        """
        self.write(registers.RESET, hold=1)
        settle()
        self.write(registers.RESET, hold=0)
        while self.read(registers.RESET):
            pass
