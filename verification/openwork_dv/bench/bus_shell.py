"""The bus shell in the simulator, between cocotbext-axi's managers, sources and sinks; the driver that people use drives it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamSink,
    AxiStreamSource,
)

from openwork.bus import BusDriver
from openwork_dv.bench.clocked import CLOCK_PERIOD_NS, read_jobs, write_results
from openwork_dv.bus_steps import Access, Accesses, Answered, Ask, BusJob, BusResult, Cut, Load, Offer
from openwork_dv.monitors import MAX_PROBLEMS
from openwork_hw.arch import registers

OUTPUTS = {
    ("s_axi_bvalid", "s_axi_bready"): ("s_axi_bresp",),
    ("s_axi_rvalid", "s_axi_rready"): ("s_axi_rdata", "s_axi_rresp"),
    ("m_axis_features_tvalid", "m_axis_features_tready"): ("m_axis_features_tdata", "m_axis_features_tlast"),
}
"""Channels that the block drives: valid and ready, and what must stay while the first waits for the second."""


async def watch(top: Any, problems: list[str]) -> None:
    """Check in each cycle that what the block offers is defined and stays until it is taken, unless there is a reset."""
    waiting: dict[str, str] = {}
    while True:
        await RisingEdge(top.aclk)
        for (valid, ready), payload in OUTPUTS.items():
            offered = str(getattr(top, valid).value)
            shown = " ".join(str(getattr(top, name).value) for name in payload)
            resets = top.aresetn.value == 0
            if offered not in ("0", "1") or (offered == "1" and not set(shown) <= {"0", "1", " "}):
                problems.append(f"{valid} {offered} with {shown}")
            elif not resets and valid in waiting and (offered == "0" or shown != waiting[valid]):
                problems.append(f"{valid} or what it offers changed before {ready}")
            if offered == "1" and getattr(top, ready).value == 0 and not resets:
                waiting[valid] = shown
            else:
                waiting.pop(valid, None)
        del problems[MAX_PROBLEMS:]


class Bench:
    """The manager, the sources and the sink around the block, and the driver over the manager."""

    def __init__(self, top: Any) -> None:
        self.top = top
        self.problems: list[str] = []
        self.clock = RisingEdge(top.aclk)
        Clock(top.aclk, CLOCK_PERIOD_NS, unit="ns", impl="gpi").start(start_high=False)
        common = {"clock": top.aclk, "reset": top.aresetn, "reset_active_level": False}
        self.manager = AxiLiteMaster(AxiLiteBus.from_prefix(top, "s_axi"), **common)
        self.image = AxiStreamSource(AxiStreamBus.from_prefix(top, "s_axis_image"), **common, byte_lanes=4)
        self.inputs = AxiStreamSource(AxiStreamBus.from_prefix(top, "s_axis_features"), **common)
        self.outputs = AxiStreamSink(AxiStreamBus.from_prefix(top, "m_axis_features"), **common)
        cocotb.start_soon(watch(top, self.problems))
        self._fill_bytes_without_strobe()

    def _fill_bytes_without_strobe(self) -> None:
        """Put noise where cocotbext-axi writes zeros: nobody promises what such bytes hold."""
        channel, random = self.manager.write_if.w_channel, Random(0)
        send = channel.send

        async def noisy(transaction: Any) -> None:
            strobed = sum(0xFF << 8 * lane for lane in range(4) if int(transaction.wstrb) >> lane & 1)
            transaction.wdata = int(transaction.wdata) | random.getrandbits(32) & ~strobed
            await send(transaction)

        channel.send = noisy

    def pause(self, stall: float, seed: int) -> None:
        """Let each channel pause at random from now on."""
        write, read = self.manager.write_if, self.manager.read_if
        channels = (
            *(write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel),
            *(self.image, self.inputs, self.outputs),
        )
        for number, channel in enumerate(channels):
            channel.clear_pause_generator()
            channel.pause = False
            if stall:
                channel.set_pause_generator(pauses(Random(f"{seed} {number}"), stall))

    async def reset(self) -> None:
        """Two cycles of aresetn."""
        self.top.aresetn.value = 0
        await ClockCycles(self.top.aclk, 2)
        self.top.aresetn.value = 1
        await self.clock

    @resume
    async def read(self, address: int) -> int:
        """A word, for the driver, which knows nothing of time."""
        answer = await self.manager.read(address, 4)
        assert answer.resp == 0, f"read of {address:#x} answered {answer.resp!r}"
        return int.from_bytes(answer.data, "little")

    @resume
    async def write(self, address: int, word: int) -> None:
        """Likewise."""
        answer = await self.manager.write(address, word.to_bytes(4, "little"))
        assert answer.resp == 0, f"write of {address:#x} answered {answer.resp!r}"

    @resume
    async def settle(self) -> None:
        """Wait until nobody sends features any more."""
        await self.inputs.wait()

    async def silence(self) -> None:
        """Wait until the block offers no features, and the sink has noticed."""
        while self.top.m_axis_features_tvalid.value == 1:
            await self.clock
        await ClockCycles(self.top.aclk, 2)

    def packets(self) -> tuple[bytes, ...]:
        """The packets of features that have come since the last call."""
        found = []
        while not self.outputs.empty():
            found.append(bytes(self.outputs.recv_nowait().tdata))
        return tuple(found)


def pauses(random: Random, stall: float) -> Iterator[bool]:
    """For each cycle: is it a pause?"""
    while True:
        yield random.random() < stall


class HangError(Exception):
    """What was waited for did not come."""


async def accesses(bench: Bench, wanted: Sequence[Access]) -> tuple[tuple[int, int], ...]:
    """Make accesses as fast as the channels take them; those of one kind keep their order."""
    events = [
        bench.manager.init_read(access.address, 4)
        if access.data is None
        else bench.manager.init_write(access.address, access.data)
        for access in wanted
    ]
    found = []
    for access, event in zip(wanted, events, strict=True):
        await event.wait()
        word = 0 if access.data is not None else int.from_bytes(event.data.data, "little")
        found.append((word, int(event.data.resp)))
    return tuple(found)


async def interrupted(bench: Bench, driver: BusDriver, event: str, limit_cycles: int) -> None:
    """Wait for the interrupt of an event and clear it."""
    await bridge(driver.write)(registers.INTERRUPT_ENABLE, **{event: 1})
    await ClockCycles(bench.top.aclk, 2)
    if bench.top.interrupt.value == 0:
        try:
            await with_timeout(RisingEdge(bench.top.interrupt), limit_cycles * CLOCK_PERIOD_NS, "ns")
        except SimTimeoutError:
            raise HangError(f"no interrupt of {event} after {limit_cycles} cycles") from None
    await bridge(driver.write)(registers.INTERRUPT_PENDING, **{event: 1})
    await ClockCycles(bench.top.aclk, 2)
    if bench.top.interrupt.value != 0:
        bench.problems.append(f"the interrupt of {event} stays after it was cleared")


async def load(bench: Bench, driver: BusDriver, step: Load, limit_cycles: int) -> None:
    """Send an image."""
    await bench.image.send(b"".join(word.to_bytes(4, "little") for word in step.words))
    await interrupted(bench, driver, "loaded", limit_cycles)


async def ask(bench: Bench, driver: BusDriver, step: Ask, limit_cycles: int) -> Answered:
    """A request, its interrupt, its answer, and what it brought."""
    await bridge(driver.write)(registers.CONTROL, **{step.request: 1})
    await interrupted(bench, driver, "answer", limit_cycles)
    answer = await bridge(driver.wait)()
    reports = await bridge(driver.reports)()
    await bench.silence()
    result = replace(answer, reports=tuple(report for _, report in reports))
    return Answered(result, tuple(command for command, _ in reports), bench.packets())


async def cut(bench: Bench, driver: BusDriver, step: Cut) -> None:
    """Reset the block while it runs."""
    await bridge(driver.start)()
    await ClockCycles(bench.top.aclk, step.cycles)
    if step.whole:
        await bench.reset()
        bench.inputs.clear()
        bench.outputs.clear()
    else:
        await bridge(driver.reset)(bench.settle)
        await bench.silence()
        await bridge(driver.write)(registers.INTERRUPT_PENDING, answer=1, report=1, loaded=1)
        bench.packets()
        if not bench.outputs.idle():
            bench.problems.append("the packet that a reset cut short has no end")


async def run_job(bench: Bench, job: BusJob) -> BusResult:
    """Everything that a job asks for, after a reset."""
    bench.problems.clear()
    bench.pause(0, 0)
    await bench.reset()
    bench.pause(job.stall, job.seed)
    answers: list[Answered] = []
    words = []
    try:
        driver = await bridge(BusDriver)(bench.read, bench.write)
        for step in job.steps:
            match step:
                case Load():
                    await load(bench, driver, step, job.limit_cycles)
                case Offer():
                    await bench.inputs.send(step.features)
                case Ask():
                    answers.append(await ask(bench, driver, step, job.limit_cycles))
                case Cut():
                    await cut(bench, driver, step)
                case Accesses():
                    words.append(await accesses(bench, step.accesses))
    except HangError as hang:
        bench.problems.append(str(hang))
    return BusResult(tuple(answers), tuple(words), tuple(bench.problems))


@cocotb.test()
async def run(top: Any) -> None:
    """Every job."""
    bench = Bench(top)
    write_results([await run_job(bench, job) for job in read_jobs()])
