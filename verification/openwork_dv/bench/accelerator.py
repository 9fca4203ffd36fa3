"""The whole core in the simulator: commands with their streams in, reports and features out."""

from random import Random
from typing import Any

import cocotb

from openwork_dv.bench.clocked import ClockedBench, read_jobs, write_results
from openwork_dv.jobs import Job, JobResult, Step, StepResult


class AcceleratorBench(ClockedBench):
    """Runs jobs on one accelerator."""

    def __init__(self, top: Any, pes: int) -> None:
        streams = [f"{name}__{pe}" for name in ("i_words", "i_records") for pe in range(pes)]
        if hasattr(top, "i_table__valid"):  # an array with activation tables
            streams.append("i_table")
        super().__init__(top, ["i_commands", "i_taps", "i_features", *streams], ["o_features", "o_reports"])

    def offer(self, step: Step) -> None:
        """Queue a step's command and its streams."""
        self.sources["i_commands"].push([step.command])
        for name, payloads in step.inputs.items():
            self.sources[name].push(payloads)

    async def run_job(self, job: Job) -> JobResult:
        """Carry out a job's steps; the array is reset where a step says so and where it hangs."""
        self.random, self.stall = Random(job.seed), job.stall
        for step in job.steps if job.ahead else ():
            self.offer(step)
        results: list[StepResult] = []
        for step in job.steps:
            if not job.ahead:
                self.offer(step)
            results.append(await self.run_step(step, job.ahead))
            if results[-1].report is None and step.reset_after is None:
                break
        return JobResult(tuple(results), self.problems())

    async def run_step(self, step: Step, ahead: bool) -> StepResult:
        """Wait for a step's report, for its reset, or for the limit."""
        reports, features = self.monitors["o_reports"].taken, self.monitors["o_features"].taken
        limit = int(step.limit_cycles / (1 - self.stall) ** 2)
        if step.reset_after is not None:
            limit = step.reset_after
        start = self.cycle
        while not reports and self.cycle - start < limit:
            await self.tick()
        if not reports:
            left = self._left()
            await self.reset()
            return StepResult(None, left=left)
        result = StepResult(reports.pop(0), tuple(features), {} if ahead else self._left())
        features.clear()
        if result.left:
            await self.reset()
        return result

    def _left(self) -> dict[str, int]:
        return {name: len(source.queue) for name, source in self.sources.items() if source.queue}


@cocotb.test()
async def run(top: Any) -> None:
    """Run every job, one after the other, without a reset between them."""
    pes, jobs = read_jobs()
    bench = AcceleratorBench(top, pes)
    await bench.reset()
    write_results([await bench.run_job(job) for job in jobs])
