"""The host library on the gateware, over a UART: a board that is simulated behind a terminal, run as a user runs one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tests.openwork.host.models import inputs_of, small_image

from openwork.compiler.network import compile_network
from openwork.faults import RunError
from openwork.files import write_image
from openwork.golden import run_network
from openwork.host import Board, HostError, SerialLine, Session
from openwork.models import digits
from openwork.simulator.image import run_image
from openwork_dv.link import Faults, Noise
from openwork_dv.native.serial_line import SIMULATED_BAUD, SimulatedBoard
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.image import assemble
from openwork_hw.shells.uart import clocks_per_bit

pytestmark = pytest.mark.slow

CLOCK_HZ = 12_000_000
BAUD = 3_000_000
MEMORY_WORDS = 8192
CYCLES_PER_BYTE = 10 * clocks_per_bit(CLOCK_HZ, BAUD)

IMAGE = small_image()
INPUTS = inputs_of(IMAGE, 3)
EXPECTED = run_network(IMAGE.network, INPUTS)


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedBoard]:
    with SimulatedBoard(PRESETS["demo"], clock_hz=CLOCK_HZ, baud=BAUD, memory_words=MEMORY_WORDS) as board:
        yield board


def opened(simulated: SimulatedBoard) -> Board:
    return Board.open(simulated.port, SIMULATED_BAUD, patience_s=20)


def test_digits_bit_for_bit(simulated: SimulatedBoard) -> None:
    """A trained and pruned network, every output; then again, from an image that is there already."""
    prepared = digits.prepare(epochs=2)
    image = compile_network(prepared.model, PRESETS["demo"])
    inputs = prepared.test_inputs[:5]
    expected = run_network(prepared.model, inputs)
    for _ in range(2):
        with opened(simulated) as board:
            board.load(image)
            assert (board.run(inputs) == expected).all()


def test_long_transfers_use_nine_tenths_of_the_line(simulated: SimulatedBoard) -> None:
    """In clock cycles, both ways; those in which the simulation waits for the host are left out."""
    content = np.random.default_rng(1).integers(0, 1 << 32, MEMORY_WORDS, np.uint32)
    with closing(SerialLine(simulated.port, SIMULATED_BAUD)) as line:
        session = Session(line, patience_s=20)
        start = simulated.count()
        session.write(0, content.tobytes())
        session.settle()
        middle = simulated.count()
        assert session.peek(0, MEMORY_WORDS) == content.tobytes()
        end = simulated.count()
    assert content.nbytes * CYCLES_PER_BYTE / (middle.busy - start.busy) > 0.9
    assert content.nbytes * CYCLES_PER_BYTE / (end.busy - middle.busy) > 0.9


class NoisyLine(SerialLine):
    """A serial port some of whose bytes are lost, doubled or changed, both ways."""

    def __init__(self, name: str, rate: float, seed: int) -> None:
        super().__init__(name, SIMULATED_BAUD)
        self._noise = Noise(Faults(rate, pause_s=0.0), Random(seed))

    def read(self, limit_s: float) -> bytes:
        return self._noise.spoil(super().read(limit_s))[0]

    def write(self, content: bytes) -> None:
        super().write(self._noise.spoil(content)[0])


def test_a_bad_line_changes_nothing(simulated: SimulatedBoard) -> None:
    with Board(lambda: NoisyLine(simulated.port, 2e-3, 1), patience_s=20) as board:
        for seed in (1, 2):
            image = small_image(seed)
            board.load(image)
            assert (board.run(INPUTS) == run_network(image.network, INPUTS)).all()


def test_a_reset_in_the_middle_of_anything_is_survived(simulated: SimulatedBoard) -> None:
    """The board's own reset, after any number of bytes: the next run works, from the same host and from another one."""
    random = Random(1)

    class ResettingLine(SerialLine):
        left = 0

        def write(self, content: bytes) -> None:
            if 0 < self.left <= len(content):
                super().write(content[: self.left])
                simulated.reset()
                content = content[self.left :]
            ResettingLine.left = self.left - len(content)
            super().write(content)

    with Board(lambda: ResettingLine(simulated.port, SIMULATED_BAUD), patience_s=20) as board:
        for _ in range(4):
            ResettingLine.left = random.randrange(1, 1500)
            board.load(IMAGE)
            assert (board.run(INPUTS) == EXPECTED).all()
        ResettingLine.left = 0
        board.load(IMAGE)
        board._session.start(1, IMAGE.load_bytes(INPUTS[0]).tobytes()[:100], 1000)  # half a run, and the host is gone
        board._session.settle()
    with opened(simulated) as board:
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_a_malformed_stream_is_a_sentence_about_the_step(simulated: SimulatedBoard) -> None:
    """The one that the simulator without a clock gives; and the next image runs."""
    number = max(index for index, command in enumerate(IMAGE.commands) if command.kind == "RUN")
    instructions = list(IMAGE.instructions)
    first, *others = instructions[number].feeders
    feeders = (replace(first, words=first.words[:-1]), *others)
    instructions[number] = replace(instructions[number], feeders=feeders)
    broken = replace(IMAGE, words=assemble(instructions, IMAGE.config))
    with pytest.raises(RunError) as said:
        run_image(broken, INPUTS[0])
    with opened(simulated) as board:
        board.load(broken)
        with pytest.raises(HostError) as told:
            board.run(INPUTS)
        assert str(told.value) == str(said.value)
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_the_commands(simulated: SimulatedBoard, tmp_path: Path) -> None:
    write_image(tmp_path / "small.image", IMAGE)
    np.save(tmp_path / "inputs.npy", INPUTS)
    place = ("--port", simulated.port, "--baud", str(SIMULATED_BAUD))

    def openwork(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "openwork", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    run = openwork(*("run", "small.image", "--inputs", "inputs.npy", "--backend", "board", *place, "-o", "outputs.npy"))
    assert run.returncode == 0, run.stderr
    assert (np.load(tmp_path / "outputs.npy") == EXPECTED).all()
    compared = openwork("compare", "small.image", "--inputs", "inputs.npy", "--backends", "golden,board", *place)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    tested = openwork("selftest", *place, "--seed", "1")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stdout.count("pass") == 5, tested.stdout
