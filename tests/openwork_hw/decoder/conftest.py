"""Runs decoders in Amaranth's simulator, with random stalls on both sides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator


@dataclass
class Run:
    """What came out of one stream.

    Attributes:
        beats: each accepted payload, by field name.
        offered, accepted: cycle in which each beat was first offered, and was accepted.
        words_taken: cycle of each word's transfer.
        ended: cycle in which `end` was seen.
        ports: status ports, read at the end.
    """

    beats: list[dict[str, int]] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    words_taken: list[int] = field(default_factory=list)
    ended: int = 0
    ports: dict[str, int] = field(default_factory=dict)


Simulate = Callable[..., list[Run]]


@pytest.fixture
def simulate() -> Simulate:
    """A function that runs streams one after the other and gives what came out of each."""
    return run_streams


def run_streams(
    dut: Elaboratable,
    streams: Sequence[Sequence[int]],
    *,
    settings: Sequence[dict[str, int]],
    begin: str,
    end: str,
    ports: Sequence[str] = (),
    rates: Sequence[tuple[float, float]] = ((1.0, 1.0),),
    seed: int = 0,
    spare_cycles: int = 200,
) -> list[Run]:
    """Run each stream of words with its settings; `begin` is pulsed before it, `end` (or an error beat) ends it.

    `rates` say how likely a word is offered and a beat accepted in a cycle; the streams take turns with them.
    An offered word stays until it is taken, and an offered beat must stay until it is accepted.
    """
    random = Random(seed)
    runs: list[Run] = []

    async def bench(ctx: Any) -> None:
        # Ports are looked up once and set only where they change: most of the time goes into that.
        words_valid, words_ready, word = dut.i_words.valid, dut.i_words.ready, dut.i_words.payload
        beats_valid, beats_ready, beat_port = dut.o.valid, dut.o.ready, dut.o.payload.as_value()
        ended, layout = getattr(dut, end), dut.o.payload.shape()
        was_ready: bool | None = None
        for index, (words, values) in enumerate(zip(streams, settings, strict=True)):
            run = Run()
            runs.append(run)
            word_rate, beat_rate = rates[index % len(rates)]
            for name, value in values.items():
                ctx.set(getattr(dut, name), value)
            ctx.set(getattr(dut, begin), 1)
            ctx.set(words_valid, 0)
            await ctx.tick()
            ctx.set(getattr(dut, begin), 0)
            sent = 0
            offering = was_offering = False
            waiting: int | None = None
            limit = int(spare_cycles + 10 * len(words) / min(word_rate, beat_rate))
            for cycle in range(limit):
                if not offering and sent < len(words) and random.random() < word_rate:
                    offering = True
                    ctx.set(word, {"data": words[sent], "last": sent == len(words) - 1})
                if offering != was_offering:
                    ctx.set(words_valid, offering)
                    was_offering = offering
                ready = random.random() < beat_rate
                if ready != was_ready:
                    ctx.set(beats_ready, ready)
                    was_ready = ready
                valid = ctx.get(beats_valid)
                if valid:
                    beat = ctx.get(beat_port)
                    if waiting is None:
                        run.offered.append(cycle)
                    else:
                        assert waiting == beat, "an offered beat changed"
                    waiting = beat
                else:
                    assert waiting is None, "an offered beat was taken back"
                finished = ctx.get(ended)
                if valid and ready:
                    run.beats.append({name: int(layout.from_bits(beat)[name]) for name, _ in layout})
                    run.accepted.append(cycle)
                    waiting = None
                if offering and ctx.get(words_ready):
                    run.words_taken.append(cycle)
                    sent += 1
                    offering = False
                await ctx.tick()
                run.ended = cycle
                if finished or (run.beats and run.beats[-1].get("error")):
                    break
            else:
                raise AssertionError(f"stream {index} did not end in {limit} cycles; seed {seed}")
            run.ports = {name: ctx.get(getattr(dut, name)) for name in ports}

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return runs
