"""Files of `openwork verilog` as they are, in Icarus by either standard and in Verilator: from CHECK to the last STORE."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Const
from numpy.typing import NDArray
from tests.openwork.compiler.test_network import layer, network
from tests.slow import slow_but

import openwork_fpga
from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.image import Image
from openwork.network import LayerStep, one_layer_network
from openwork_dv.building import BUILD_FOLDER, built, files_version
from openwork_dv.bus_steps import Ask, BusJob, BusResult, Load, Offer, Step
from openwork_dv.jobs import ImageJob, ImageResult, Job
from openwork_dv.native.build import lint
from openwork_dv.packing import unpack
from openwork_dv.runner import Simulation, Simulator, run_on, written
from openwork_dv.scoreboard import image_complaints
from openwork_dv.transactions import image_steps
from openwork_fpga.verilog import write_bus_shell, write_image_runner, write_verilog
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.encodings import encodings_of
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.run_control import Answer, Request

NETWORK = network(
    (1, 4, 4),
    LayerStep(("input",), "a", layer("a", (1, 4, 4), 2, (3, 3), padding=(1, 1, 1, 1))),
    LayerStep(("a",), "b", layer("b", (2, 4, 4), 2, (1, 1))),
)
"""Small enough for the smallest array."""

ENCODING = Encoding.PACKED
IMAGE_WORDS = 512

TOOLS = {
    "icarus-2005": (Simulator.ICARUS, "2005"),
    "icarus-2012": (Simulator.ICARUS, "2012"),
    "verilator": (Simulator.VERILATOR, ""),
}


def two_inputs(seed: int) -> NDArray[np.int8]:
    shape = (2, *NETWORK.input.shape)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def run_array(simulation: Simulation, config: ArrayConfig, seed: int) -> None:
    """The array alone: the layers one by one, with their cycles."""
    for step in NETWORK.steps:
        assert isinstance(step, LayerStep)
        image = compile_network(one_layer_network(step.layer), config, ENCODING)
        inputs = np.random.default_rng(seed).integers(-128, 128, (2, *step.layer.input_shape)).astype(np.int8)
        jobs = [Job(tuple(image_steps(image, one)), 0.0, seed) for one in inputs]
        for one, result in zip(inputs, run_on(simulation, config, jobs), strict=True):
            assert image_complaints(image, one, result, exact_cycles=True) == []


def run_memory(simulation: Simulation, config: ArrayConfig, seed: int) -> None:
    """The whole-network top beside a memory."""
    image, inputs = compile_network(NETWORK, config, ENCODING), two_inputs(seed)
    requests = [Const.cast(request).value for request in (Request.CHECK, Request.RUN, Request.RUN)]
    features = [byte for one in inputs for byte in image.load_bytes(one).tobytes()]
    job = ImageJob(1 + 2 * len(config.feeders), image.words.tolist(), requests, features, limit_cycles=20_000)
    result: ImageResult = simulation.run("image_runner", job)
    assert result.problems == ()
    statuses = [unpack(Answer, answer)["status"] for answer in result.answers]
    assert statuses == [Const.cast(ImageStatus.GOOD).value] * 3
    is_golden(image, inputs, np.array(result.features, np.uint8).view(np.int8).reshape(2, -1))


def run_block(simulation: Simulation, config: ArrayConfig, seed: int) -> None:
    """The block between a manager, sources and a sink that pause at random."""
    image, inputs = compile_network(NETWORK, config, ENCODING), two_inputs(seed)
    offers = [Offer(image.load_bytes(one).tobytes()) for one in inputs]
    steps: list[Step] = [Load(image.words.tolist()), Ask("check"), *offers, Ask("run"), Ask("run")]
    results: list[BusResult] = simulation.run("bus_shell", [BusJob(steps, 0.2, seed)])
    assert results[0].problems == ()
    _, *runs = results[0].answers
    assert [answer.result.status for answer in results[0].answers] == [ImageStatus.GOOD] * 3
    packets = [np.frombuffer(packet, np.int8) for answer in runs for packet in answer.packets]
    is_golden(image, inputs, np.stack(packets))


def is_golden(image: Image, inputs: NDArray[np.int8], stored: NDArray[np.int8]) -> None:
    found = np.stack([image.outputs(one) for one in stored])
    assert np.array_equal(found, run_network(image.network, inputs))


Run = Callable[[Simulation, ArrayConfig, int], None]

WRITTEN: dict[str, Run] = {"array": run_array, "memory": run_memory, "axi": run_block}


Write = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def write() -> Write:
    """Gives the file of a preset and a kind of top; what writes them and the gateware say whether it is there already."""
    writers = files_version(*sorted(Path(openwork_fpga.__file__).parent.glob("*.py")))

    def write(preset: str, kind: str) -> Path:
        config = PRESETS[preset]
        name = f"written_{kind}.v"
        encodings = (encodings_of(config)[-1],)

        def make(folder: Path) -> None:
            match kind:
                case "array":
                    write_verilog(config, folder / name, encodings)
                case "memory":
                    write_image_runner(config, folder / name, encodings)
                case _:
                    write_bus_shell(config, folder / name, encodings, IMAGE_WORDS)

        return built(BUILD_FOLDER, f"{name} {config!r} {encodings!r} {IMAGE_WORDS} {writers}", make) / name

    return write


def runs(verilog: Path, preset: str, kind: str, tool: str, seed: int) -> None:
    simulator, language = TOOLS[tool]
    WRITTEN[kind](written(verilog, simulator=simulator, language=language), PRESETS[preset], seed)


@pytest.mark.parametrize("tool", slow_but(["icarus-2005", "icarus-2012"], "icarus-2005"))
def test_the_smallest_block_runs_as_written(write: Write, tool: str, seed: int) -> None:
    runs(write("tiny", "axi"), "tiny", "axi", tool, seed)


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["icarus-2005", "icarus-2012"])
@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("preset", ["tiny", "demo", "ecp5-12k"])
def test_it_runs_as_written_in_icarus(write: Write, preset: str, kind: str, tool: str, seed: int) -> None:
    runs(write(preset, kind), preset, kind, tool, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "kind"), [("tiny", "array"), ("tiny", "axi"), ("demo", "axi"), ("ecp5-12k", "axi")])
def test_it_runs_as_written_in_verilator(write: Write, preset: str, kind: str, seed: int) -> None:
    """The block holds what the other two are, and takes as long to build."""
    runs(write(preset, kind), preset, kind, "verilator", seed)


def sources(verilog: Path) -> list[Path]:
    return [verilog, *verilog.parent.glob(f"{verilog.stem}_cells.v")]


def icarus_says(verilog: Path, language: str) -> str:
    command = ["iverilog", "-Wall", language, "-t", "null", *map(str, sources(verilog))]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def verilator_says(verilog: Path, rules: str) -> str:
    names = [rules, *(source.name for source in sources(verilog))]
    return lint(verilog.parent, "--top-module", verilog.stem, *names)


@pytest.mark.parametrize(
    ("preset", "kind"),
    [
        ("tiny", "array"),
        ("tiny", "axi"),
        *(pytest.param("demo", kind, marks=pytest.mark.slow) for kind in WRITTEN),
        *(pytest.param("ecp5-12k", kind, marks=pytest.mark.slow) for kind in WRITTEN),
        pytest.param("gw1nr-9", "memory", marks=pytest.mark.slow),
    ],
)
def test_strict_tools_have_nothing_to_say(write: Write, preset: str, kind: str) -> None:
    verilog = write(preset, kind)
    assert icarus_says(verilog, "-g2005") == icarus_says(verilog, "-g2012") == ""
    assert "%" not in verilator_says(verilog, f"{verilog.stem}.vlt")


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "kind"), [("tiny", "axi"), ("ecp5-12k", "memory")])
def test_every_rule_that_is_left_out_has_its_reason_and_is_needed(
    write: Write, tmp_path: Path, preset: str, kind: str
) -> None:
    verilog = shutil.copytree(write(preset, kind).parent, tmp_path / kind) / f"written_{kind}.v"
    lines = verilog.with_suffix(".vlt").read_text().splitlines()
    rules = [line for line in lines if line.startswith("lint_off")]
    assert len(rules) >= 5
    for rule in rules:
        assert re.fullmatch(r'lint_off -rule [A-Z]+ -file "[^"]+"( -match "[^"]+")?  // [A-Z].{20,}\.', rule), rule
        fewer = verilog.with_name("fewer.vlt")
        fewer.write_text("\n".join(line for line in lines if line != rule) + "\n")
        assert "%Warning" in verilator_says(verilog, fewer.name), rule
