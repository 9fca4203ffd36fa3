"""What the array says about a run: a report per command, and what came of the whole run."""

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
"""What each kind of error says about a weight stream, in words."""


@dataclass(frozen=True)
class CommandReport:
    """What the array reports about one command.

    >>> print(CommandReport(1200, stalls=7))
    1,200 cycles, 7 of them stalls
    >>> print(CommandReport(90, kind=StreamErrorKind.TRUNCATED, pe=3, position=5))
    the weight stream of PE 3 is malformed after 5 complete rows: the stream ends before its last row does

    Attributes:
        cycles: clock cycles that the command took.
        stalls: cycles of these in which the array waited for something outside. 0 where nobody counts them.
        kind, pe, position: the first error since the run began: what is wrong, the PE that the weight stream goes to, and
            how many rows of the stream were complete before the error. NONE, 0 and 0 while there is no error.
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
        """The sentence about the error, with a place in the stream that says more than `position` alone."""
        return f"the weight stream of PE {self.pe} is malformed {place}: {MEANINGS[self.kind]}"


@dataclass(frozen=True, eq=False)
class RunResult:
    """One run of one input, whatever ran it; or the answer to a request to check an image.

    Attributes:
        status: what came of the run.
        cycles: clock cycles from the request to its answer. 0 where there is no clock.
        reports: one per command that was carried out. Empty where there is no clock, or nobody kept the reports.
        outputs: int8 [bytes], what the STORE commands gave. Empty where nothing is stored as bytes.
        tensors: int8 [channels, height, width] by name, the same outputs as the network has them. Empty until somebody
            who knows the network reads the bytes.
    """

    status: ImageStatus = ImageStatus.GOOD
    cycles: int = 0
    reports: tuple[CommandReport, ...] = ()
    outputs: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    tensors: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)

    @property
    def fault(self) -> int | None:
        """The number of the first command whose report holds an error; None where there is no such command."""
        return next((number for number, report in enumerate(self.reports) if report.kind), None)


class PassError(StreamError):
    """A malformed weight stream of a RUN, found without a clock.

    Attributes:
        report: what the array would report; `cycles` are 0.
        command: number of the RUN in its program; 0 where the RUN is alone.
    """

    command = 0

    def __init__(self, error: StreamError, pe: int) -> None:
        super().__init__(error.kind, error.position)
        self.report = CommandReport(0, kind=error.kind, pe=pe, position=error.position)

    def __str__(self) -> str:
        return str(self.report)


def command_report(fields: Mapping[str, Any]) -> CommandReport:
    """The report in the fields of the gateware's payload, with or without stalls around it."""
    report = fields.get("report", fields)
    fault = report["fault"]
    return CommandReport(report["cycles"], fields.get("stalls", 0), fault["kind"], fault["pe"], fault["position"])
