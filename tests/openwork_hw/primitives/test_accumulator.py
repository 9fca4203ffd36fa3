"""Accumulator: sums as the formula says; the carry cells of ECP5 are proven equal to the plain adder."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.back import rtlil

from openwork_fpga import yosys
from openwork_hw.arch.arithmetic import wrap
from openwork_hw.arch.config import Technology
from openwork_hw.primitives.accumulator import Accumulator


@pytest.mark.parametrize("technology", list(Technology))
@pytest.mark.parametrize("width", [20, 27, 32])
def test_sums(run_icarus: Callable[..., dict[str, list[int | None]]], technology: Technology, width: int) -> None:
    generator = random.Random(f"{technology} {width}")
    cycles = 600
    # Long rows of large products, so that the narrow ones wrap.
    product = [generator.choice([16384, -16256, generator.randrange(-16256, 16385), 0]) for _ in range(cycles)]
    product[100:300] = [16384] * 200
    product[300:500] = [-16256] * 200
    first = [int(cycle == 0 or (not 100 < cycle < 500 and generator.random() < 0.1)) for cycle in range(cycles)]
    total, expected = 0, []
    for p, f in zip(product, first, strict=True):
        total = wrap((0 if f else total) + p, width)
        expected.append(total & (1 << width) - 1)
    sums = run_icarus(Accumulator(width, technology, max_pooling=False), {"product": product, "first": first})["sum"]
    delay = Accumulator.latency_cycles
    assert sums[delay:] == expected[:-delay]


@pytest.mark.parametrize("technology", list(Technology))
def test_maxima(run_icarus: Callable[..., dict[str, list[int | None]]], technology: Technology) -> None:
    generator = random.Random(f"maxima {technology}")
    cycles = 400
    product = [generator.choice([-128, 127, generator.randrange(-128, 128)]) for _ in range(cycles)]
    compare = [int(generator.random() < 0.7) for _ in range(cycles)]
    first = [int(cycle == 0 or (bool(compare[cycle]) and generator.random() < 0.2)) for cycle in range(cycles)]
    largest, expected = 0, []
    for p, f, c in zip(product, first, compare, strict=True):
        largest = p if f or (c and p > largest) else largest
        expected.append(largest & (1 << 24) - 1)
    inputs = {"product": product, "first": [1] * cycles, "enable": first, "compare": compare}
    sums = run_icarus(Accumulator(24, technology, max_pooling=True), inputs)["sum"]
    assert sums[1:] == expected[:-1]


PROOF = """
read_verilog -lib +/ecp5/cells_sim.v
setattr -mod -unset lib_whitebox -unset whitebox -unset blackbox =LUT4 =LUT2 =CCU2C
read_rtlil ecp5.il
hierarchy -top ecp5
proc
flatten ecp5
read_rtlil generic.il
opt_clean
expose -evert-dff -shared generic ecp5
miter -equiv -flatten -make_outputs generic ecp5 both
sat -verify -prove trigger 0 both
"""


def _write_both(folder: Path, width: int) -> None:
    for technology in (Technology.GENERIC, Technology.ECP5):
        text = rtlil.convert(Accumulator(width, technology, max_pooling=False), name=str(technology), emit_src=False)
        (folder / f"{technology}.il").write_text(text)


@pytest.mark.parametrize("width", [24, 27, 32])
def test_carry_cells_equal_the_adder(tmp_path: Path, width: int) -> None:
    _write_both(tmp_path, width)
    log = yosys.run_script(PROOF, tmp_path)
    assert "SAT proof finished - no model found: SUCCESS!" in log.read_text()


def test_the_proof_notices_another_carry_cell(tmp_path: Path) -> None:
    _write_both(tmp_path, 24)
    cells = tmp_path / "ecp5.il"
    text = cells.read_text()
    assert "1010011010101010" in text
    cells.write_text(text.replace("1010011010101010", "1001011010101010", 1))
    with pytest.raises(yosys.ToolError, match="proof did fail"):
        yosys.run_script(PROOF, tmp_path)
