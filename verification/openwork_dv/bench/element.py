"""An Element alone in the simulator: a beat or none each cycle, and the bytes that it emits."""

from typing import Any

import cocotb

from openwork_dv.bench.clocked import ClockedBench, read_jobs, write_results
from openwork_dv.jobs import ElementJob


async def run_job(bench: ClockedBench, job: ElementJob) -> list[int]:
    """Put each cycle's values on the ports, and collect what is emitted."""
    top = bench.top
    emitted: list[int] = []
    for cycle in job.cycles:
        for name, value in cycle.items():
            getattr(top, name).value = value
        await bench.tick()
        if top.o_byte_valid.value == 1:
            emitted.append(int(top.o_byte.value))
    return emitted


@cocotb.test()
async def run(top: Any) -> None:
    """Every job, one after the other, without a reset between them."""
    bench = ClockedBench(top, [], [])
    await bench.reset()
    write_results([await run_job(bench, job) for job in read_jobs()])
