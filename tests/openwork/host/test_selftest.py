"""The self test passes a board that is right, and fails one with a single wrong bit."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.openwork.host.models import IDENTITY, results_of, smaller

from openwork.compiler.network import compile_network
from openwork.host import Board
from openwork.host.board import memory_words
from openwork.host.checks import Check
from openwork.host.selftest import LAYERS, memory_image, random_network, selftest
from openwork.image import Image
from openwork_dv.link import BoardModel, ModelLine
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.encodings import encodings_of
from openwork_hw.arch.image import check_image
from openwork_hw.arch.link import Identity


class Worker:
    """What a board computes: the image that its memory holds, which the test must know."""

    def __init__(self, identity: Identity) -> None:
        self.board = BoardModel(identity, self.compute)
        self.images: list[Image] = []
        self.spoil: Callable[[bytes], bytes] = lambda results: results

    def compute(self, inputs: bytes) -> bytes:
        image = next(one for one in self.images if self.holds(memory_words(one, self.board.identity)))
        place = image.place(image.network.input.name)
        groups = sum(command.kind == "LOAD" for command in image.commands)
        packed = np.frombuffer(inputs, np.int8).reshape(groups, place.words, image.config.lanes)
        return self.spoil(results_of(image, place.unpack(packed)))

    def holds(self, words: NDArray[np.uint32]) -> bool:
        return bool((self.board.array.memory[: len(words)] == words).all())


def checks_of(identity: Identity, monkeypatch: pytest.MonkeyPatch, worker: Worker | None = None) -> list[Check]:
    worker = worker or Worker(identity)
    load = Board.load

    def known(board: Board, image: Image, progress: object = None) -> None:
        worker.images.insert(0, image)
        load(board, image)

    monkeypatch.setattr(Board, "load", known)
    with Board(lambda: ModelLine(worker.board)) as board:
        return list(selftest(board, seed=1))


def test_a_good_board_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = checks_of(IDENTITY, monkeypatch)
    assert [check.name for check in checks] == ["link", "memory", "decoder csr", "decoder triplet", "decoder packed"]
    assert all(check.passed for check in checks)


def test_a_wrong_output_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(IDENTITY)
    worker.spoil = lambda results: results[:-13] + bytes([results[-13] ^ 1]) + results[-12:]
    checks = checks_of(IDENTITY, monkeypatch, worker)
    assert [check.passed for check in checks] == [True, True, False, False, False]
    assert checks[2].found.endswith(": 4 of 9,216 outputs differ")


@pytest.mark.parametrize("peek", [True, False])
def test_a_bit_that_is_stuck_fails(peek: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(smaller(peek=peek))
    monkeypatch.setattr(worker.board, "_serve", stuck_after(worker))
    checks = checks_of(worker.board.identity, monkeypatch, worker)
    assert not checks[1].passed
    assert checks[1].found == "16,384 words: damaged" + ", 1 words are wrong, the first at 1234" * peek


def stuck_after(worker: Worker) -> Callable[[object], bool]:
    serve = worker.board._serve

    def stuck(request: object) -> bool:
        done = serve(request)  # type: ignore[arg-type]
        worker.board.array.memory[1234] &= np.uint32(0xFFFFFEFF)
        return done

    return stuck


@pytest.mark.parametrize("config", [*PRESETS.values(), ArrayConfig(3, 5, feature_words=256)])
def test_every_array_has_a_layer_to_run(config: ArrayConfig) -> None:
    rng = np.random.default_rng(1)
    assert any(compiles(config, channels, side, rng) for channels, side in LAYERS)


def compiles(config: ArrayConfig, channels: int, side: int, rng: np.random.Generator) -> bool:
    try:
        compile_network(random_network(channels, side, rng), config, encodings_of(config)[0])
    except ValueError:
        return False
    return True


def test_a_memory_image_is_one() -> None:
    pattern = np.random.default_rng(1).integers(0, 1 << 32, 100, np.uint32)
    content = memory_image(pattern, PRESETS["demo"])
    check_image(content, PRESETS["demo"])
    assert (content[5:-1] == pattern[5:-1]).all()
