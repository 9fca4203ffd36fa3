"""The Chain alone in the simulator: beats and settings as a sequencer would send them, streams with stalls."""

from random import Random
from typing import Any

import cocotb

from openwork_dv.bench.clocked import ClockedBench, read_jobs, write_results
from openwork_dv.jobs import ArrayJob, ArrayResult


async def send(bench: ClockedBench, cycles: Any) -> list[int]:
    """Put each cycle's values on the ports, and collect what the chain emits."""
    top = bench.top
    emitted: list[int] = []
    for cycle in cycles:
        for name, value in cycle.items():
            getattr(top, name).value = value
        await bench.tick()
        if top.o__byte_valid.value == 1:
            emitted.append(int(top.o__byte.value))
    return emitted


async def run_job(bench: ClockedBench, job: ArrayJob) -> ArrayResult:
    """Load, run until done, and store."""
    top = bench.top
    bench.random, bench.stall = Random(job.seed), job.stall
    await send(bench, job.before)
    for name, payloads in job.inputs.items():
        bench.sources[name].push(payloads)
    top.i__settings.value = job.running
    top.i__done.value = 1
    cycles = 0
    while top.o__done.value != 1 and cycles < job.limit_cycles:
        await bench.tick()
        cycles += 1
    done = top.o__done.value == 1
    top.i__done.value = 0
    emitted = await send(bench, job.after)
    left = sum(len(source.queue) for source in bench.sources.values())
    return ArrayResult(done, tuple(emitted), left)


@cocotb.test()
async def run(top: Any) -> None:
    """Every pass, one after the other, without a reset between them."""
    feeders, jobs = read_jobs()
    streams = [f"{name}__{feeder}" for name in ("i_words", "i_records") for feeder in range(feeders)]
    bench = ClockedBench(top, streams, [])
    for name in ("beat", "settings", "group", "byte", "byte_valid", "done", "fault"):
        getattr(top, f"i__{name}").value = 0
    await bench.reset()
    write_results([await run_job(bench, job) for job in jobs])
