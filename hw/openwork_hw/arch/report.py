"""What the array says about a run: one report per command, and the result of the whole run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.nonzeros import StreamError, StreamErrorKind

MEANINGS = {
    StreamErrorKind.HEADER: "its header names no encoding or no rows, or has a reserved bit set",
    StreamErrorKind.COLUMN: "a nonzero has a tap or a channel outside the layer",
    StreamErrorKind.ROW: "a nonzero is of another row than the row record",
    StreamErrorKind.LENGTH: "a row is empty, or something follows the last row",
    StreamErrorKind.TRUNCATED: "the stream ends before its last row does",
    StreamErrorKind.CODE: "it holds a code that the encoding does not have",
    StreamErrorKind.ROW_TOO_LONG: "a row that is replayed is longer than the row buffer",
    StreamErrorKind.RECORDS: "its row records end before or after its rows do",
}
"""Each kind of error in words, for messages about a weight stream."""


@dataclass(frozen=True)
class CommandReport:
    """What the array reports about one command.

    >>> print(CommandReport(1200, stalls=7))
    1,200 cycles, 7 of them stalls
    >>> print(CommandReport(90, kind=StreamErrorKind.TRUNCATED, pe=3, position=5))
    the weight stream of PE 3 is malformed after 5 complete rows: the stream ends before its last row does

    Attributes:
        cycles: clock cycles that the command took.
        stalls: how many of these cycles the array waited for something outside. 0 if stalls are not counted.
        kind: what is wrong: the first error since the run began, or NONE.
        pe: the PE that the malformed weight stream goes to; 0 if there is no error.
        position: how many rows of that stream were complete before the error; 0 if there is no error.
    """

    cycles: int
    stalls: int = 0
    kind: StreamErrorKind = StreamErrorKind.NONE
    pe: int = 0
    position: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", StreamErrorKind(self.kind))

    def __str__(self) -> str:
        if not self.kind:
            return f"{self.cycles:,} cycles, {self.stalls:,} of them stalls"
        return self.malformed(f"after {self.position} complete rows")

    def malformed(self, place: str) -> str:
        """The sentence about the error. `place` says where in the stream it is, more precisely than `position` can."""
        return f"the weight stream of PE {self.pe} is malformed {place}: {MEANINGS[self.kind]}"


@dataclass(frozen=True, eq=False)
class RunResult:
    """The result of one run of one input on any backend, or of a request to check an image.

    Attributes:
        status: the answer to the request.
        cycles: clock cycles from the request to its answer. 0 if the backend has no clock.
        reports: one report per command that was carried out. Empty if the backend has no clock or keeps no reports.
        outputs: int8 [bytes], the bytes that the STORE commands gave. Empty if the backend stores no bytes.
        tensors: int8 [channels, height, width] by name, the same outputs as tensors of the network. Empty until they are
            read from the bytes, which only a caller who knows the network can do.
        transfer: number of the latest transfer of an external image (`arch.external_image`); None if the image is another one.
    """

    status: ImageStatus = ImageStatus.GOOD
    cycles: int = 0
    reports: tuple[CommandReport, ...] = ()
    outputs: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    tensors: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    transfer: int | None = None

    @property
    def fault(self) -> int | None:
        """The number of the first command whose report holds an error; None if there is no such command."""
        return next((number for number, report in enumerate(self.reports) if report.kind), None)


class PassError(StreamError):
    """A malformed weight stream of a RUN, found by the image simulator, which has no clock.

    Attributes:
        report: the report that the array would give, with 0 cycles.
        command: number of the RUN in its program; 0 if the RUN has no program.
    """

    command = 0

    def __init__(self, error: StreamError, pe: int) -> None:
        super().__init__(error.kind, error.position)
        self.report = CommandReport(0, kind=error.kind, pe=pe, position=error.position)

    def __str__(self) -> str:
        return str(self.report)


def command_report(fields: Mapping[str, Any]) -> CommandReport:
    """The report in a payload of the gateware, given as its fields. The payload may hold stalls, too."""
    report = fields.get("report", fields)
    fault = report["fault"]
    return CommandReport(report["cycles"], fields.get("stalls", 0), fault["kind"], fault["pe"], fault["position"])
