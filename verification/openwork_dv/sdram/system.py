"""An SDRAM controller with the model of its chip, and runs of both in Amaranth's simulator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from amaranth.hdl import Elaboratable, Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from openwork_dv.sdram.chip import SdramModel
from openwork_dv.sdram.violations import VIOLATIONS, violated
from openwork_hw.arch.sdram import Request, SdramConfig
from openwork_hw.memory.payloads import SdramRequest
from openwork_hw.memory.sdram_controller import SdramController


class SdramSystem(wiring.Component):
    """A controller with the model of its chip.

    Role
        Benches drive the controller and see what the chip says.
    Function
        `SdramController(config)` on the pins of `SdramModel(chip_config)`.
    Ports
        i_requests, i_words, o_words, i_restart, o_idle : the controller's
        i_reset : in; resets the controller alone, as the button of a board does
        o_seen : out, the model's `seen`
    Timing
        As the controller's.
    Cost
        -
    Limits
        -
    """

    i_requests: stream.Interface
    i_words: stream.Interface
    o_words: stream.Interface
    i_restart: Signal
    o_idle: Signal
    i_reset: Signal
    o_seen: Signal

    def __init__(self, config: SdramConfig, chip_config: SdramConfig | None = None, controller: Any = None) -> None:
        """`chip_config`: the chip's, where it is not what the controller takes it for; `controller`: another one."""
        self.controller = controller or SdramController(config)
        self.model = SdramModel(chip_config or config)
        bits = config.chip.data_bits
        super().__init__(
            {
                "i_requests": In(stream.Signature(SdramRequest(config.chip))),
                "i_words": In(stream.Signature(bits)),
                "o_words": Out(stream.Signature(bits)),
                "i_restart": In(1),
                "o_idle": Out(1),
                "i_reset": In(1),
                "o_seen": Out(len(VIOLATIONS)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        controller = self.controller
        m.submodules.controller = ResetInserter(self.i_reset)(controller)
        m.submodules.model = model = self.model
        wiring.connect(m, controller.pins, model.pins)
        for name in ("i_requests", "i_words", "o_words"):
            inner, outer = getattr(controller, name), wiring.flipped(getattr(self, name))
            wiring.connect(m, *((inner, outer) if name == "o_words" else (outer, inner)))
        m.d.comb += [controller.restart.eq(self.i_restart), self.o_idle.eq(controller.idle), self.o_seen.eq(model.seen)]
        return m


@dataclass
class Served:
    """What a run of requests gave. Cycles are counted from that in which the controller took `restart`.

    Attributes:
        beats: for each request the cycles of its beats.
        taken: for each request the cycle in which it was taken.
        words: for each reading request its words.
        violations: by name, since power-up.
        cycles: until the last request was taken.
        commands: for each cycle the names of signals at the pins and their values; only where asked for.
    """

    beats: list[list[int]] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    words: list[list[int]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    cycles: int = 0
    commands: list[dict[str, int]] = field(default_factory=list)


async def _until_idle(ctx: Any, system: SdramSystem) -> None:
    while not ctx.get(system.o_idle):
        await ctx.tick()


PINS = ("ras_n", "cas_n", "we_n", "ba", "a", "dq_o", "dq_oe", "dq_i")


def serve(
    system: SdramSystem,
    config: SdramConfig,
    requests: Sequence[Request],
    words: Sequence[Sequence[int]],
    *,
    stall: float = 0.0,
    seed: int = 0,
    pause: int = 0,
    resets: Sequence[int] = (),
    keep_pins: bool = False,
) -> Served:
    """Power up, restart, and serve requests.

    Args:
        requests: what to do; none is offered before its cycle `offered`.
        words: for each writing request its words.
        stall: how often a word is not there when the controller could take it.
        pause: cycles to wait for after the start-up before `restart`.
        resets: before `restart`, so many bursts over a whole row are begun, and each is cut off by a reset after so many cycles.
        keep_pins: keep what is on the pins in each cycle.
    """
    served, random = Served(), Random(seed)
    chip = config.chip

    async def bench(ctx: Any) -> None:
        await _until_idle(ctx, system)
        for _ in range(pause):
            await ctx.tick()
        for wait in resets:
            # Requests that nobody answers for.
            for name in ("i_requests", "i_words"):
                ctx.set(getattr(system, name).valid, 1)
            ctx.set(system.i_requests.payload, {"write": random.randrange(2), "further": chip.columns - 1})
            await ctx.tick().repeat(wait)
            ctx.set(system.i_reset, 1)
            await ctx.tick()
            for signal in (system.i_reset, system.i_requests.valid, system.i_words.valid):
                ctx.set(signal, 0)
        await _until_idle(ctx, system)
        ctx.set(system.i_restart, 1)
        await ctx.tick()
        ctx.set(system.i_restart, 0)

        to_write = [word for of_one in words for word in of_one]
        reads = [request for request in requests if not request.write]
        to_read = sum(request.beats for request in reads)
        read: list[int] = []
        read_cycles: list[int] = []
        beats: list[int] = []
        written = place = 0
        offered = False
        for cycle in count(1):
            if place == len(requests) and len(read) == to_read:
                break
            if place < len(requests):
                request = requests[place]
                if request.offered <= cycle:
                    address = {
                        "column": request.address & (chip.columns - 1),
                        "bank": request.address >> chip.column_bits & ((1 << chip.bank_bits) - 1),
                        "row": request.address >> chip.column_bits + chip.bank_bits,
                    }
                    payload = {"address": address, "further": request.beats - 1, "write": request.write}
                    ctx.set(system.i_requests.payload, payload)
                    ctx.set(system.i_requests.valid, 1)
                else:
                    ctx.set(system.i_requests.valid, 0)
            else:
                ctx.set(system.i_requests.valid, 0)
            if not offered:
                offered = written < len(to_write) and random.random() >= stall
                ctx.set(system.i_words.valid, offered)
                ctx.set(system.i_words.payload, to_write[written] if offered else 0)
            if keep_pins:
                served.commands.append({name: ctx.get(getattr(system.model.pins, name)) for name in PINS})
            if ctx.get(system.o_words.valid):
                read.append(ctx.get(system.o_words.payload))
                read_cycles.append(cycle - config.read_latency)
            if offered and ctx.get(system.i_words.ready):
                beats.append(cycle)
                written, offered = written + 1, False
            if place < len(requests) and ctx.get(system.i_requests.valid) and ctx.get(system.i_requests.ready):
                served.taken.append(cycle)
                place += 1
            await ctx.tick()
        served.cycles = max(served.taken, default=0)
        served.violations = violated(ctx.get(system.o_seen))
        for request in requests:
            source = beats if request.write else read_cycles
            served.beats.append(source[: request.beats])
            del source[: request.beats]
            if not request.write:
                served.words.append(read[: request.beats])
                del read[: request.beats]

    simulator = Simulator(system)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return served
