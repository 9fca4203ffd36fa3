"""The command line: what it writes, and that a refusal is one sentence."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from openwork.cli.arrays import array_config
from openwork_hw.arch.config import PRESETS


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "openwork", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--pes", "300"), "openwork: pes must be a whole number from 1 to 255, not 300"),
        (("--feature-words", "1000"), "openwork: feature_words must be a power of two, not 1000"),
        (("--pes", "4", "--group-size", "3"), "openwork: group_sizes must be divisors of the 4 PEs, not 3"),
        (("--preset", "big"), "openwork: there is no preset big: there are tiny, demo,"),
        (("--encoding", "coo"), "openwork: there is no encoding coo: there are csr, triplet, packed"),
        (("--name", "4x4"), "openwork: a Verilog file is called NAME.v, NAME of letters, digits and _, not 4x4.v"),
    ],
)
def test_a_refusal_is_one_sentence_and_status_2(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = run("verilog", "-o", str(tmp_path / "build"), *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(sentence) and result.stderr.count("\n") == 1
    assert result.stdout == "" and not list(tmp_path.rglob("*"))


def test_another_number_of_pes_drops_the_groups_of_the_preset() -> None:
    assert array_config("ecp5-85k", pes=20).group_sizes == ()
    assert array_config("ecp5-85k", lanes=6) == replace(PRESETS["ecp5-85k"], lanes=6)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("verilog", "-o", str(tmp_path / "file"), "--preset", "tiny")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_verilog_is_written_under_its_own_name(tmp_path: Path) -> None:
    result = run("verilog", "--preset", "tiny", "--encoding", "csr", "-o", str(tmp_path / "build"))
    assert result.returncode == 0, result.stderr
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["openwork_1x1.v"]
    text = (tmp_path / "build" / "openwork_1x1.v").read_text()
    assert "module openwork_1x1(" in text
    assert "i_words__0__valid" in text
    assert str(Path(__file__).parents[2]) not in text


def test_the_bus_shell_has_the_names_of_the_standard(tmp_path: Path) -> None:
    size = ("--image-words", "64")
    result = run("verilog", "--preset", "tiny", "--encoding", "csr", "--shell", "axi", *size, "-o", str(tmp_path))
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "openwork_axi_1x1.v").read_text()
    ports = set(re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\w+);", text.partition("endmodule")[0], re.M))
    assert {"aclk", "aresetn", "interrupt", "s_axi_awaddr", "s_axis_image_tlast", "m_axis_features_tdata"} <= ports
    assert all(re.fullmatch(r"aclk|aresetn|interrupt|(s_axi|[sm]_axis_\w+)_[a-z]+", port) for port in ports)


def test_help_starts_without_the_heavy_packages() -> None:
    code = "import sys, openwork.cli; print(sorted({'torch', 'amaranth', 'cocotb', 'sklearn'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
