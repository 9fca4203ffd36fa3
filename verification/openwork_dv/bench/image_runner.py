"""The whole-network top in the simulator: an image in a memory, requests in, answers, reports and features out."""

from typing import Any

import cocotb

from openwork_dv.bench.clocked import ClockedBench, read_jobs, write_results
from openwork_dv.jobs import ImageJob, ImageResult

REQUESTS = ("i_requests", "i_features")
ANSWERS = ("o_answers", "o_reports", "o_features")


async def run_job(bench: ClockedBench, job: ImageJob) -> ImageResult:
    """Offer everything at once and answer the memory's requests until all answers are there, or the limit."""
    ports = range(job.ports)
    asked = [bench.monitors[f"o_memory_requests__{port}"].taken for port in ports]
    answers = bench.monitors["o_answers"].taken
    bench.sources["i_requests"].push(job.requests)
    bench.sources["i_features"].push(job.features)
    start = bench.cycle
    while len(answers) < len(job.requests) and bench.cycle - start < job.limit_cycles:
        await bench.tick()
        for port in ports:
            if asked[port]:
                words = (job.words[address] if address < len(job.words) else 0 for address in asked[port])
                bench.sources[f"i_memory_words__{port}"].push(words)
                asked[port].clear()
    given, reports, features = (tuple(bench.monitors[name].taken) for name in ANSWERS)
    return ImageResult(given, reports, features, bench.cycle - start, bench.problems())


@cocotb.test()
async def run(top: Any) -> None:
    """One job after a reset."""
    job: ImageJob = read_jobs()
    ports = range(job.ports)
    top.stop.value = 0
    bench = ClockedBench(
        top,
        [*REQUESTS, *(f"i_memory_words__{port}" for port in ports)],
        [*ANSWERS, *(f"o_memory_requests__{port}" for port in ports)],
    )
    await bench.reset()
    write_results(await run_job(bench, job))
