"""What a bench of the bus shell is asked to do, and what came of it: plain values, so that the simulator's side stays light."""

from collections.abc import Sequence
from dataclasses import dataclass

from openwork_hw.arch.report import RunResult


@dataclass(frozen=True)
class Load:
    """Send an image packet of these words, and wait until the block has them all."""

    words: Sequence[int]


@dataclass(frozen=True)
class Offer:
    """Send a run's features, and do not wait for them to be taken."""

    features: bytes


@dataclass(frozen=True)
class Ask:
    """Ask for a CHECK or a RUN (`request`: check, run) and wait for its interrupt; what came of it is an `Answered`."""

    request: str


@dataclass(frozen=True)
class Cut:
    """Ask for a RUN, and so many cycles later reset the block, by its register or else, `whole`, by aresetn.

    The features that were offered before are nobody's then, and neither is the packet that had begun.
    """

    cycles: int
    whole: bool = False


@dataclass(frozen=True)
class Access:
    """A register access.

    Attributes:
        address: in bytes; of a write also of its first byte.
        data: bytes to write; None for a read of a word.
    """

    address: int
    data: bytes | None = None


@dataclass(frozen=True)
class Accesses:
    """Register accesses that wait for none before them; for each its word, 0 for a write, and its response come back."""

    accesses: Sequence[Access]


Step = Load | Offer | Ask | Cut | Accesses


@dataclass(frozen=True)
class BusJob:
    """Steps after a reset, every channel paused at random.

    Attributes:
        steps: one after the other.
        stall: probability that a channel pauses, in each cycle.
        seed: of the pauses.
        limit_cycles: without an answer after so many cycles, the block hangs.
    """

    steps: Sequence[Step]
    stall: float = 0.0
    seed: int = 0
    limit_cycles: int = 100_000


@dataclass(frozen=True, eq=False)
class Answered:
    """What came of an `Ask`.

    Attributes:
        result: the answer, and the reports that waited.
        commands: for each report the number of its command.
        packets: of outputs, those that came since the step before.
    """

    result: RunResult
    commands: tuple[int, ...]
    packets: tuple[bytes, ...]


@dataclass(frozen=True)
class BusResult:
    """What came of a job.

    Attributes:
        answers: of each Ask; fewer after a hang.
        words: of each `Accesses`: word and response of each access.
        problems: rules of the channels that were broken, and hangs.
    """

    answers: tuple[Answered, ...]
    words: tuple[tuple[tuple[int, int], ...], ...]
    problems: tuple[str, ...]
