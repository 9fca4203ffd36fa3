"""A synthesis result's figures, its record and its table."""

from pathlib import Path

import pytest
from rich.console import Console

from openwork.records import Figure, Origin, read_record, write_record
from openwork_fpga import report
from openwork_fpga.devices import DEVICES
from openwork_fpga.nextpnr import PathStep
from openwork_fpga.synth import SynthesisResult
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.nonzeros import Encoding


@pytest.fixture
def result() -> SynthesisResult:
    return SynthesisResult(
        device=DEVICES["lfe5u-25f"],
        config=PRESETS["ecp5-25k"],
        encodings=(Encoding.PACKED,),
        luts=2800,
        flip_flops=3000,
        dsps=28,
        block_memories=36,
        large_memories=0,
        clocks_mhz={1: 150.5, 2: 170.25, 3: 160.0},
        critical_path=(PathStep("clk-to-q", "a.b", 0.5), PathStep("logic", "a.add_*", 2.5, cells=14)),
        tools=("pyosys 1", "nextpnr 2"),
    )


def test_figures(result: SynthesisResult) -> None:
    assert result.median_mhz == 160.0
    assert result.luts_per_mac == 100.0


def test_the_record_says_how_to_get_the_figures_again(result: SynthesisResult, tmp_path: Path) -> None:
    path = tmp_path / "results" / "x.json"
    write_record(path, [result.run(Origin("openwork synth", "abc", "0123"))])
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["x.json"]
    (run,) = read_record(path)
    assert Figure("clock_median", "MHz", 160.0) in run.figures
    assert Figure("clock_seed_2", "MHz", 170.25) in run.figures
    assert Figure("luts_per_mac", "LUTs/MAC", 100.0) in run.figures
    assert Figure("critical_path", "ns", [("clk-to-q", "a.b", 0.5), ("logic", "a.add_*", 2.5)]) in run.figures
    assert (run.device, run.commit, run.sources, run.command) == ("lfe5u-25f", "abc", "0123", "openwork synth")
    assert run.tools == ("pyosys 1", "nextpnr 2")
    assert run.setting == "lfe5u-25f: 4 x 7, packed"
    assert isinstance(run.configuration, dict) and run.configuration["pes"] == 4


def test_the_table_shows_clocks_and_critical_path(result: SynthesisResult) -> None:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(report.table(result))
    text = capture.get()
    for shown in ("2,800", "160.0 MHz", "150.5 to 170.2 MHz, 3 placer seeds", "a.add_* x 14", "3.00 ns"):
        assert shown in text
