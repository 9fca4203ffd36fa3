"""The requantizer is its formula: every sum, offset and limit, every shift, at every width."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from openwork_dv.formal.mutants import mutant
from openwork_dv.formal.prover import Prover
from openwork_dv.formal.requantizing import requantized, requantizer_properties
from openwork_hw import requantizer
from openwork_hw.arch.arithmetic import requantize_folded, wrap
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.requantizer import Requantizer

CYCLES = Requantizer.latency_cycles + 1


@pytest.mark.slow
@pytest.mark.parametrize("sum_bits", range(20, 33))
def test_the_requantizer_is_its_formula(sum_bits: int, tmp_path: Path) -> None:
    config = ArrayConfig(pes=1, lanes=1, sum_bits=sum_bits)
    prover = Prover(requantizer_properties(Requantizer(config)), tmp_path, from_any_state=True)
    assert prover.counterexample(cycles=CYCLES) is None
    assert prover.unreached(cycles=CYCLES) == []


@pytest.mark.parametrize(
    ("healthy", "broken"),
    [
        ("total_shift[:3] <= bit", "total_shift[:3] < bit"),
        ("above[4:].any(), beyond.any()", "above[4:].any()"),
        ("byte != sign.replicate(len(byte))", "byte[1:] != sign.replicate(len(byte) - 1)"),
        ("total >> 8 * step", "(total >> 8 * step) + (step == 3)"),
        ("less | left_below", "less"),
        ("greater & ~left_below", "greater"),
    ],
)
def test_a_broken_requantizer_is_found(healthy: str, broken: str, tmp_path: Path) -> None:
    twin = mutant(requantizer, healthy, broken)
    config = ArrayConfig(pes=1, lanes=1, sum_bits=20)
    prover = Prover(requantizer_properties(twin.Requantizer(config)), tmp_path, from_any_state=True)
    assert prover.counterexample(cycles=CYCLES) is not None


def test_the_proofs_formula_is_that_of_the_contract() -> None:
    """`requantized` is written in Amaranth's numbers; here it is held against Python's."""
    bits = 20
    sums, offset, shift = Signal(signed(bits)), Signal(signed(bits)), Signal(5)
    low, high, result = Signal(signed(8)), Signal(signed(8)), Signal(signed(8))
    m = Module()
    m.d.comb += result.eq(requantized(sums, offset, shift, low, high))
    random = Random(3)

    async def bench(ctx: Any) -> None:
        for _ in range(2000):
            by = random.randrange(32)
            near = min(300 << by, (1 << bits - 1) - 1)
            of = [random.choice((random.randint(-near, near), 0, -(1 << bits - 1), (1 << bits - 1) - 1)) for _ in "so"]
            limits = sorted(random.randint(-128, 127) for _ in "lh")
            for signal, value in zip((sums, offset, shift, low, high), (*of, by, *limits), strict=True):
                ctx.set(signal, value)
            assert ctx.get(result) == requantize_folded(wrap(sum(of), bits), 0, by, *limits)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
