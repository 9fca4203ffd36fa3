"""What goes into a simulation and comes back: plain numbers, so that the simulator's side imports nothing but cocotb."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """One command and all that belongs to it.

    Attributes:
        command: payload of i_commands.
        inputs: for each stream, by port name, its payloads.
        limit_cycles: without an answer after so many cycles without a stall, the array hangs.
        reset_after: reset the array so many cycles after the step began, and go on with the next step.
    """

    command: int
    inputs: Mapping[str, Sequence[int]] = field(default_factory=dict)
    limit_cycles: int = 0
    reset_after: int | None = None


@dataclass(frozen=True)
class Job:
    """Steps one after the other, every stream stalled at random.

    Attributes:
        stall: probability that a source offers nothing or a sink takes nothing, in each cycle.
        seed: of the stalls.
        ahead: everything is offered at once, so that the next command waits while the one before runs.
    """

    steps: tuple[Step, ...]
    stall: float = 0.0
    seed: int = 0
    ahead: bool = False


@dataclass(frozen=True)
class StepResult:
    """What a step gave back.

    Attributes:
        report: payload of o_reports; None after a reset or where the array hung.
        outputs: payloads of o_features since the step before.
        left: payloads that the array did not take, by port name.
    """

    report: int | None
    outputs: tuple[int, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class JobResult:
    """The results of a job's steps, in order; a hang ends it.

    Attributes:
        problems: what the monitors saw: broken stream rules, named by port and cycle.
    """

    steps: tuple[StepResult, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecoderJob:
    """One weight stream for a decoder.

    Attributes:
        settings: values of channels, channel_bits and columns.
        words: payloads of i_words.
    """

    settings: Mapping[str, int]
    words: Sequence[int]
    stall: float
    seed: int
    limit_cycles: int


@dataclass(frozen=True)
class DecoderResult:
    """What a decoder made of a stream; `left` words were not taken."""

    done: bool
    nonzeros: tuple[int, ...]
    error: int
    position: int
    left: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class ElementJob:
    """For each cycle the ports that change, by name."""

    cycles: Sequence[Mapping[str, int]]


@dataclass(frozen=True)
class ArrayJob:
    """One pass for a chain.

    Attributes:
        before, after: for each cycle the ports that change, by name.
        running: payload of the settings while the pass runs.
        inputs: for each stream, by port name, its payloads.
    """

    before: Sequence[Mapping[str, int]]
    running: int
    inputs: Mapping[str, Sequence[int]]
    after: Sequence[Mapping[str, int]]
    stall: float
    seed: int
    limit_cycles: int


@dataclass(frozen=True)
class ArrayResult:
    """Whether the chain was done, what it emitted, and how many payloads it left."""

    done: bool
    emitted: tuple[int, ...]
    left: int


@dataclass(frozen=True)
class ImageJob:
    """Requests for the whole-network top, one after the other, without stalls.

    Attributes:
        ports: of the memory.
        words: the image.
        requests: payloads of i_requests.
        features: payloads of i_features, of all requests.
        limit_cycles: without all answers after so many cycles, it hangs.
    """

    ports: int
    words: Sequence[int]
    requests: Sequence[int]
    features: Sequence[int]
    limit_cycles: int


@dataclass(frozen=True)
class ImageResult:
    """Payloads that came out, the cycles it took, and what the monitors saw."""

    answers: tuple[int, ...]
    reports: tuple[int, ...]
    features: tuple[int, ...]
    cycles: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class SdramJob:
    """Requests for an SDRAM controller.

    Attributes:
        requests: payloads.
        words: of all writes, in their order.
        reads: words that come back.
        stall: how often a request or a word is not offered.
        seed: of the stalls.
        limit_cycles: after which the bench gives up.
    """

    requests: Sequence[int]
    words: Sequence[int]
    reads: int
    stall: float
    seed: int
    limit_cycles: int


@dataclass(frozen=True)
class SdramResult:
    """What came back.

    Attributes:
        words: that were read.
        cycles: from `restart` to the last word.
        seen: the chip's violations, a bit each.
        problems: rules of streams that were broken.
    """

    words: tuple[int, ...]
    cycles: int
    seen: int
    problems: tuple[str, ...]
