"""What went wrong in a run, as a sentence about the user's network: the step, the PE and the row."""

from openwork.image import Image
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.refusal import Refusal
from openwork_hw.arch.report import CommandReport, RunResult

REFUSED = {
    ImageStatus.NOT_CHECKED: "the array has not checked the image: load the image again",
    ImageStatus.MAGIC: "the array's memory holds no image: load the image again",
    ImageStatus.VERSION: "the image is of a version that the array does not read: compile the model again",
    ImageStatus.CONFIGURATION: "the image was compiled for another array: compile the model for this one",
    ImageStatus.LENGTH: "the image says another length than it has: load the image again",
    ImageStatus.DAMAGED: "the image is damaged: load the image again",
    ImageStatus.FAULT: "the array found a malformed weight stream: compile the model again",
    ImageStatus.TIMED_OUT: "the array gave the run up, because nothing moved in it any more: the image asks for something that "
    "does not come; compile the model again, and compare it in simulation with openwork compare --backends golden,rtl",
}
"""What each status but GOOD says to somebody who wanted to run an image."""


SPOILT = (ImageStatus.LENGTH, ImageStatus.DAMAGED)
"""What a wrong bit in an external memory gives: a sum that is wrong, or, if the bit is in a length, another number of words."""


def refused(status: ImageStatus, transfer: int | None = None) -> str:
    """Why an image was not run, as a sentence.

    Args:
        transfer: number of the latest transfer of an external image; None if the image is another one.
    """
    if status not in SPOILT or transfer is None:
        return REFUSED[status]
    part = f"transfer {transfer}" if transfer else "the header or transfer 0"
    return (
        f"{part} of the image is damaged in the board's external memory: load the image again, and if that does not "
        "help, test the memory with openwork selftest"
    )


class RunError(Refusal):
    """An image that the array did not run to its end; the message says what came of it, and where."""


def command_place(image: Image, number: int) -> str:
    """The step that a command belongs to, and the command.

    >>> command_place(image, 5)                                                              # doctest: +SKIP
    "step 'conv1', command 5 (RUN)"
    """
    if not 0 <= number < len(image.commands):
        return f"command {number}"
    command = image.commands[number]
    return f"step {command.tensor!r}, command {number} ({command.kind})"


def fault_sentence(image: Image, number: int, report: CommandReport) -> str:
    """What the report of a command says about its weight stream, with the step, the PE and the row.

    Args:
        number: of the command in the image's program.
        report: has an error.
    """
    return f"{command_place(image, number)}: {report.malformed(_row(image, number, report))}"


def check_result(image: Image, result: RunResult) -> None:
    """Refuse the result of a run that did not end well.

    Raises:
        RunError: with the step, the PE and the row where the array said them.
    """
    if result.status is ImageStatus.GOOD:
        return
    if result.status is ImageStatus.FAULT and result.fault is not None:
        raise RunError(fault_sentence(image, result.fault, result.reports[result.fault]))
    if result.status is ImageStatus.TIMED_OUT and result.reports:
        raise RunError(f"{command_place(image, len(result.reports))}: {REFUSED[result.status]}")
    raise RunError(refused(result.status, result.transfer))


def _row(image: Image, number: int, report: CommandReport) -> str:
    """Where in its stream the error is: in which row of the step, if the stream has a record for the row."""
    complete = f"after {report.position} complete rows"
    if not 0 <= number < len(image.commands):
        return complete
    instruction = image.instructions[number]
    groups = getattr(instruction.command, "row_groups", 1)
    streams = instruction.feeders[report.pe // groups : report.pe // groups + 1]
    records = streams[0].records if streams else ()
    if report.position >= len(records):
        return f"behind its last row, {complete}"
    row = records[report.position].row
    order = image.orders.get(image.commands[number].tensor, ())
    return f"in row {order[row] if row < len(order) else row}, {complete}"
