"""An SDRAM controller with the model of its chip in the simulator: requests and words in, words and violations out."""

from random import Random
from typing import Any

import cocotb

from openwork_dv.bench.clocked import ClockedBench, read_jobs, write_results
from openwork_dv.jobs import SdramJob, SdramResult
from openwork_dv.monitors import Monitor


async def run_job(bench: ClockedBench, job: SdramJob) -> SdramResult:
    """Restart the controller, and serve all requests."""
    top = bench.top
    bench.random, bench.stall = Random(job.seed), 0.0
    while top.o_idle.value != 1:
        await bench.tick()
    top.i_restart.value = 1
    await bench.tick()
    top.i_restart.value = 0
    begin = bench.cycle
    bench.stall = job.stall
    bench.sources["i_requests"].push(job.requests)
    bench.sources["i_words"].push(job.words)
    # The controller does not look at `ready`, so that no sink may stall.
    words = Monitor(top, "o_words")
    top.o_words__ready.value = 1
    while bench.sources["i_requests"].busy or len(words.taken) < job.reads:
        await bench.tick()
        words.edge(bench.cycle)
        if bench.cycle - begin > job.limit_cycles:
            break
    return SdramResult(
        words=tuple(words.taken),
        cycles=bench.cycle - begin,
        seen=int(top.o_seen.value),
        problems=(*bench.problems(), *words.problems),
    )


@cocotb.test()
async def run(top: Any) -> None:
    """Every job, one after the other, without a reset between them."""
    bench = ClockedBench(top, ["i_requests", "i_words"], [])
    top.i_restart.value = top.i_reset.value = 0
    await bench.reset()
    write_results([await run_job(bench, job) for job in read_jobs()])
