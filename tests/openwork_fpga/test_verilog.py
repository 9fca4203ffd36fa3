"""What a written Verilog file says of itself, what its module may be called, and how its memories start."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.openwork_hw.primitives.test_models import Table

from openwork.cli.arrays import array_config, named_encodings
from openwork.cli.commands import app
from openwork_fpga.verilog import verilog_text, write_verilog
from openwork_fpga.verilog_names import VerilogError, module_name
from openwork_fpga.verilog_text import About, compact_memories
from openwork_hw.arch.config import PRESETS, ArrayConfig, Technology
from openwork_hw.arch.encodings import encodings_of
from openwork_hw.arch.nonzeros import Encoding

SMALL = ArrayConfig(1, 2, feature_words=64, row_buffer_nonzeros=16, tap_entries=16, technology=Technology.ECP5)


@st.composite
def configs(draw: st.DrawFn) -> ArrayConfig:
    """Any array, most of them near a preset."""
    pes, lanes = draw(st.integers(1, 12)), draw(st.integers(1, 8))
    divisors = [size for size in range(1, pes + 1) if pes % size == 0]
    single_port = draw(st.booleans())
    return ArrayConfig(
        pes,
        lanes,
        feature_words=draw(st.sampled_from([64, 2048, 16384])),
        row_buffer_nonzeros=draw(st.sampled_from([16, 512])),
        tap_entries=draw(st.sampled_from([16, 1024])),
        sum_bits=draw(st.sampled_from([24, 28])),
        single_port=single_port,
        group_sizes=tuple(draw(st.lists(st.sampled_from(divisors), unique=True))),
        replicas=1 if single_port else draw(st.integers(1, min(8, max(lanes, 3)))),
        max_pooling=draw(st.booleans()),
        global_pooling=draw(st.booleans()),
        compact=draw(st.booleans()),
        technology=draw(st.sampled_from(list(Technology))),
    )


@settings(max_examples=60)
@given(st.one_of(configs(), st.sampled_from(list(PRESETS.values()))), st.booleans())
def test_the_command_in_the_heading_asks_for_the_same_array(config: ArrayConfig, one_encoding: bool) -> None:
    encodings = (Encoding.CSR,) if one_encoding else encodings_of(config)
    shell = ("--shell", "axi", "--image-words", "77")
    program, command, *arguments = shlex.split(About("", config, encodings, shell, "openwork_axi").command("my_array"))
    assert (program, command) == ("openwork", "verilog")
    commands = typer.main.get_command(app)
    assert isinstance(commands, typer.core.TyperGroup)
    options = commands.commands["verilog"].make_context("verilog", arguments).params
    sizes = {name: value for name, value in options.items() if name in ArrayConfig.__dataclass_fields__}
    sizes["group_sizes"] = tuple(sizes["group_sizes"]) if sizes["group_sizes"] else None
    assert array_config(options["preset"], **sizes) == config
    assert named_encodings(options["encoding"], config) == encodings
    assert (options["shell"], options["image_words"], options["name"]) == ("axi", 77, "my_array")


def test_a_file_begins_with_what_it_is(tmp_path: Path) -> None:
    write_verilog(SMALL, tmp_path / "mine.v", (Encoding.CSR,))
    text = (tmp_path / "mine.v").read_text()
    comment = text.partition("\n\n")[0]
    assert all(line.startswith("//") for line in comment.splitlines())
    for said in (
        "// mine: the array alone, 1 x 2 = 2 MACs.",
        "SPDX-License-Identifier: Apache-2.0",
        "openwork verilog --preset tiny --lanes 2 --technology ecp5 --encoding csr --name mine",
        f"0x{SMALL.fingerprint:08x}",
        "Weight encodings: csr.",
        "feature_words        64",
        "models of the cells of ecp5 are in mine_cells.v",
        "i_words__0__payload: data 31:0, last 32:32",
    ):
        assert said in comment, comment
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["mine.v", "mine.vlt", "mine_cells.v"]
    for path in files:
        assert not re.search(r"(?<![\w/])/(usr|opt|home|root|work|tmp)\b|\b20\d\d-\d\d", path.read_text()), path
    again = tmp_path / "again"
    write_verilog(SMALL, again / "mine.v", (Encoding.CSR,))
    assert all((again / path.name).read_text() == path.read_text() for path in files)


def test_no_line_stands_for_one_word_of_a_memory(tmp_path: Path) -> None:
    """A start as long as its memory would be most of the file."""
    short, long = (
        ArrayConfig(1, 1, feature_words=words, row_buffer_nonzeros=16, tap_entries=16) for words in (64, 8192)
    )
    lines = []
    for config in (short, long):
        write_verilog(config, tmp_path / "array.v", (Encoding.CSR,))
        lines.append((tmp_path / "array.v").read_text().splitlines())
    assert abs(len(lines[0]) - len(lines[1])) < 200
    assert sum(bool(re.search(r"\[\d+\] = \d+'", line)) for line in lines[1]) == 0


@pytest.mark.parametrize(
    ("words", "loops"),
    [([0] * 8, 1), ([7] * 8, 1), ([1, 2, 3, 3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 9], 2), ([5, 5, 5, 4, 4, 4, 4], 1)],
)
@pytest.mark.parametrize("language", ["-g2005", "-g2012"])
def test_a_memory_starts_with_what_it_should(tmp_path: Path, words: list[int], loops: int, language: str) -> None:
    """Equal words are a loop, others are not."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    (tmp_path / "design.il").write_text(rtlil.convert(Table(words, 5), name="table", emit_src=False))
    text = verilog_text(tmp_path)
    assert text.count("for (") == loops
    bench = f"""module bench;
      reg clk = 0; reg [{max(1, (len(words) - 1).bit_length()) - 1}:0] address = 0; wire [4:0] value; integer i;
      \\table dut (.clk(clk), .rst(1'b0), .address(address), .value(value));
      initial for (i = 0; i < {len(words)}; i = i + 1) begin
        address = i; #1 clk = 1; #1 clk = 0; #1 $display("%0d", value);
      end
    endmodule
    """
    (tmp_path / "bench.v").write_text(bench)
    (tmp_path / "dut.v").write_text(text)
    command = ["iverilog", language, "-s", "bench", "-o", "bench.vvp", "bench.v", "dut.v"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    result = subprocess.run(["vvp", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert [int(line) for line in result.stdout.split()] == words


def test_only_runs_of_equal_words_become_loops() -> None:
    kept = "  initial begin\n    \\m$1 [0] = 4'h0;\n    \\m$1 [1] = 4'h1;\n    \\m$1 [2] = 4'h2;\n    m[3] = 4'h2;\n  end\n"
    assert compact_memories(kept) == kept
    gap = "".join(f"    m[{word}] = 4'h0;\n" for word in (0, 1, 2, 4))
    assert compact_memories(gap) == gap
    run = "".join(f"    \\m$1 [{word}] = 4'h3;\n" for word in range(2, 10))
    assert "for (start_word_1 = 2; start_word_1 < 10;" in compact_memories(run)
    assert "\\m$1 [start_word_1] = 4'h3;\n" in compact_memories(run)


@pytest.mark.parametrize(
    "name", ["", "4x4", "a b", "../x", "a/b", "a.b", "a\n", "ä", "module", "logic", "begin", "a" * 201]
)
def test_no_other_name_is_a_modules(name: str) -> None:
    with pytest.raises(VerilogError):
        module_name(name)


def test_a_cells_name_is_not_the_modules(tmp_path: Path) -> None:
    with pytest.raises(VerilogError, match="'DP16KD' is a cell of the part"):
        write_verilog(SMALL, tmp_path / "DP16KD.v", (Encoding.CSR,))
    assert not list(tmp_path.iterdir())
