"""Runs a compiled ImageRunner: images and inputs in, reports and outputs out."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from openwork_dv.building import SimulationError
from openwork_dv.packing import unpack
from openwork_dv.sdram.violations import violated
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import HEADER_WORDS, ImageStatus
from openwork_hw.arch.report import RunResult, command_report
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.image.run_control import Answer, CommandReport

CHECK_CYCLES = 4
"""Most cycles per word that a check of an external image takes."""


class HangError(SimulationError):
    """Nothing moved on any stream for so long that nothing will.

    Attributes:
        request: which of the requests hangs.
        command: which of its commands.
    """

    def __init__(self, request: int, command: int, patience: int, cycles: int) -> None:
        super().__init__(
            f"the array hangs in command {command} of request {request}: nothing has moved on any stream for {patience:,} cycles, "
            f"up to cycle {cycles:,}"
        )
        self.request = request
        self.command = command


@dataclass(frozen=True)
class Put:
    """From now on the memory holds these words."""

    words: NDArray[np.uint32]


@dataclass(frozen=True)
class Check:
    """Ask to check the image in the memory."""


@dataclass(frozen=True)
class Run:
    """Ask to run the image once, with these bytes for its LOAD commands."""

    features: NDArray[np.int8]


@dataclass(frozen=True)
class Stalls:
    """Every stream and memory port pauses at random.

    Attributes:
        probability: that a source offers nothing, or a sink takes nothing, in a cycle; below 1.
        seed: of the pauses.
        latency: cycles from a memory request to its word; up to 6 cost no cycle.
    """

    probability: float = 0.0
    seed: int = 0
    latency: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.probability < 1 or self.seed < 0 or self.latency < 1:
            raise ValueError(
                f"stalls need a probability from 0 to below 1, a seed from 0 and a latency from 1, not {self}"
            )


@dataclass(frozen=True)
class Window:
    """The commands of one RUN whose cycles are recorded, first and last included.

    Attributes:
        run: which RUN, counted from 0.
    """

    first_command: int
    last_command: int
    run: int = 0


@dataclass(frozen=True)
class Progress:
    """How far all workers together are: cycles simulated, requests answered, commands carried out."""

    cycles: int = 0
    requests: int = 0
    commands: int = 0


Step = Put | Check | Run


@dataclass(frozen=True)
class NativeSimulation:
    """A compiled ImageRunner.

    Attributes:
        config: its array.
        program: path of the executable; main.cpp says what it reads and writes.
        watchdog_cycles: after which the gateware ends a request by itself; 0 where that is longer than a simulation waits.
        sdram: the chip that external images lie in, of an `ExternalSystem`; None of an ImageRunner.
    """

    config: ArrayConfig
    program: Path
    watchdog_cycles: int = 0
    sdram: SdramConfig | None = None

    def run(
        self,
        image: NDArray[np.uint32],
        inputs: Sequence[NDArray[np.int8]],
        *,
        stalls: Stalls = Stalls(),  # frozen
        workers: int = 1,
        trace: Window | None = None,
        trace_path: Path | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> list[RunResult]:
        """Check an image, then run it for each input. Where the check finds fault with it, all results are the check's.

        Args:
            image: uint32 [words].
            inputs: for each run the int8 (or uint8) bytes that its LOAD commands take.
            workers: processes that share the inputs.
            trace, trace_path: write a VCD file of some commands; one worker only, and built with `waves`.
            progress: called a few times a second.

        Raises:
            SimulationError: the array hangs, or the program stopped.
            ValueError: an input has not as many bytes as the image takes.
        """
        for number, features in enumerate(inputs):
            if len(image) >= HEADER_WORDS and features.size != image[6]:
                raise ValueError(f"input {number} has {features.size} bytes, and the image takes {image[6]}")
        if (trace is None) != (trace_path is None) or (trace is not None and workers > 1):
            raise ValueError("a trace needs a window, a path and a single worker")
        parts = [part for part in np.array_split(np.arange(len(inputs)), max(workers, 1)) if len(part)]
        shown = [Progress()] * len(parts)
        lock = Lock()

        def work(number: int) -> list[RunResult]:
            def tell(mine: Progress) -> None:
                with lock:
                    shown[number] = mine
                    if progress is not None:
                        progress(
                            Progress(
                                *(
                                    sum(getattr(one, name) for one in shown)
                                    for name in ("cycles", "requests", "commands")
                                )
                            )
                        )

            steps: list[Step] = [Put(image), Check(), *(Run(inputs[index]) for index in parts[number])]
            mine = Stalls(stalls.probability, stalls.seed + number, stalls.latency)
            check, *results = self.perform(steps, stalls=mine, trace=trace, trace_path=trace_path, progress=tell)
            return results if check.status == ImageStatus.GOOD else [check] * len(results)

        with ThreadPoolExecutor(max(len(parts), 1)) as pool:
            return [result for results in pool.map(work, range(len(parts))) for result in results]

    def perform(
        self,
        steps: Sequence[Step],
        *,
        stalls: Stalls = Stalls(),  # frozen
        trace: Window | None = None,
        trace_path: Path | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> list[RunResult]:
        """Perform steps one after the other in one process, after a reset; a result for each Check and Run.

        Raises:
            SimulationError: the array hangs, or the program stopped.
        """
        with tempfile.TemporaryDirectory(prefix="openwork-") as folder:
            scratch = Path(folder)
            patience = self.patience_cycles
            command = [str(self.program), "steps", "results"]
            if self.sdram is not None:
                # A check moves nothing on the streams outside.
                longest = max((len(step.words) for step in steps if isinstance(step, Put)), default=0)
                patience += self.sdram.startup + CHECK_CYCLES * longest
                if steps and isinstance(steps[0], Put):
                    command += fill(scratch, steps[0].words, self.sdram)
                    steps = steps[1:]
            np.concatenate([_encode(step) for step in steps]).astype("<u4").tofile(scratch / "steps")
            command += ["--patience", str(patience)]
            command += [
                "--stall",
                repr(stalls.probability),
                "--seed",
                str(stalls.seed),
                "--latency",
                str(stalls.latency),
            ]
            if trace is not None and trace_path is not None:
                command += ["--trace", str(trace_path.absolute()), str(trace.first_command), str(trace.last_command)]
                command.append(str(trace.run))
            complaint = scratch / "complaint"
            hang: tuple[int, int, int] | None = None
            with (
                complaint.open("w") as errors,
                subprocess.Popen(command, cwd=scratch, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
            ):
                assert process.stdout is not None
                try:
                    for line in process.stdout:
                        kind, *numbers = line.split()
                        if kind == "progress" and progress is not None:
                            progress(Progress(*map(int, numbers)))
                        elif kind == "hang":
                            cycles, request, at = map(int, numbers)
                            hang = request, at, cycles
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                said = complaint.read_text(errors="replace").strip() or f"exit status {process.returncode}"
                raise SimulationError(f"the simulation stopped: {said}")
            if hang is not None:
                raise HangError(hang[0], hang[1], patience, hang[2])
            words = np.fromfile(scratch / "results", "<u4")
        return list(self._results(words))

    @property
    def patience_cycles(self) -> int:
        """Longer than any command goes on without moving something on a stream, and than the gateware waits.

        The rows in a feeder and in the words that its reader holds are replayed for every pixel; a MOVE reads a whole memory.
        """
        config = self.config
        replays = 8 * config.tap_entries * max(config.row_buffer_nonzeros, 8 * config.row_spacing)
        moves = config.feature_words * (1 + config.lanes * config.lanes)
        return max(replays + moves, self.watchdog_cycles) + 10_000

    def _results(self, words: NDArray[np.uint32]) -> Iterator[RunResult]:
        layout = CommandReport(self.config)
        answer_words, report_words = (-(-part.size // 32) for part in (Answer, layout))
        at = 0

        def take(count: int) -> NDArray[np.uint32]:
            nonlocal at
            at += count
            return words[at - count : at]

        while at < len(words):
            answer = unpack(Answer, _bits(take(answer_words)))
            transfer, seen = (None, 0) if self.sdram is None else (int(word) for word in take(2))
            if seen:
                raise SimulationError(
                    f"the SDRAM chip was given what its data sheet forbids: {', '.join(violated(seen))}"
                )
            reports = take(int(take(1)[0]) * report_words).reshape(-1, report_words)
            size = int(take(1)[0])
            outputs = take(-(-size // 4)).view(np.int8)[:size].copy()
            told = tuple(command_report(unpack(layout, _bits(report))) for report in reports)
            yield RunResult(ImageStatus(answer["status"]), answer["cycles"], told, outputs, transfer=transfer)


def fill(folder: Path, words: NDArray[np.uint32], sdram: SdramConfig) -> list[str]:
    """Arguments of a program with which the memories of a chip's model hold these words from the start.

    Args:
        folder: is where the program runs; gets a file per byte of the chip's words.
    """
    content = words.astype("<u4").tobytes()
    lanes = sdram.chip.data_bits // 8
    for lane in range(lanes):
        (folder / f"sdram_{lane}").write_text(content[lane::lanes].hex("\n"))
    return [f"+sdram_{lane}=sdram_{lane}" for lane in range(lanes)]


def _bits(words: NDArray[np.uint32]) -> int:
    return int.from_bytes(words.astype("<u4").tobytes(), "little")


def _encode(step: Step) -> NDArray[np.uint32]:
    """A step as main.cpp reads it."""
    match step:
        case Put(words):
            return np.concatenate([np.array([0, len(words)], np.uint32), words.astype(np.uint32)])
        case Check():
            return np.array([1], np.uint32)
        case Run(features):
            data = features.tobytes()
            padded = np.frombuffer(data + bytes(-len(data) % 4), "<u4")
            return np.concatenate([np.array([2, len(data)], np.uint32), padded.astype(np.uint32)])
