"""A WeightDecoder alone in the simulator: words in, checked nonzeros out."""

from random import Random
from typing import Any

import cocotb

from openwork_dv.bench.clocked import ClockedBench, read_jobs, write_results
from openwork_dv.jobs import DecoderJob, DecoderResult


async def run_job(bench: ClockedBench, job: DecoderJob) -> DecoderResult:
    """Start the decoder, feed it one stream, and wait until it is done."""
    top = bench.top
    bench.random, bench.stall = Random(job.seed), job.stall
    for name, value in job.settings.items():
        getattr(top, name).value = value
    bench.sources["i_words"].push(job.words)
    top.clear.value = 1
    await bench.tick()
    top.clear.value = 0
    await bench.tick()
    taken = bench.monitors["o"].taken
    cycles = 0
    while top.done.value != 1 and cycles < job.limit_cycles:
        await bench.tick()
        cycles += 1
    result = DecoderResult(
        done=top.done.value == 1,
        nonzeros=tuple(taken),
        error=int(top.error.value),
        position=int(top.position.value),
        left=len(bench.sources["i_words"].queue),
        problems=bench.problems(),
    )
    taken.clear()
    return result


@cocotb.test()
async def run(top: Any) -> None:
    """Every stream, one after the other, without a reset between them."""
    bench = ClockedBench(top, ["i_words"], ["o"])
    top.clear.value = 0
    await bench.reset()
    write_results([await run_job(bench, job) for job in read_jobs()])
