"""A changed source ages a run that measured it. Prose, and sources that the run does not reach, do not."""

import subprocess
import sys
from pathlib import Path

import pytest

from openwork.records import Origin, Sources, read_record

ROOT = Path(__file__).parents[3]
COMMAND = "python benchmarks/speed.py --fast"

FILES = {
    "speed.py": "import openwork\nfrom helper import show\n\nshow(openwork.quantize(1))\n",
    "helper.py": "def show(what):\n    print(what)\n",
    "other.py": "from openwork.host import board\n",
    "openwork/__init__.py": '"""Ours."""\n\nfrom openwork.api import load, quantize\n\n__all__ = ["load", "quantize"]\n',
    "openwork/api.py": (
        "def load():\n    from openwork.host import board\n    return board\n\n\n"
        "def quantize(model):\n    from openwork.rounding import half\n    return half(model)\n"
    ),
    "openwork/host/__init__.py": "",
    "openwork/host/board.py": "import openwork_dv.native\n",
    "openwork/image.py": "class Image:\n    def go(self):\n        from openwork.host import board\n        return board\n",
    "openwork/rounding.py": (
        '"""Rounding."""\n\nfrom openwork.image import Image\n\nHALF = 0.5\n"""What is added."""\n\n\n'
        'def half(model):\n    """Add."""\n    return model + HALF  # first\n'
    ),
    "openwork/records/runs.py": "",
    "openwork_dv/__init__.py": "",
    "openwork_dv/native/__init__.py": "",
    "openwork_dv/native/main.cpp": "int main() {}",
    "openwork_hw/accelerator.py": "from openwork_hw.arch import config\n",
    "openwork_hw/arch/config.py": "WORDS = 2\n",
    "openwork_hw/shells/axi.py": "",
    "openwork_hw/primitives/cell.v": "module cell; endmodule",
    "openwork_fpga/synth.py": "from openwork.image import Image\nfrom openwork_hw import accelerator\n",
    "openwork_fpga/boards/bitstream.py": "from openwork_fpga import synth\n",
    "openwork_fpga/boards/catalogue.py": "PINS = 3\n",
}


def aged(path: str, before: str, after: str, command: str = COMMAND, files: dict[str, str] = FILES) -> bool:
    """Whether this change of one file makes a run of today older."""
    assert before in files[path]
    run = Origin(command, "0123abcd", Sources(files).fingerprint(command)).measured("x", [("a", "", 1)])
    assert not Sources(dict(files)).is_older(run)
    return Sources(files | {path: files[path].replace(before, after)}).is_older(run)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("speed.py", "quantize(1)", "quantize(2)"),
        ("helper.py", "print(what)", "print([what])"),
        ("openwork/rounding.py", "0.5", "0.25"),
        ("openwork/rounding.py", "model + HALF", "model - HALF"),
        ("openwork/api.py", "half(model)", "half(model + 1)"),
        ("openwork/image.py", "return board", "return 1"),
    ],
)
def test_a_changed_source_ages_a_run(path: str, before: str, after: str) -> None:
    assert aged(path, before, after)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("openwork/rounding.py", "# first", "# second"),
        ("openwork/rounding.py", "# first", ""),
        ("openwork/rounding.py", '"""Add."""', '"""Add half of one."""'),
        ("openwork/rounding.py", '    """Add."""\n', ""),
        ("openwork/rounding.py", '"""Rounding."""', '"""How we round."""'),
        ("openwork/rounding.py", '"""What is added."""', '"""This is added."""'),
        ("openwork/rounding.py", "model + HALF", "(\n        model\n        + HALF\n    )"),
        ("openwork/rounding.py", "HALF = 0.5", "HALF = .50"),
    ],
)
def test_a_comment_a_docstring_and_the_layout_do_not(path: str, before: str, after: str) -> None:
    assert not aged(path, before, after)


@pytest.mark.parametrize(
    "path", ["other.py", "openwork/host/board.py", "openwork_dv/native/__init__.py", "openwork_hw/accelerator.py"]
)
def test_what_the_benchmark_does_not_reach_does_not(path: str) -> None:
    # `load` and `Image.go` import these, and nothing here calls them.
    assert not aged(path, "", "NEW = 1\n", files=FILES | {path: ""})


def test_how_figures_are_recorded_does_not() -> None:
    files = FILES | {"helper.py": f"from openwork.records import runs\n{FILES['helper.py']}"}
    assert not aged("openwork/records/runs.py", "", "NEW = 1\n", files=files)


def test_a_folder_counts_where_it_does_more_than_pass_names_on() -> None:
    files = FILES | {"helper.py": f"from openwork.host.board import open\n{FILES['helper.py']}"}
    assert not aged("openwork/host/__init__.py", "", '"""How a host talks."""\n', files=files)
    assert not aged("openwork/__init__.py", '"load", "quantize"', '"quantize"', files=files)
    assert aged(
        "openwork/host/__init__.py", "9600", "115200", files=files | {"openwork/host/__init__.py": "BAUD = 9600\n"}
    )


def test_an_import_in_a_function_counts_where_the_function_is_used() -> None:
    files = FILES | {"helper.py": "import openwork\n\nshow = openwork.load\n"}
    assert aged("openwork/host/board.py", "native", "jobs", files=files)
    assert aged("openwork_dv/native/main.cpp", "{}", "{ return 1; }", files=files)


def test_an_import_in_a_method_counts_where_a_benchmark_uses_the_method() -> None:
    assert not aged("openwork/host/board.py", "native", "jobs")
    assert not aged(
        "openwork/host/board.py",
        "native",
        "jobs",
        files=FILES | {"openwork/api.py": f"{FILES['openwork/api.py']}\nx.go()\n"},
    )
    assert aged(
        "openwork/host/board.py", "native", "jobs", files=FILES | {"helper.py": "def show(image):\n    image.go()\n"}
    )


@pytest.mark.parametrize("command", ["openwork synth --device lfe5u-85f", "openwork build --board icebreaker"])
def test_gateware_is_of_all_gateware_and_of_the_flow(command: str) -> None:
    for path, before in (
        ("openwork_hw/shells/axi.py", ""),
        ("openwork_hw/arch/config.py", "2"),
        ("openwork_fpga/synth.py", "Image"),
    ):
        assert aged(path, before, "NEW", command)
    assert aged("openwork_hw/primitives/cell.v", "cell;", "cell2;", command)
    assert not aged("openwork/image.py", "return board", "return 1", command)
    assert aged("openwork_fpga/boards/catalogue.py", "3", "4", command) == command.startswith("openwork build")


def test_a_run_of_unknown_sources_is_older() -> None:
    sources = Sources(FILES)
    assert sources.is_older(Origin(COMMAND).measured("x", [("a", "", 1)]))
    for command in ("", "openwork boards", "python benchmarks/gone.py"):
        assert sources.fingerprint(command) == ""
        assert sources.is_older(Origin(command).measured("x", [("a", "", 1)]))


def test_a_run_of_today_is_of_the_sources_beside_it() -> None:
    origin = Origin.of_script(str(ROOT / "benchmarks" / "networks.py"), ["digits CNN", "--workers", "1"], ["numpy"])
    assert origin.command == "python benchmarks/networks.py 'digits CNN' --workers 1"
    assert origin.tools[0].startswith("numpy ")
    assert not Sources.here(ROOT / "benchmarks").is_older(origin.measured("x", [("a", "", 1)]))


CALLED = """
import sys
from pathlib import Path

sys.path.insert(0, "benchmarks")
import cycle_parts

called = set()
sys.setprofile(lambda frame, event, _: called.add(frame.f_code) if event == "call" else None)
sys.argv, cycle_parts.RECORD = ["cycle_parts.py", "digits CNN"], Path(sys.argv[1])
cycle_parts.main()
sys.setprofile(None)
print(*{code.co_filename for code in called if code.co_name != "<module>"}, sep="\\n")
"""


@pytest.mark.slow
def test_every_file_that_a_benchmark_calls_into_is_among_its_sources(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    command = [sys.executable, "-c", CALLED, str(record)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    folders = {ROOT / "hw", ROOT / "sw", ROOT / "verification", ROOT / "fpga", ROOT / "benchmarks"}
    lines = [Path(line) for line in result.stdout.splitlines() if line.endswith(".py")]
    called = {str(line.relative_to(folder)) for line in lines for folder in folders if line.is_relative_to(folder)}
    sources = Sources.here(ROOT / "benchmarks")
    (run,) = read_record(record)
    recording = {path for path in called if path.startswith("openwork/records/")} | {"openwork/files/whole.py"}
    assert {"cycle_parts.py", "openwork/compiler/predict.py", "openwork/api.py"} <= called
    assert called - recording - sources.reached(run.command) == set()
    assert not sources.is_older(run)
