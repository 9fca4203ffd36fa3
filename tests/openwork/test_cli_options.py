"""Every option of every command with values that nobody should type: a sentence, before torch is imported, and no work done."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier
from typer.models import ArgumentInfo

from openwork.cli import main, networks, pruning
from openwork.cli.commands import app
from openwork.compiler.network import compile_network
from openwork.files import write_image, write_network
from openwork.pruning import METHODS
from openwork.quantization import Observer
from openwork_hw.arch.config import PRESETS

COMMANDS: dict[str, list[str]] = {
    "export": ["m:small", "-o", "out.pt2"],
    "quantize": ["m:small", "--calibrate", "x.npy", "-o", "out"],
    "compile": ["a.int8", "-o", "out"],
    "fit": ["a.int8"],
    "cycles": ["masks.npz", "--pixels", "9"],
    "run": ["a.image", "--inputs", "x.npy", "-o", "out"],
    "compare": ["a.image", "--inputs", "x.npy", "--trace", "first-difference"],
    "trace": ["a.image", "-o", "out"],
    "sweep": ["--model", "m:small", "--data", "x.npy", "--arrays", "demo", "--workers", "0", "-o", "out"],
    "report": ["a.image", "-o", "out"],
    "prune": ["m:small", "--data", "x.npy", "-o", "out"],
    "explore": ["m:small", "--data", "x.npy", "--test", "x.npy", "-o", "out"],
    "selftest": ["--port", "nowhere"],
    "build": ["--board", "ulx3s-85f", "--image", "nowhere"],
    "program": ["--board", "ulx3s-85f", "nowhere.bit"],
    "synth": ["--device", "nowhere"],
    "verilog": ["--pes", "999"],
    "demo": [],
    "boards": [],
}
"""What is right, so that what a test adds is what is wrong; where a right command would work for long, it is wrong, too."""

BEFORE_OUTPUTS = {
    "synth": ["--device", "lfe5u-85f"],
    "verilog": [],
    "build": ["--board", "ulx3s-85f", "--image", "text"],
}
"""What stands before an output that is wrong: only the output may be the reason. Files that are read hold nothing that means
anything, so that a command which looks at them first is found."""

NUMBERS = ["-1", str(-(1 << 70)), str(1 << 70), "inf", "nan", "", "1.5.5", "x"]
NO_OUTPUTS = ["", ".", "folder", "nowhere/out", "text/out", "/dev/full", "pipe", "loop", "n" * 300]
NO_FOLDERS = ["text", "text/out", "/dev/full", "pipe", "loop"]
NO_INPUTS = ["", ".", "folder", "nowhere", "text/in", "/dev/zero", "pipe", "loop"]
WORDS = ["", "nowhere", ",", "x,", "\x1b[31m", "two\nlines"]

OUTPUTS = {"out", "waves", "checkpoint", "record"}
FOLDERS = {(command, "out") for command in ("build", "synth", "verilog", "demo", "sweep")}
FREE = {("verilog", "name"), ("program", "bitstream"), ("run", "port"), ("compare", "port"), ("prune", "layer")}
"""Text that may be anything, or that is looked at when it is needed: other tests have these."""

# Runs many commands in one process in which torch cannot be imported.
LOOP = """
import io, json, sys, contextlib, functools
import typer.main
sys.modules["torch"] = None
from openwork.cli import main
# The parser of all commands takes most of the time, and it is the same for all of them.
typer.main.get_command = functools.cache(typer.main.get_command)
found = []
for arguments in json.loads(sys.stdin.read()):
    said = io.StringIO()
    sys.argv = ["openwork", *arguments]
    status = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as stop:
            status = stop.code
    found.append((arguments, status, said.getvalue()))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("options")
    write_network(path / "a.int8", classifier())
    write_image(path / "a.image", compile_network(classifier(), PRESETS["demo"]))
    np.save(path / "x.npy", np.zeros((2, 3, 13, 11), np.float32))
    np.savez(path / "masks.npz", conv=np.ones((2, 3, 3, 3), bool))
    (path / "m.py").write_text("def small():\n    raise SystemExit('the model was asked for')\n")
    (path / "folder").mkdir()
    (path / "text").write_text("text")
    os.mkfifo(path / "pipe")
    (path / "loop").symlink_to("loop")
    return path


class Option(NamedTuple):
    """A parameter of a command: the name in its function, how it is typed (empty for an argument), what it holds."""

    command: str
    name: str
    typed: str
    kind: set[Any]


def options() -> Iterator[Option]:
    """Every parameter of every command, from the app itself, so that a new one is tried, too."""
    for command in app.registered_commands:
        assert command.callback is not None
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            if name == "return":
                continue
            inner, info = get_args(hint)
            kinds = {part for kind in (inner, *get_args(inner)) for part in (kind, *get_args(kind))}
            # A single name stands where the default of a parameter without an annotation would.
            named = [*(info.param_decls or ()), *([info.default] if isinstance(info.default, str) else [])]
            typed = [one for one in named if one.startswith("-")] or ["--" + name.replace("_", "-")]
            argument = isinstance(info, ArgumentInfo)
            yield Option(command.name or command.callback.__name__, name, "" if argument else typed[0], kinds)


def values(option: Option) -> list[str]:
    """What must be refused."""
    where = (option.command, option.name)
    if bool in option.kind or where in FREE:
        return []
    if where in FOLDERS:
        return NO_FOLDERS
    if option.name in OUTPUTS:
        # Only a record's folder is made.
        return [value for value in NO_OUTPUTS if (option.name, value) != ("record", "nowhere/out")]
    if Path in option.kind:
        return NO_INPUTS
    if option.name == "rate":
        return [value for value in NUMBERS if value != str(1 << 70)]  # the training itself finds what is too much
    return NUMBERS if option.kind & {int, float} else WORDS


def hostile() -> list[tuple[list[str], str]]:
    """Commands that must all be refused, and what the sentence must begin with."""
    found = []
    for option in options():
        output = option.name in OUTPUTS or (option.command, option.name) in FOLDERS
        base = COMMANDS[option.command]
        if output:
            base = BEFORE_OUTPUTS.get(option.command, ["text" if "." in one else one for one in base])
        for value in values(option):
            arguments = [*base, option.typed, value] if option.typed else [value, *base[1:]]
            found.append(
                ([option.command, *arguments], f"openwork: {value.removesuffix('/out') or '.'}" if output else "")
            )
    return found


def test_every_value_that_means_nothing_is_refused_before_torch_is_imported(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"}
    cases = hostile()
    result = subprocess.run(
        [sys.executable, "-c", LOOP], cwd=folder, env=environment, input=json.dumps([one for one, _ in cases]),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout)
    assert len(found) == len(cases) > 500
    wrong = [
        (arguments, status, said[-300:])
        for (arguments, status, said), (_, beginning) in zip(found, cases, strict=True)
        if status != 2
        or not said.startswith(beginning)
        or "Traceback" in said
        or not (said.startswith("Usage: ") or (said.startswith("openwork: ") and said.count("\n") == 1))
        or "\x1b[31m" in said
    ]
    assert not wrong, "\n".join(map(str, wrong))
    assert [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts] == before
    assert (folder / "pipe").is_fifo() and (folder / "loop").is_symlink() and Path("/dev/full").is_char_device()


def test_names_that_come_with_torch_are_known_without_it() -> None:
    assert list(networks.OBSERVERS) == [one.value for one in Observer]
    needs = {name: (method.trains, method.needs_data) for name, method in METHODS.items()}
    assert needs == pruning.METHODS


def test_a_bug_keeps_its_traceback_and_says_how_to_report_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_path: Path) -> None:
        raise ValueError("a bug of ours")

    monkeypatch.chdir(folder)
    monkeypatch.setattr("openwork.files.read_image", broken)
    monkeypatch.setattr(sys, "argv", ["openwork", "report", "a.image", "-o", "out"])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == 1
    assert said.startswith("Traceback (most recent call last):") and "ValueError: a bug of ours\n" in said
    *_, last = said.splitlines()
    assert last.startswith("openwork: this is a bug of Openwork 0.") and "the whole command" in last


@pytest.mark.parametrize("command", [["boards"], ["--help"]])
def test_a_full_disk_behind_what_is_printed_is_a_sentence(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        whole = [sys.executable, "-m", "openwork", *command]
        result = subprocess.run(whole, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (
        2,
        "openwork: what this command prints cannot be written: no space left on device\n",
    )
