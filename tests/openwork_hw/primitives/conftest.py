"""Runs a component's Verilog in Icarus, with models of the device primitives in it, over a table of stimulus."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.lib import wiring

from openwork_fpga import yosys

RunIcarus = Callable[..., dict[str, list[int | None]]]

PLAIN = "read_rtlil dut.il\nproc\nwrite_verilog -noattr dut.v\n"

MODELS = Path(str(resources.files("openwork_hw.primitives") / "models"))

OF_YOSYS = {"SB_SPRAM256KA"}
"""Our models of cells that Yosys has one of, too: a simulation of one gets that."""


def ice40_models() -> Path:
    """Yosys' simulation models of the iCE40 cells."""
    return Path(str(resources.files("pyosys") / "share" / "ice40" / "cells_sim.v"))


@pytest.fixture
def run_icarus(tmp_path: Path) -> RunIcarus:
    """Gives, for a component and each input's value in each cycle, each output's value before each clock edge.

    What makes dut.v of dut.il may be told as `script`, for Yosys. None stands for a value that holds an x.
    """
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")

    def run(
        component: wiring.Component, stimulus: Mapping[str, Sequence[int]], script: str = PLAIN
    ) -> dict[str, list[int | None]]:
        (tmp_path / "dut.il").write_text(rtlil.convert(component, name="dut", emit_src=False))
        yosys.run_script(script, tmp_path)
        widths = {}
        for path, _member, value in component.signature.flatten(component):
            widths["__".join(map(str, path))] = len(value.as_value() if hasattr(value, "as_value") else value)
        inputs = {name: widths[name] for name in stimulus}
        outputs = {name: width for name, width in widths.items() if name not in inputs}
        cycles = len(next(iter(stimulus.values())))
        total = sum(inputs.values())
        rows = []
        for cycle in range(cycles):
            bits = "".join(f"{stimulus[name][cycle] & (1 << width) - 1:0{width}b}" for name, width in inputs.items())
            rows.append(f"{int(bits, 2):x}")
        (tmp_path / "stimulus.hex").write_text("\n".join(rows) + "\n")
        (tmp_path / "bench.v").write_text(_bench(inputs, outputs, total, cycles))
        ours = [model for model in MODELS.glob("*.v") if model.stem not in OF_YOSYS]
        sources = ["bench.v", "dut.v", *map(str, sorted(ours)), str(ice40_models())]
        command = ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-s", "bench", "-o", "bench.vvp", *sources]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        finished = subprocess.run(["vvp", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
        lines = [line.split()[1:] for line in finished.stdout.splitlines() if line.startswith("o ")]
        assert len(lines) == cycles
        return {name: [_number(line[index]) for line in lines] for index, name in enumerate(outputs)}

    return run


def _number(bits: str) -> int | None:
    return None if set(bits) - {"0", "1"} else int(bits, 2)


def _bench(inputs: Mapping[str, int], outputs: Mapping[str, int], total: int, cycles: int) -> str:
    joined_inputs = ", ".join(inputs)
    lines = [
        "module bench;",
        f"reg [{total - 1}:0] stimulus [0:{cycles - 1}];",
        "reg clk = 0;",
        *(f"reg [{width - 1}:0] {name};" for name, width in inputs.items()),
        *(f"wire [{width - 1}:0] {name};" for name, width in outputs.items()),
        f"dut dut (.clk(clk), .rst(1'b0), {', '.join(f'.{name}({name})' for name in [*inputs, *outputs])});",
        "integer cycle;",
        "initial begin",
        '  $readmemh("stimulus.hex", stimulus);',
        f"  for (cycle = 0; cycle < {cycles}; cycle = cycle + 1) begin",
        f"    {{{joined_inputs}}} = stimulus[cycle];",
        f'    #1 $display("o{" %b" * len(outputs)}", {", ".join(outputs)});',
        "    #1 clk = 1; #1 clk = 0;",
        "  end",
        "  $finish;",
        "end",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"
