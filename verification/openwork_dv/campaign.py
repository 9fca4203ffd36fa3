"""Many random trials in one simulation: layers that must be right, and corrupted streams that must do no harm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from openwork_dv.building import BUILD_FOLDER
from openwork_dv.coverage import Coverage, layer_bins, stall_bins
from openwork_dv.jobs import Job, JobResult, Step, StepResult
from openwork_dv.runner import Simulator, run_jobs
from openwork_dv.scoreboard import expected_features, image_complaints, meant, output_addresses, step_complaints
from openwork_dv.stimulus import CORRUPTIONS, Case, random_case
from openwork_dv.transactions import (
    answer,
    clear_step,
    feature_words,
    image_steps,
    load_step,
    run_step,
    store_step,
)
from openwork_hw.arch.commands import LoadCommand, RunCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import Instruction
from openwork_hw.arch.nonzeros import StreamError, StreamErrorKind
from openwork_hw.arch.report import CommandReport, PassError


@dataclass(frozen=True)
class Trial:
    """Layers to run one after the other, with stalls."""

    cases: tuple[Case, ...]
    stall: float
    seed: int
    ahead: bool = False

    def job(self) -> Job:
        """What goes into the simulation."""
        steps = [step for case in self.cases for step in image_steps(case.image, case.inputs)]
        return Job(tuple(steps), self.stall, self.seed, self.ahead)

    def complaints(self, result: JobResult) -> list[str]:
        """What is wrong with what came out."""
        found: list[str] = list(result.problems)
        start = 0
        for number, case in enumerate(self.cases):
            count = len(case.image.commands)
            part = JobResult(result.steps[start : start + count])
            complaints = image_complaints(case.image, case.inputs, part, exact_cycles=self.stall == 0)
            found += [f"layer {number}: {text}" for text in complaints]
            start += count
        return found

    def bins(self) -> list[str]:
        """What it meets."""
        layers = [name for case in self.cases for name in layer_bins(case)]
        return [*layers, *stall_bins(self.stall, self.ahead)]


def random_trials(rng: Generator, config: ArrayConfig, stall: float, count: int, max_cycles: int) -> list[Trial]:
    """Random layers at one stall rate; every fourth trial offers everything at once and holds two of them."""
    trials = []
    for number in range(count):
        ahead = number % 4 == 3
        cases = tuple(random_case(rng, config, max_cycles) for _ in range(1 + ahead))
        trials.append(Trial(cases, stall, int(rng.integers(1 << 30)), ahead))
    return trials


@dataclass(frozen=True, eq=False)
class Corrupted:
    """A RUN with wrong streams on known features, then the fault cleared and the same RUN as it should be.

    Attributes:
        good, bad: the RUN, its streams as they should be and as they are sent.
        features: int8 [pes, feature_words, lanes] at the start.
    """

    config: ArrayConfig
    good: Instruction
    bad: Instruction
    features: NDArray[np.int8]
    stall: float
    seed: int

    def job(self) -> Job:
        """What goes into the simulation."""
        config = self.config
        every_pe = [StoreCommand(pe, 0, config.feature_words) for pe in range(config.pes)]
        stores = [store_step(config, command) for command in every_pe]
        groups = config.row_groups[-1]
        loads: list[Step] = [
            load_step(config, LoadCommand(groups, group, 0, config.feature_words), self.features[group])
            for group in range(groups)
        ]
        steps = [*loads, run_step(config, self.bad), *stores, clear_step(config), run_step(config, self.good), *stores]
        return Job(tuple(steps), self.stall, self.seed)

    def outcome(self) -> StreamErrorKind:
        """What the wrong streams mean."""
        try:
            expected_features(self.bad, self.config, self.features)
        except StreamError as error:
            return error.kind
        return StreamErrorKind.NONE

    def complaints(self, result: JobResult) -> list[str]:
        """What is wrong with what came out."""
        config = self.config
        loads = config.row_groups[-1]
        found = list(result.problems)
        if len(result.steps) < loads + 3 + 2 * config.pes:
            return [*found, f"step {len(result.steps) - 1} of {loads + 3 + 2 * config.pes} hung: {result.steps[-1]}"]
        found += step_complaints(config, result.steps[:loads])
        run, clear, again = (result.steps[loads + place] for place in (0, 1 + config.pes, 2 + config.pes))
        after = self._stored(result.steps[loads + 1 :])
        reported = answer(config, run)
        found += [f"{dict(step.left)} were left" for step in (run, again) if step.left]
        # The fault is kept until it is cleared.
        for step in result.steps[loads + 1 : loads + 1 + config.pes]:
            kept = answer(config, step)
            if replace(kept, cycles=reported.cycles) != reported:
                found.append(f"the fault changed from {reported} to {kept}")
        try:
            expected = expected_features(self.bad, config, self.features)
        except StreamError:
            found += self._fault_complaints(reported)
            keep = np.ones(config.feature_words, dtype=bool)
            keep[output_addresses(self.bad)] = False
            if not np.array_equal(after[:, keep], self.features[:, keep]):
                found.append("words that are no outputs of the layer have changed")
        else:
            if reported.kind != StreamErrorKind.NONE:
                found.append(f"the streams are legal, and {reported} was reported")
            elif wrong := np.count_nonzero((after != expected) & meant(self.bad, config)):
                found.append(f"{wrong} bytes are not what the streams mean")
        if answer(config, clear).kind != StreamErrorKind.NONE or answer(config, again).kind != StreamErrorKind.NONE:
            found.append("the fault was not cleared")
        recovered = self._stored(result.steps[loads + 3 + config.pes :])
        if ((recovered != expected_features(self.good, config, after)) & meant(self.good, config)).any():
            found.append("the RUN after the cleared fault is wrong")
        return found

    def bins(self) -> list[str]:
        """What it meets."""
        outcome = self.outcome()
        return [f"error {outcome.name.lower()}" if outcome else "corrupted and legal"]

    def _stored(self, steps: Sequence[StepResult]) -> NDArray[np.int8]:
        return np.stack([feature_words(self.config, step.outputs) for step in steps[: self.config.pes]])

    def _fault_complaints(self, reported: CommandReport) -> list[str]:
        """Each stream alone says which faults there are; the first PE's is the one that is reported."""
        run = self.bad.command
        assert isinstance(run, RunCommand)
        for stream, feeder in enumerate(self.bad.feeders):
            feeders = [*self.good.feeders[:stream], feeder, *self.good.feeders[stream + 1 :]]
            try:
                expected_features(replace(self.good, feeders=tuple(feeders)), self.config, self.features)
            except StreamError as error:
                expected = replace(PassError(error, stream * run.row_groups).report, cycles=reported.cycles)
                return [] if reported == expected else [f"expected was: {expected}; and reported is: {reported}"]
        return []


def random_corrupted(rng: Generator, config: ArrayConfig, stall: float, max_cycles: int = 400) -> Corrupted:
    """A random RUN with one stream corrupted, sometimes every one."""
    case = random_case(rng, config, max_cycles)
    runs = [one for one in case.image.instructions if isinstance(one.command, RunCommand)]
    good = runs[int(rng.integers(len(runs)))]
    feeders = list(good.feeders)
    chosen = range(len(feeders)) if rng.random() < 0.2 else [int(rng.integers(len(feeders)))]
    for stream in chosen:
        corrupt = CORRUPTIONS[int(rng.integers(len(CORRUPTIONS)))]
        feeders[stream] = replace(feeders[stream], words=corrupt(rng, feeders[stream].words))
    features = random_features(rng, config)
    return Corrupted(config, good, replace(good, feeders=tuple(feeders)), features, stall, int(rng.integers(1 << 30)))


def random_features(rng: Generator, config: ArrayConfig) -> NDArray[np.int8]:
    """int8 [pes, feature_words, lanes]."""
    return rng.integers(-128, 128, (config.pes, config.feature_words, config.lanes)).astype(np.int8)


def run_trials(
    config: ArrayConfig,
    trials: Sequence[Trial | Corrupted],
    folder: Path = BUILD_FOLDER,
    simulator: Simulator = Simulator.ICARUS,
) -> tuple[list[str], Coverage]:
    """Simulate trials; what was wrong, and what those met of which nothing was."""
    coverage = Coverage()
    complaints = []
    results = run_jobs(config, [trial.job() for trial in trials], folder, simulator)
    for number, (trial, result) in enumerate(zip(trials, results, strict=True)):
        found = trial.complaints(result)
        complaints += [f"trial {number} ({trial.bins()[0]}): {text}" for text in found]
        if not found:
            coverage.add(trial.bins())
    return complaints, coverage
