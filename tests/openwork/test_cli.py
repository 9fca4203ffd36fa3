"""The command line: what it writes, and that a refusal is one sentence."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path

import pytest
from tests.openwork.command_line import run

from openwork.cli.arrays import array_config
from openwork.cli.hardware import synth, verilog
from openwork.cli.networks import compile_
from openwork_hw.arch.config import PRESETS, ArrayConfig, ConfigError


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command as a program of its own."""
    command = [sys.executable, "-m", "openwork", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--pes", "300"), "openwork: pes must be a whole number from 1 to 255, not 300"),
        (("--feature-words", "1000"), "openwork: feature_words must be a power of two, not 1000"),
        (("--pes", "4", "--group-size", "3"), "openwork: group_sizes must be divisors of the 4 PEs, not 3"),
        (("--preset", "big"), "openwork: there is no preset big: there are tiny, demo,"),
        (("--encoding", "coo"), "openwork: there is no encoding coo: there are csr, triplet, packed"),
        (
            ("--pes", "1", "--lanes", "1", "--replicas", "4"),
            "openwork: replicas must be at most 3 with 1 lanes, not 4: outputs",
        ),
        (
            ("--name", "4x4"),
            "openwork: the name of a Verilog module is letters, digits and _, up to 200 of them and no digit first: not",
        ),
        (("--name", "../../x"), "openwork: the name of a Verilog module is letters, digits and _, up to 200 of them"),
        (("--name", "a" * 300), "openwork: the name of a Verilog module is letters, digits and _, up to 200 of them"),
        (("--name", "logic"), "openwork: 'logic' is a keyword of Verilog: choose another name for the module"),
        (
            ("--shell", "axi", "--image-words", str(1 << 40)),
            "openwork: an image memory of 1,099,511,627,776 words needs 4,294,967,296 KiB of the chip's block memory, and at most "
            "1,048,576 words (4,096 KiB) can be made: keep larger images in a memory outside",
        ),
        (
            ("--image-words", "5"),
            "openwork: --image-words is for --shell axi: no other shell has an image memory of its own",
        ),
        (
            ("--pes", "255", "--lanes", "64", "--feature-words", "65536"),
            "openwork: the PEs' feature memories need 1,044,480 KiB, and Verilog is written of up to 8,192 KiB",
        ),
    ],
)
def test_a_refusal_is_one_sentence_and_status_2(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(tmp_path, "verilog", "-o", "build", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(sentence) and result.stderr.count("\n") == 1
    assert result.stdout == "" and not list(tmp_path.rglob("*"))


def test_a_refusal_while_the_array_is_made_is_all_that_a_program_says(tmp_path: Path) -> None:
    """Up to the program's end, and nothing of what was made before."""
    result = program("verilog", "-o", tmp_path / "build", "--preset", "ecp5-12k", "--feature-words", 65536)
    assert result.returncode == 2
    assert result.stderr == "openwork: a block memory of ecp5 holds at most 16384 words, not 65536\n"
    assert result.stdout == "" and not list(tmp_path.rglob("*"))


def test_another_number_of_pes_drops_the_groups_of_the_preset() -> None:
    assert array_config("ecp5-85k", pes=20).group_sizes == ()
    assert array_config("ecp5-85k", lanes=6) == replace(PRESETS["ecp5-85k"], lanes=6)


def test_a_size_of_the_preset_gives_way_to_one_that_was_named() -> None:
    assert array_config("demo", pes=1, lanes=1).replicas == 3
    assert array_config("demo", lanes=4).replicas == 4
    assert array_config("demo", lanes=3, replicas=2).replicas == 2
    assert array_config("demo", single_port=True).replicas == 1
    with pytest.raises(ConfigError, match="replicas must be 1 where feature memories have one port, not 2"):
        array_config("demo", single_port=True, replicas=2)
    with pytest.raises(ConfigError, match="replicas must be at most 3 with 1 lanes, not 4"):
        array_config("demo", lanes=1, replicas=4)


def test_every_number_of_pes_and_lanes_goes_with_every_preset() -> None:
    for preset in PRESETS:
        for pes in (1, 2, 21, 255):
            for lanes in (1, 2, 3, 64):
                assert array_config(preset, pes=pes, lanes=lanes).macs == pes * lanes


@pytest.mark.parametrize("command", [verilog, synth, compile_])
def test_every_size_of_an_array_has_an_option(command: Callable[..., None]) -> None:
    """What `verilog` writes, `compile` can make images for."""
    sizes = {field.name for field in fields(ArrayConfig)} - {"technology"}
    assert sizes <= set(signature(command).parameters)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(tmp_path, "verilog", "-o", "file", "--preset", "tiny")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_verilog_is_written_under_its_own_name(tmp_path: Path) -> None:
    result = program("verilog", "--preset", "tiny", "--encoding", "csr", "-o", tmp_path / "build")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (tmp_path / "build").iterdir()} == {"openwork_1x1.v", "openwork_1x1.vlt"}
    text = (tmp_path / "build" / "openwork_1x1.v").read_text()
    assert "module openwork_1x1(" in text
    assert "i_words__0__valid" in text
    assert str(Path(__file__).parents[2]) not in text


def test_the_bus_shell_has_the_names_of_the_standard(tmp_path: Path) -> None:
    size = ("--image-words", "64")
    result = run(tmp_path, "verilog", "--preset", "tiny", "--encoding", "csr", "--shell", "axi", *size, "-o", ".")
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "openwork_axi_1x1.v").read_text()
    ports = set(re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\w+);", text.partition("endmodule")[0], re.M))
    assert {"aclk", "aresetn", "interrupt", "s_axi_awaddr", "s_axis_image_tlast", "m_axis_features_tdata"} <= ports
    assert all(re.fullmatch(r"aclk|aresetn|interrupt|(s_axi|[sm]_axis_\w+)_[a-z]+", port) for port in ports)


def test_help_starts_without_the_heavy_packages() -> None:
    code = "import sys, openwork.cli; print(sorted({'torch', 'amaranth', 'cocotb', 'sklearn'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
