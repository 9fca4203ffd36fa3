"""What every command prints: JSON, nothing at all, stages without a terminal, and no colour where nobody wants it."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from rich.console import Console
from tests.openwork.command_line import openwork
from tests.openwork.compiler.test_network import classifier

from openwork.cache import cache_folder
from openwork.cli import stages, terminal
from openwork.cli.commands import app
from openwork.compiler.network import compile_network
from openwork.files import write_image, write_network
from openwork.report.layers import layer_rows
from openwork_hw.arch.config import PRESETS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("output")
    write_network(path / "a.int8", classifier())
    write_image(path / "a.image", compile_network(classifier(), PRESETS["demo"]))
    np.save(path / "x.npy", np.random.default_rng(1).integers(-128, 128, (2, 3, 13, 11)).astype(np.int8))
    np.savez(path / "masks.npz", fc=np.eye(20, dtype=bool))
    return path


TABLES = {
    *(
        "quantize",
        "compile",
        "fit",
        "cycles",
        "compare",
        "boards",
        "build",
        "synth",
        "prune",
        "explore",
        "selftest",
        "sweep",
    ),
}
"""Commands that print tables; the demo prints a story."""


def test_every_command_can_be_quiet_and_every_table_is_there_as_json() -> None:
    found = {}
    for command in app.registered_commands:
        assert command.callback is not None
        options = {
            one for hint in get_type_hints(command.callback, include_extras=True).values() for info in get_args(hint)[1:]
            for one in (*(getattr(info, "param_decls", None) or ()), getattr(info, "default", None)) if isinstance(one, str)
        }  # fmt: skip
        found[command.name or command.callback.__name__] = options
    assert all("--quiet" in options for options in found.values()) and len(found) >= 18
    assert {name for name, options in found.items() if "--json" in options} == TABLES


def commands(folder: Path) -> list[list[object]]:
    return [
        ["boards"],
        ["cycles", folder / "masks.npz"],
        ["compile", folder / "a.int8", "-o", folder / "b.image", "--stages"],
        ["compile", folder / "a.int8", "-o", folder / "b.image", "--board", "ulx3s-85f"],
        ["compare", folder / "a.image", "--inputs", folder / "x.npy", "--backends", "golden,model"],
    ]


def test_json_is_all_that_is_printed_and_quiet_prints_nothing(folder: Path) -> None:
    for command in commands(folder):
        status, said = openwork(*command, "--json")
        assert status == 0 and json.loads(said), command
        assert openwork(*command, "--json", "--quiet") == (0, said), command
        assert openwork(*command, "--quiet") == (0, ""), command
        assert openwork(*command, "-q") == (0, ""), command
        status, said = openwork(*command)
        assert status == 0 and said, "the command before does not make this one quiet"


def test_json_has_the_figures_of_the_table(folder: Path) -> None:
    image = compile_network(classifier(), PRESETS["demo"])
    _, said = openwork("compile", folder / "a.int8", "-o", folder / "b.image", "--json")
    found = json.loads(said)
    assert (found["compute_cycles"], found["predicted_cycles"]) == (image.compute_cycles, image.predicted_cycles)
    assert [(one["step"], one["cycles"], one["utilization"]) for one in found["layers"]] == [
        (row.step, row.cycles, row.utilization) for row in layer_rows(image)
    ]
    _, said = openwork(
        "compare", folder / "a.image", "--inputs", folder / "x.npy", "--backends", "golden,model", "--json"
    )
    found = json.loads(said)
    assert found["agrees"] and found["first"] is None and len(found["tensors"]) == len(image.network.steps)


def test_a_refusal_is_printed_even_if_a_command_is_quiet(folder: Path) -> None:
    assert openwork("compile", folder / "none.int8", "-o", folder / "b.image", "--quiet", "--json") == (
        2,
        f"openwork: there is no file {folder / 'none.int8'}\n",
    )


def test_a_stage_of_more_than_two_seconds_has_two_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(stages.SECONDS, "0.05")
    console = Console(stderr=True)

    def slept(seconds: float) -> None:
        time.sleep(seconds)

    with stages.working(console, "first"):
        slept(0.2)
    with stages.working(console, "too short to be told"):
        pass
    with stages.counting(console) as counted:
        for _ in counted(range(2), "second"):
            slept(0.1)
    with stages.steps(console) as tell:
        for cycle in range(4):
            tell(cycle, 4, f"third, cycle {cycle}")
            slept(0.05)
        tell(4, None, "fourth")
        slept(0.2)
    with pytest.raises(ValueError), stages.working(console, "failed"):
        slept(0.2)
        raise ValueError
    lines = re.sub(r"\d+\.\d s", "N s", capsys.readouterr().err).splitlines()
    ended = [(f"{name} ...", f"{name}: N s") for name in ("first", "second", "third", "fourth")]
    assert lines == [*(line for pair in ended for line in pair), "failed ..."]
    monkeypatch.setenv(stages.SECONDS, "inf")
    with stages.working(console, "never told"):
        slept(0.1)
    monkeypatch.delenv(stages.SECONDS)
    assert stages.TOLD_AFTER == 2.0 and capsys.readouterr().err == ""


@pytest.mark.parametrize(("variable", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_heeded(folder: Path, variable: dict[str, str], coloured: bool) -> None:
    """In a terminal a refusal is red, unless the user wants no colours."""
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm-256color", **variable}
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "openwork", "fit", str(folder / "none.int8")]
    result = subprocess.run(command, env=environment, stdin=child, stdout=child, stderr=child, check=False)
    os.close(child)
    said = os.read(parent, 1 << 16).decode()
    os.close(parent)
    assert result.returncode == 2 and "there is no file" in said
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", said)) == coloured


@pytest.mark.parametrize("console", [terminal.output, terminal.messages, terminal.status])
def test_what_a_user_named_is_printed_as_it_is(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the emoji `train` nor the style `red`."""
    monkeypatch.setattr(console, "quiet", False)
    with console.capture() as printed:
        console.print("digits:train: 6.1 s", markup=False, soft_wrap=True)
    assert printed.get() == "digits:train: 6.1 s\n"
    on_a_terminal = Console(force_terminal=True, file=StringIO(), emoji=False, width=100)
    with stages.steps(on_a_terminal) as tell:
        tell(1, 2, "models[red]:train: 5")
    assert isinstance(on_a_terminal.file, StringIO)
    assert "models[red]:train: 5" in on_a_terminal.file.getvalue()


def test_caches_are_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENWORK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/.cache/openwork"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / "home/.cache/openwork"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg/openwork"
    monkeypatch.setenv("OPENWORK_CACHE", str(tmp_path / "ours"))
    assert cache_folder() == tmp_path / "ours"
    code = "import openwork_dv.building; print(openwork_dv.building.BUILD_FOLDER)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == f"{tmp_path / 'ours' / 'simulation'}\n"
