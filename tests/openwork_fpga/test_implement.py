"""A few lanes go through synthesis, placement and routing on each family."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_fpga import nextpnr, yosys
from openwork_fpga.devices import DEVICES, Device
from openwork_fpga.families import KEEP_COPIES
from openwork_fpga.implement import READ_DESIGN, implement, route_all
from openwork_fpga.nextpnr import Routed, installed
from openwork_fpga.yosys import ToolError
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.primitives.accumulator import Accumulator
from openwork_hw.primitives.multipliers import Multipliers


class Lanes(wiring.Component):
    """Multipliers, each with an accumulator."""

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "x": In(data.ArrayLayout(signed(8), config.lanes)),
                "w": In(signed(8)),
                "first": In(1),
                "sums": Out(data.ArrayLayout(signed(config.sum_bits), config.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multipliers = multipliers = Multipliers(self._config)
        m.d.comb += [multipliers.x.eq(self.x), multipliers.w.eq(self.w)]
        for lane in range(self._config.lanes):
            m.submodules[f"accumulator_{lane}"] = accumulator = Accumulator(
                self._config.sum_bits, self._config.technology, max_pooling=False
            )
            m.d.comb += [
                accumulator.product.eq(multipliers.products[lane]),
                accumulator.first.eq(self.first),
                self.sums[lane].eq(accumulator.sum),
            ]
        return m


def _tool(device: Device) -> None:
    if not installed(device.family):
        pytest.skip(f"{device.family.nextpnr} is not installed")


def _lanes(device: Device, lanes: int) -> Lanes:
    return Lanes(ArrayConfig(pes=1, lanes=lanes, sum_bits=24, technology=device.family.technology))


class Copies(wiring.Component):
    """A register in two copies."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        super().__init__({"i": In(1), "o": Out(2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for number in range(2):
            copy = Signal(name=f"copy_{number}", attrs={"keep": 1} if self._keep else {})
            m.d.sync += copy.eq(self.i)
            m.d.comb += self.o[number].eq(copy)
        return m


@pytest.mark.parametrize(("keep", "registers"), [(True, 2), (False, 1)])
def test_copies_that_say_so_stay(tmp_path: Path, keep: bool, registers: int) -> None:
    (tmp_path / "design.il").write_text(rtlil.convert(Copies(keep=keep), name="top", emit_src=False))
    yosys.run_script(f"{READ_DESIGN}{KEEP_COPIES}synth_ecp5 -top top\ntee -q -o cells.json stat -json\n", tmp_path)
    text = (tmp_path / "cells.json").read_text()
    assert json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]["TRELLIS_FF"] == registers


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dsps", "megahertz"), [("lfe5u-25f", 8, 150), ("ice40up5k", 4, 40)])
def test_eight_lanes(tmp_path: Path, name: str, dsps: int, megahertz: int) -> None:
    device = DEVICES[name]
    _tool(device)
    steps: list[tuple[str, int, int]] = []
    outcome = implement(
        _lanes(device, 8), device, (1, 2), tmp_path, lambda what, done, total: steps.append((what, done, total))
    )
    assert [routed.seed for routed in outcome.routed] == [1, 2]
    assert outcome.dsps == dsps
    assert outcome.block_memories == outcome.large_memories == 0
    # An adder of 24 bits a lane, and little else; the product and the sum are flip-flops.
    assert 8 * 24 <= outcome.luts <= 8 * 120
    assert outcome.flip_flops >= 8 * 24
    assert outcome.median.clock_mhz == min(routed.clock_mhz for routed in outcome.routed) > megahertz
    assert outcome.critical_path[-1].kind == "setup"
    total = sum(step.delay_ns for step in outcome.critical_path)
    assert total == pytest.approx(1000 / outcome.median.clock_mhz, rel=0.02)
    assert [(done, total) for _, done, total in steps] == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_what_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    device = DEVICES["ice40up5k"]
    _tool(device)
    with pytest.raises(ToolError, match=r"nextpnr stopped on ice40up5k: .*\(log: .*seed_1\.log\)"):
        implement(_lanes(device, 18), device, (1,), tmp_path, lambda *_: None)


def test_each_device_has_a_preset_of_its_family() -> None:
    for device in DEVICES.values():
        assert PRESETS[device.preset].technology == device.family.technology


def test_a_seed_that_fails_does_not_end_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def route(_device: Device, _folder: Path, _netlist: str, seed: int, _options: Sequence[str]) -> Routed:
        if seed in (2, 3):
            raise ToolError(f"no place with seed {seed}")
        return Routed(seed, 100.0 + seed, {}, ())

    monkeypatch.setattr(nextpnr, "route", route)
    told = []
    routed, failed = route_all(
        DEVICES["lfe5u-25f"], tmp_path, (1, 2, 3, 4), lambda one, done: told.append((one.seed, done))
    )
    assert [one.seed for one in routed] == [1, 4]
    assert {seed: str(error) for seed, error in failed.items()} == {
        2: "no place with seed 2",
        3: "no place with seed 3",
    }
    assert sorted(seed for seed, _done in told) == [1, 4]
