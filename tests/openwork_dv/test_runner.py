"""What is built is found again only where it runs."""

from pathlib import Path

import cocotb_tools.config
import pytest

from openwork_dv import runner
from openwork_dv.runner import Simulator, written


def test_another_environment_builds_a_verilated_program_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(folder: Path, sources: object, top: str) -> None:
        (folder / top).write_text(str(cocotb_tools.config.libs_dir))

    monkeypatch.setattr(runner, "_compile_verilator", compiled)
    verilog = tmp_path / "top.v"
    verilog.write_text("module top; endmodule\n")
    here = written(verilog, tmp_path / "built", Simulator.VERILATOR)
    again = written(verilog, tmp_path / "built", Simulator.VERILATOR)
    monkeypatch.setattr(cocotb_tools.config, "libs_dir", tmp_path / "another")
    there = written(verilog, tmp_path / "built", Simulator.VERILATOR)
    assert here.folder == again.folder != there.folder
    assert (there.folder / "top").read_text() == str(tmp_path / "another")
