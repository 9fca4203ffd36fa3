"""Waves of what is right: of one step of a network, and of every cocotb bench; and the saved view beside them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cosim.test_bus_shell import ODD, ODD_ENCODING
from tests.cosim.test_element import CONFIG
from tests.openwork.command_line import openwork
from tests.openwork.compiler.test_network import flat

from openwork.backends import BackendError, Waves, run
from openwork.compiler.network import compile_network
from openwork.files import write_image
from openwork.golden import run_network
from openwork_dv.jobs import ElementJob, Job
from openwork_dv.runner import Simulator, build, run_jobs
from openwork_dv.stimulus import random_case
from openwork_dv.transactions import image_steps
from openwork_dv.waves import FOLDER, VIEW, signals
from openwork_hw.arch.config import PRESETS
from openwork_hw.array.element import Element

IMAGE = compile_network(flat(), ODD, ODD_ENCODING)
INPUTS: NDArray[np.int8] = np.random.default_rng(1).integers(-128, 128, (2, *IMAGE.network.input.shape)).astype(np.int8)


def view_of(waves: Path) -> dict[str, list[str]]:
    """The signals of the saved view by their groups; each is in the waves."""
    groups: dict[str, list[str]] = {}
    names = {name for name, _ in signals(waves)}
    for line in waves.with_suffix(".gtkw").read_text().splitlines():
        if line.startswith("-"):
            groups[line[1:]] = []
        elif not line.startswith(("[", "@")):
            assert line in names
            list(groups.values())[-1].append(line)
    return groups


@pytest.mark.slow
def test_waves_of_a_step_are_those_of_its_commands(tmp_path: Path) -> None:
    """Typed as a person types it: each cycle of the step's commands for the first input, and no other cycle."""
    write_image(tmp_path / "a.image", IMAGE)
    np.save(tmp_path / "x.npy", INPUTS)
    place = {name: tmp_path / name for name in ("a.image", "x.npy", "y.npy", "b.vcd")}
    status, said = openwork(
        *("run", place["a.image"], "--inputs", place["x.npy"], "--backend", "rtl", "-o", place["y.npy"]),
        *("--waves", place["b.vcd"], "--step", "b"),
    )
    assert status == 0, said
    assert "b.gtkw" in said
    assert (np.load(place["y.npy"]) == run_network(IMAGE.network, INPUTS)).all()
    text = place["b.vcd"].read_text()
    times = [int(time) for time in re.findall(r"^#(\d+)$", text, re.MULTILINE)]
    assert times == list(range(times[0], times[-1] + 1, 10))
    commands = [one for one in IMAGE.commands if one.tensor == "b" and one.kind != "STORE"]
    assert len(commands) > 1
    cycles = sum(command.predicted_cycles for command in commands)
    assert 0 <= len(times) - cycles <= 10 * len(commands)
    # How often the array reports a command, and so how many commands there are.
    (identifier,) = {code for name, code in signals(place["b.vcd"]) if name.endswith("top.o_reports__valid")}
    rises = re.findall(rf"^1{re.escape(identifier)}$", text, re.MULTILINE)
    assert len(rises) == len(commands)
    view = view_of(place["b.vcd"])
    assert any(name.endswith("accelerator.sequencer.cycles[31:0]") for name in view["command"])
    assert list(view) == [title for title, _ in VIEW]
    assert all(view.values())


def test_waves_of_what_cannot_be_recorded_are_refused(tmp_path: Path) -> None:
    waves = Waves("b", tmp_path / "b.vcd")
    for backend, workers in (("golden", 1), ("model", 1), ("rtl", 2)):
        with pytest.raises(BackendError, match="waves are recorded by one process of the backend rtl"):
            list(run(IMAGE, INPUTS, backend, workers=workers, waves=waves))
    with pytest.raises(BackendError, match="the image has no step 'c' that runs: its steps are a, b"):
        list(run(IMAGE, INPUTS, "rtl", waves=Waves("c", tmp_path / "b.vcd")))


def test_every_cocotb_bench_writes_waves_into_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run each; the files are called after the test. Without the switch there are none."""
    simulation = build(f"element {CONFIG!r}", lambda: Element(CONFIG))
    jobs = [ElementJob([{"beat": 0}] * 5)]
    folder = tmp_path / "waves"
    monkeypatch.delenv(FOLDER, raising=False)
    simulation.run("element", jobs)
    assert not folder.exists()
    monkeypatch.setenv(FOLDER, str(folder))
    for _ in range(2):
        simulation.run("element", jobs)
    name = "test_every_cocotb_bench_writes_waves_into_the_folder"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{name}-{number}.{end}" for number in (1, 2) for end in ("gtkw", "vcd")]
    view = view_of(folder / f"{name}-1.vcd")
    assert view["command"] == ["top.clk"]
    assert {"sums", "writes"} <= set(view)
    assert re.search(r"^#\d+$", (folder / f"{name}-1.vcd").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_benches_in_verilator_do_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    config = PRESETS["tiny"]
    case = random_case(np.random.default_rng(seed), config, 300)
    run_jobs(config, [Job(tuple(image_steps(case.image, case.inputs)))], simulator=Simulator.VERILATOR)
    (waves,) = tmp_path.glob("*.vcd")
    assert all(view_of(waves).values())
    assert len(re.findall(r"^#\d+$", waves.read_text(), re.MULTILINE)) > case.cycles


def test_every_unit_test_of_a_component_writes_its_waves_when_asked(tmp_path: Path) -> None:
    test = Path(__file__).parents[1] / "openwork_hw" / "stream" / "test_skid_buffer.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", str(test), "--waves", str(tmp_path)]
    done = subprocess.run(command, cwd=test.parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    waves = sorted(tmp_path.glob("test_order_and_rate-*.vcd"))
    assert len(waves) == 4
    assert all("$enddefinitions" in one.read_text() and one.with_suffix(".gtkw").exists() for one in waves)
