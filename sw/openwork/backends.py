"""What can run an image: the golden model, the image simulator, the gateware itself. And whether they agree."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from openwork.difference import Difference, first_difference
from openwork.faults import RunError, check_result, command_place
from openwork.image import STEP_KINDS, Image
from openwork.network import IntegerNetwork
from openwork_hw.arch.config import Technology
from openwork_hw.arch.external_image import external_words
from openwork_hw.arch.refusal import Refusal
from openwork_hw.arch.report import RunResult
from openwork_hw.arch.sdram import SdramConfig

if TYPE_CHECKING:
    from openwork_dv.native import NativeSimulation, Window

BACKENDS = ("golden", "model", "rtl", "board")
"""The exact model in PyTorch from the quantized network, the image simulator from the image's words, the gateware compiled to
native code, the gateware on a board."""

BATCH = 8
"""Inputs that the golden model runs side by side, where their operands leave room for that."""

BATCH_OPERANDS = 1 << 27
"""Operands of one step over all inputs that run side by side: eight bytes each, so 1 GiB."""


class BackendError(Refusal):
    """A backend that cannot run; the message says why and what to do."""


Progress = Callable[[int, int, str], None]
"""Is told how much is done, of how much, and what."""


@dataclass(frozen=True)
class Port:
    """Where a board is: the name of its serial port, and bits per second."""

    name: str
    baud: int


@dataclass(frozen=True)
class Waves:
    """Waves to be recorded while the first input runs: of the commands of one step.

    Attributes:
        step: name of what the step makes.
        path: the .vcd file to write; a saved view for GTKWave is written beside it, as .gtkw.
    """

    step: str
    path: Path


@dataclass(frozen=True)
class Fetched:
    """Memories that the gateware is simulated with: the image is fetched out of an SDRAM.

    Attributes:
        scratchpad_words: of the image memory on the chip.
        sdram: the SDRAM chip, and the clock of all.
    """

    scratchpad_words: int
    sdram: SdramConfig


def golden_batch(network: IntegerNetwork) -> int:
    """Inputs that the golden model should run side by side, 1 to `BATCH`."""
    return max(1, min(BATCH, BATCH_OPERANDS // network.largest_operands))


def model_results(network: IntegerNetwork, outputs: NDArray[np.int8]) -> dict[str, NDArray[np.generic]]:
    """What the model gives: its results by name, of the int8 outputs of a batch.

    Raises:
        LoadingError: the end of the model, which the host computes, is not whole.
    """
    if network.tail is None:
        return dict(network.real_results(outputs))
    from openwork.frontend import tail

    return tail.model_results(network, outputs)


def run(
    image: Image,
    inputs: NDArray[np.int8],
    backend: str,
    progress: Progress | None = None,
    *,
    workers: int = 1,
    port: Port | None = None,
    waves: Waves | None = None,
    fetched: Fetched | None = None,
) -> Iterator[RunResult]:
    """Run inputs through an image; each result holds the stored tensors by name.

    Args:
        image: compiled.
        inputs: int8 [batch, channels, height, width].
        backend: one of `BACKENDS`.
        progress: is told how far it is.
        workers: processes that share the inputs; `rtl` only.
        port: where the board is; `board` only.
        waves: to be recorded; `rtl` with one worker only.
        fetched: the memories around the array, `rtl` only; without them, every word of the image is at hand.

    Raises:
        BackendError: there is no such backend, or it cannot run here.
        RunError: the array did not run the image to its end.
        HostError: the board cannot be used, or did not run the image to its end.
    """
    tell = progress or (lambda _done, _total, _what: None)
    if waves is not None and (backend != "rtl" or workers > 1):
        raise BackendError(f"waves are recorded by one process of the backend rtl, not by {workers} of {backend}")
    match backend:
        case "golden":
            yield from _golden(image, inputs, tell)
        case "model":
            yield from _model(image, inputs, tell)
        case "rtl":
            yield from _rtl(image, inputs, tell, workers, waves, fetched)
        case "board":
            yield from _board(image, inputs, tell, port)
        case _:
            raise BackendError(f"there is no backend {backend}: there are {', '.join(BACKENDS)}")


def _golden(image: Image, inputs: NDArray[np.int8], tell: Progress) -> Iterator[RunResult]:
    from openwork.golden import trace_network

    names = [name for name, _ in image.stored]
    size = golden_batch(image.network)
    for start in range(0, len(inputs), size):
        tell(start, len(inputs), "golden model")
        batch = inputs[start : start + size]
        tensors = trace_network(image.network, batch)
        yield from (RunResult(tensors={name: tensors[name][index] for name in names}) for index in range(len(batch)))


def _model(image: Image, inputs: NDArray[np.int8], tell: Progress) -> Iterator[RunResult]:
    from openwork.simulator.image import run_image

    for index, one in enumerate(inputs):
        tell(index, len(inputs), "image simulator")
        yield _with_tensors(image, RunResult(outputs=run_image(image, one)))


def _rtl(
    image: Image,
    inputs: NDArray[np.int8],
    tell: Progress,
    workers: int,
    waves: Waves | None = None,
    fetched: Fetched | None = None,
) -> Iterator[RunResult]:
    from openwork_dv.native import HangError
    from openwork_dv.waves import write_view

    window = None if waves is None else _commands_of(image, waves.step)
    tell(0, 1, "compiling the gateware")
    simulation, words = _simulation(image, fetched, waves=waves is not None)
    commands = len(image.commands) * len(inputs)
    try:
        results = simulation.run(
            words,
            [image.load_bytes(one) for one in inputs],
            workers=workers,
            progress=lambda now: tell(now.commands, commands, f"gateware, cycle {now.cycles:,}"),
            trace=window,
            trace_path=None if waves is None else waves.path,
        )
    except HangError as error:
        raise RunError(f"{command_place(image, error.command)}: {error}") from None
    if waves is not None:
        write_view(waves.path)
    for result in results:
        check_result(image, result)
        yield _with_tensors(image, result)


def _simulation(image: Image, fetched: Fetched | None, *, waves: bool) -> tuple["NativeSimulation", NDArray[np.uint32]]:
    """The compiled gateware, and the words that its memory holds."""
    from openwork_dv.native import build
    from openwork_dv.native.external import build_external

    config = replace(image.config, technology=Technology.GENERIC)
    if fetched is None and image.map_bytes:
        raise BackendError(
            "the image keeps maps in an external memory: name the board whose memories are simulated, as in --board ulx3s-85f"
        )
    if fetched is None:
        return build(config, (image.encoding,), waves=waves), image.words
    words = external_words(image.words, image.config, fetched.scratchpad_words)
    return build_external(config, fetched.sdram, fetched.scratchpad_words, (image.encoding,), waves=waves), words


def _commands_of(image: Image, step: str) -> "Window":
    """The commands that make a tensor."""
    from openwork_dv.native import Window

    numbers = [
        number for number, command in enumerate(image.commands) if command.tensor == step and command.kind in STEP_KINDS
    ]
    if not numbers:
        steps = [
            one.output for one in image.network.steps if one.output in {command.tensor for command in image.commands}
        ]
        raise BackendError(f"the image has no step {step!r} that runs: its steps are {', '.join(steps)}")
    return Window(numbers[0], numbers[-1])


def _board(image: Image, inputs: NDArray[np.int8], tell: Progress, port: Port | None) -> Iterator[RunResult]:
    from openwork.host import Board

    if port is None:
        raise BackendError("the backend board needs the port that the board is on: name it with --port")
    with Board.open(port.name, port.baud) as board:
        board.load(image, tell)
        for index, result in enumerate(board.results(inputs), 1):
            tell(index, len(inputs), "board")
            yield _with_tensors(image, result)


def _with_tensors(image: Image, result: RunResult) -> RunResult:
    return replace(result, tensors=image.tensors(result.outputs))


@dataclass(frozen=True)
class TensorComparison:
    """How the backends agree about one tensor over all inputs.

    Attributes:
        tensor, shape: which.
        values: compared, for each pair of backends; 0 if the image does not store the tensor.
        differences: of them.
        cycles, predicted: of its commands in the first input, where a backend has a clock; else 0.
    """

    tensor: str
    shape: tuple[int, int, int]
    values: int
    differences: int
    cycles: int
    predicted: int


@dataclass(frozen=True)
class Comparison:
    """All tensors of a network, by several backends.

    Attributes:
        tensors: in the order in which they are made.
        first: the first difference, or None.
        differing: the backend that it was found in; empty if there is none.
    """

    tensors: tuple[TensorComparison, ...]
    first: Difference | None
    differing: str = ""

    @property
    def agrees(self) -> bool:
        """Every value is the same and every cycle predicted."""
        return self.first is None and all(one.cycles in (0, one.predicted) for one in self.tensors)


def compare(
    image: Image,
    inputs: NDArray[np.int8],
    backends: Sequence[str],
    progress: Progress | None = None,
    *,
    workers: int = 1,
    trace: Path | None = None,
    port: Port | None = None,
) -> Comparison:
    """Run inputs through an image by several backends, and compare what it stores: every tensor, if compiled with `watch`.

    Args:
        backends: two or more; the first is what the others are compared with.
        trace: where to write the waves of the commands that make the first tensor that differs, if `rtl` is one of them.
        port: where the board is, if `board` is one of them. Its memory may make it wait, so that its cycles are not compared.

    Raises:
        BackendError: there are fewer than two backends, or one cannot run.
    """
    if len(backends) < 2:
        raise BackendError(f"comparing needs two backends, not {len(backends)}: name them like golden,rtl")
    names = [tensor.name for tensor in image.network.tensors[1:]]
    kept = {name for name, _ in image.stored}
    stored = [name for name in names if name in kept]
    differences = dict.fromkeys(names, 0)
    cycles = dict.fromkeys(names, 0)
    first: Difference | None = None
    differing = ""
    runs: Iterable[tuple[RunResult, ...]] = zip(
        *(run(image, inputs, backend, progress, workers=workers, port=port) for backend in backends), strict=True
    )
    for number, (reference, *others) in enumerate(runs):
        for backend, other in zip(backends[1:], others, strict=True):
            for name in stored:
                differences[name] += int(np.count_nonzero(reference.tensors[name] != other.tensors[name]))
            if first is None and (first := first_difference(number, stored, reference.tensors, other.tensors)):
                differing = backend
            if number == 0 and backend == "rtl":
                for command, report in zip(image.commands, other.reports, strict=False):
                    if command.kind in STEP_KINDS:
                        cycles[command.tensor] += report.cycles
    predicted = image.step_cycles()
    if first is not None and trace is not None and "rtl" in backends:
        tell = progress or (lambda _done, _total, _what: None)
        list(_rtl(image, inputs[first.input : first.input + 1], tell, 1, Waves(first.tensor, trace)))
    return Comparison(
        tuple(
            TensorComparison(
                name,
                image.network.tensor(name).shape,
                (name in kept) * len(inputs) * (len(backends) - 1) * int(np.prod(image.network.tensor(name).shape)),
                differences[name],
                cycles[name],
                predicted[name],
            )
            for name in names
        ),
        first,
        differing,
    )
