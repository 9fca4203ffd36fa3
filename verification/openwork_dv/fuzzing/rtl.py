"""Hostile images in RTL: each run ends, means what the image simulator says, and leaves the next good image right."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from openwork.compiler.network import compile_network
from openwork.golden import trace_network
from openwork.image import Image
from openwork.simulator.image import run_instructions
from openwork_dv.fuzzing.formats import MALFORMED, REFUSED, TAKEN
from openwork_dv.fuzzing.subjects import SMALL, small_networks, spilled_image
from openwork_dv.fuzzing.transfers import hostile_transfers
from openwork_dv.hostile import Anatomy, Part, hostile_words, watchdog_bits
from openwork_dv.native import Check, NativeSimulation, Put, Run, build
from openwork_dv.native.external import build_external
from openwork_dv.native.simulation import Step
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.external_image import HEADER_WORDS as EXTERNAL_HEADER_WORDS
from openwork_hw.arch.external_image import check_external_words, external_words, read_external_words
from openwork_hw.arch.image import ImageError, ImageStatus
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.report import PassError, RunResult
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

ARRAYS: dict[str, ArrayConfig | None] = {
    "2 x 3": SMALL,
    "1 x 4, one memory port": ArrayConfig(
        1, 4, feature_words=1024, row_buffer_nonzeros=32, tap_entries=64, sum_bits=24, single_port=True
    ),
    "6 x 3": ArrayConfig(6, 3, feature_words=512, row_buffer_nonzeros=32, tap_entries=128, sum_bits=28, replicas=3),
    "maps in an SDRAM": None,
}
"""Arrays that hostile images run on: with copies, with a memory that has one port, with streams of several sizes; None for the one
that fetches its images out of an SDRAM."""

SDRAM = SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6)

CHUNK = 100
"""Images that one simulation runs, after one reset."""


class HostileRuns:
    """A good image on a compiled array, and what hostile changes of it do there.

    Attributes:
        image: that is changed.
        inputs: int8, of every run.
    """

    def __init__(self, config: ArrayConfig, encoding: Encoding, seed: int) -> None:
        self.image: Image = compile_network(small_networks()[0], config, encoding, row_groups=config.pes, watch=True)
        shape = self.image.network.input.shape
        self.inputs = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
        self.anatomy = Anatomy.of(self.image)
        self._expected = trace_network(self.image.network, self.inputs[None])
        self._good = self.image.words
        # The sizes of a shell: a memory that holds the image, and readers that do not count beyond it.
        bits = bits_for(len(self.image.words) + 1)
        self._simulation: NativeSimulation = build(
            config, (encoding,), address_bits=bits, watchdog_bits=watchdog_bits(config), short_runs=True
        )

    def results(self, words: list[NDArray[np.uint32]]) -> list[tuple[RunResult, RunResult]]:
        """Check and run each of these, and the good image after each: the answers about each.

        Raises:
            SimulationError: a run does not end.
            AssertionError: the good image is not right after one of them.
        """
        features = self.image.load_bytes(self.inputs)
        good: list[Step] = [Put(self._good), Check(), Run(features)]
        steps: list[Step] = [step for one in words for step in (Put(one), Check(), Run(features), *good)]
        results = self._simulation.perform(steps)
        for number in range(len(words)):
            self._check_good(*results[4 * number + 2 : 4 * number + 4])
        return [(results[4 * number], results[4 * number + 1]) for number in range(len(words))]

    def verdict(self, words: NDArray[np.uint32]) -> NDArray[np.int8] | str:
        """What the software says of an image: "refused", "malformed", or what it stores."""
        image = replace(self.image, words=words)
        # The bytes that RTL is given: those of the good image, whatever the changed LOAD commands make of them.
        loaded = self.image.load_bytes(self.inputs)
        try:
            return run_instructions(image.instructions, image.config, image.encoding, loaded)
        except ImageError:
            return "refused"
        except PassError:
            return "malformed"

    def hostile(self, rng: Generator) -> tuple[Part, NDArray[np.uint32]]:
        """A hostile image, and which part of it is changed."""
        return hostile_words(rng, self.image.words, self.anatomy)

    def trials(self, rng: Generator, count: int) -> Counter[str]:
        """So many hostile images in one simulation: what became of them, by part and verdict, and by status.

        Raises:
            SimulationError: a run does not end.
            AssertionError: software and gateware disagree about an image, or the good image is not right after it.
        """
        met: Counter[str] = Counter()
        words = [self.hostile(rng) for _ in range(count)]
        for (part, one), (check, run) in zip(words, self.results([one for _, one in words]), strict=True):
            said = self.verdict(one)
            told = f"an image changed in a {part}"
            if check.status is not ImageStatus.GOOD:
                assert isinstance(said, str) and said == "refused", f"{told}: found {check.status.name}, and {said}"
            elif isinstance(said, str):
                assert said == "refused" or run.status is ImageStatus.FAULT, f"{told}: {run.status.name}, and {said}"
            else:
                assert run.status is ImageStatus.GOOD, f"{told}: {run.status.name}, and the simulator runs it"
                for name, tensor in self.image.tensors(run.outputs).items():
                    assert (tensor == self.image.tensors(said)[name]).all(), f"{told}: another {name}"
            met[f"{part} {said if isinstance(said, str) else 'runs'}"] += 1
            met[run.status.name] += 1
        return met

    def _check_good(self, check: RunResult, result: RunResult) -> None:
        assert (check.status, result.status) == (ImageStatus.GOOD, ImageStatus.GOOD), "the good image does not run"
        predicted = [one.predicted_cycles for one in self.image.commands]
        assert [one.cycles for one in result.reports] == predicted, "the good image takes other cycles"
        assert result.cycles == self.image.predicted_cycles, "the good image takes other cycles"
        for name, tensor in self.image.tensors(result.outputs).items():
            assert (tensor == self._expected[name][0]).all(), f"the good image gives another {name}"


class HostileFetches(HostileRuns):
    """The same out of an SDRAM, with maps that move between it and the array while passes run."""

    def __init__(self, seed: int) -> None:
        self.image = image = spilled_image()
        self.inputs = np.random.default_rng(seed).integers(-128, 128, image.network.input.shape).astype(np.int8)
        self.anatomy = Anatomy.of(image)
        self._expected = trace_network(image.network, self.inputs[None])
        self._good = external_words(image.words, image.config, image.scratchpad_words)
        self._transfers = check_external_words(self._good, image.config, image.scratchpad_words)
        self._simulation = build_external(
            image.config,
            SDRAM,
            image.scratchpad_words,
            (image.encoding,),
            watchdog_bits=watchdog_bits(image.config),
            short_runs=True,
        )

    def hostile(self, rng: Generator) -> tuple[Part, NDArray[np.uint32]]:
        """Other transfers, or the transfers of another image that can be cut into them; as many bytes from the host and to it."""
        image = self.image
        while True:
            part, words = Part.HEADER, hostile_transfers(rng, self._good[:EXTERNAL_HEADER_WORDS], self._transfers)
            if rng.integers(2):
                part, inner = hostile_words(rng, image.words, self.anatomy)
                try:
                    words = external_words(inner, image.config, image.scratchpad_words)
                except ImageError:
                    continue
            if (words[6:8] == self._good[6:8]).all():
                return part, words

    def verdict(self, words: NDArray[np.uint32]) -> NDArray[np.int8] | str:
        """As of `HostileRuns`."""
        image = self.image
        try:
            program = read_external_words(words, image.config, image.scratchpad_words)
            return run_instructions(program, image.config, image.encoding, image.load_bytes(self.inputs))
        except ImageError:
            return "refused"
        except PassError:
            return "malformed"

    def _check_good(self, check: RunResult, result: RunResult) -> None:
        """Its cycles depend on when the SDRAM was refreshed, but for those of a pass that never waits for words."""
        assert (check.status, result.status) == (ImageStatus.GOOD, ImageStatus.GOOD), "the good image does not run"
        for report, command in zip(result.reports, self.image.commands, strict=True):
            assert command.kind != "RUN" or report.stalls or report.cycles == command.predicted_cycles
        for name, tensor in self.image.tensors(result.outputs).items():
            assert (tensor == self._expected[name][0]).all(), f"the good image gives another {name}"


def hostile_runs(
    subject: ArrayConfig | None, encoding: Encoding, count: int, seed: int, progress: Callable[[int], None]
) -> Counter[str]:
    """So many hostile images on an array, and what became of them: refused or not, and the status of the run.

    Args:
        subject: the array; None for the one that fetches its images out of an SDRAM.

    Raises:
        SimulationError, AssertionError: as `HostileRuns.trials`.
    """
    runs = HostileFetches(seed) if subject is None else HostileRuns(subject, encoding, seed)
    outcomes: Counter[str] = Counter()
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        met = runs.trials(np.random.default_rng([seed, start]), size)
        for part in Part:
            for verdict, outcome in (("refused", REFUSED), ("malformed", MALFORMED), ("runs", TAKEN)):
                outcomes[outcome] += met[f"{part} {verdict}"]
        for status in ImageStatus:
            outcomes[f"answered {status.name.lower()}"] += met[status.name]
        progress(start + size)
    return +outcomes
