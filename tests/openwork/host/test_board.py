"""A board is loaded and run through a library whose user sees neither faults nor cables pulled out."""

from dataclasses import replace
from pathlib import Path
from random import Random
from zlib import crc32

import numpy as np
import pytest
from tests.openwork.host.models import IDENTITY, Desk, inputs_of, small_image, smaller

from openwork.golden import run_network
from openwork.host import Board, HostError, LineLost
from openwork_dv.link import Faults, ModelLine
from openwork_hw.arch.config import PRESETS, ConfigError
from openwork_hw.arch.image import ImageError, ImageStatus
from openwork_hw.arch.link import Response, encode_identity, encode_response
from openwork_hw.arch.nonzeros import Encoding

IMAGE = small_image()
INPUTS = inputs_of(IMAGE, 6)
EXPECTED = run_network(IMAGE.network, INPUTS)


@pytest.mark.parametrize("rate", [0.0, 1e-3])
def test_load_and_run(rate: float) -> None:
    desk = Desk(IMAGE, INPUTS)
    desk.faults = Faults(rate)
    with desk.open() as board:
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()
        reports = [result.reports for result in board.results(INPUTS)]
        assert [one.cycles for one in reports[-1]] == [one.predicted_cycles for one in IMAGE.commands]


def test_an_image_that_is_there_is_not_sent_again() -> None:
    desk = Desk(IMAGE, INPUTS)
    sent = []
    for _ in range(2):
        with desk.open() as board:
            before = desk.lines[-1].bytes_up
            board.load(IMAGE)
            sent.append(desk.lines[-1].bytes_up - before)
            assert (board.run(INPUTS[:1]) == EXPECTED[:1]).all()
    assert sent[0] > 4 * len(IMAGE.words) > 4 * sent[1]


def test_another_image_takes_its_place() -> None:
    other = small_image(2)
    desk = Desk(IMAGE, INPUTS)
    with desk.open() as board:
        board.load(other)
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_a_board_with_less_runs_as_well() -> None:
    """A small receive buffer, results that fill their buffer several times, no reports, no PEEK."""
    identity = smaller(receive_bytes=256, result_bytes=64, reports=False, peek=False)
    desk = Desk(IMAGE, INPUTS, identity)
    with desk.open() as board:
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()
        assert next(iter(board.results(INPUTS))).reports == ()


def test_a_memory_that_the_link_cannot_write_must_hold_the_image() -> None:
    desk = Desk(IMAGE, INPUTS, smaller(writable=False))
    other = small_image(2)
    desk.board.array.memory[: len(other.words)] = other.words
    with desk.open() as board, pytest.raises(HostError, match=r"does not hold this image, .*: build its bitstream"):
        board.load(IMAGE)
    desk.board.array.memory[: len(IMAGE.words)] = IMAGE.words
    with desk.open() as board:
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()
    with pytest.raises(ConfigError, match="must answer PEEK: else no host knows what image it runs"):
        smaller(writable=False, peek=False)


@pytest.mark.parametrize("seed", range(20))
def test_power_that_fails_at_any_moment_is_survived(seed: int) -> None:
    """Three times, at random: a reset that leaves the memory alone, or power that takes it along."""
    random = Random(seed)
    desk = Desk(IMAGE, INPUTS, seed=seed)

    class FailingLine(ModelLine):
        def read(self, limit_s: float) -> bytes:
            if failures and self.now() > failures[0]:
                failures.pop(0)
                desk.board.power_up()
                if random.random() < 0.5:
                    desk.board.array.memory[:] = np.random.default_rng(seed).integers(0, 1 << 32, 16384)
            return super().read(limit_s)

    failures = sorted(random.uniform(0.001, 0.1) for _ in range(3))
    with Board(lambda: FailingLine(desk.board, latency_s=0.001), patience_s=3.0, attempts=5) as board:
        board.load(IMAGE)
        while failures:
            assert (board.run(INPUTS) == EXPECTED).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_cable_that_is_pulled_out_and_plugged_in_again(seed: int) -> None:
    random = Random(seed)
    desk = Desk(IMAGE, INPUTS, seed=seed)
    pulls = [random.randrange(100, 3000) for _ in range(2)]
    away = 0

    class PulledLine(ModelLine):
        def write(self, content: bytes) -> None:
            nonlocal away
            if pulls and self.bytes_up > pulls[0]:
                pulls.pop(0)
                away = 3
            if away:
                raise LineLost("the port model is gone: no such device")
            super().write(content)

    def connect() -> ModelLine:
        nonlocal away
        if away:
            away -= 1
            raise HostError("there is no port model: is the board plugged in?")
        return PulledLine(desk.board)

    with Board(connect, patience_s=3.0) as board:
        board.load(IMAGE)
        while pulls:
            assert (board.run(INPUTS) == EXPECTED).all()


def test_a_board_that_never_comes_back_is_a_sentence() -> None:
    desk = Desk(IMAGE, INPUTS)
    with desk.open() as board:
        board.load(IMAGE)
        desk.plugged = False
        desk.board.power_up()
        with pytest.raises(HostError, match="there is no port model: is the board plugged in"):
            board.run(INPUTS)


def test_results_that_nobody_takes_do_not_become_the_next_runs() -> None:
    with Desk(IMAGE, INPUTS).open() as board:
        board.load(IMAGE)
        for result in board.results(INPUTS):
            assert (IMAGE.outputs(result.outputs) == EXPECTED[0]).all()
            break
        assert (board.run(INPUTS[3:]) == EXPECTED[3:]).all()
        half = board.results(INPUTS)
        next(half)
        with pytest.raises(HostError, match="the results of another run have not been taken yet"):
            board.run(INPUTS)


def test_images_for_other_boards_are_refused() -> None:
    for identity, sentence in (
        (
            smaller(config=PRESETS["tiny"]),
            "compiled for an array of 4 x 4 = 16 MACs, and the board's is another one of 1 x 1",
        ),
        (
            smaller(encodings=(Encoding.CSR,)),
            "weights are packed, and the board decodes csr: compile with --encoding csr",
        ),
        (smaller(memory_words=64), r"the image has .* words, and the board's memory 64"),
    ):
        with Desk(IMAGE, INPUTS, identity).open() as board, pytest.raises(HostError, match=sentence):
            board.load(IMAGE)


def test_nothing_loaded_is_refused() -> None:
    with Desk(IMAGE, INPUTS).open() as board, pytest.raises(HostError, match="no image is loaded"):
        board.run(INPUTS)


def test_a_board_of_another_version_is_refused() -> None:
    desk = Desk(IMAGE, INPUTS)
    respond = desk.board._respond

    def of_version_2(request: object, payload: bytes) -> None:
        respond(request, b"\x02" + payload[1:])  # type: ignore[arg-type]

    desk.board._respond = of_version_2  # type: ignore[method-assign]
    with pytest.raises(HostError, match="speaks version 2 of the link, and this program version 1"):
        desk.open()


def test_silence_is_a_sentence() -> None:
    desk = Desk(IMAGE, INPUTS)
    desk.board.take = lambda content: None  # type: ignore[method-assign]
    with pytest.raises(HostError, match="nothing that speaks Openwork's link answers on model at 3,000,000 baud"):
        desk.open()


def test_ports_that_cannot_be_opened_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"there is no port .*nowhere: is the board plugged in"):
        Board.open(str(tmp_path / "nowhere"))
    with pytest.raises(HostError, match="cannot be opened at"):
        Board.open("strange://address")
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot be opened"):
        Board.open(str(tmp_path / "file"))


def test_store_says_what_the_array_says() -> None:
    with Desk(IMAGE, INPUTS).open() as board:
        damaged = IMAGE.words.copy()
        damaged[20] ^= 1
        assert board.store(damaged) is ImageStatus.DAMAGED
        assert board.store(IMAGE.words) is ImageStatus.GOOD
        assert (board.peek(0, 5) == IMAGE.words[:5]).all()


def test_an_answer_to_nothing_is_ignored() -> None:
    """Responses that nobody asked for, on the line before each one that somebody did."""
    desk = Desk(IMAGE, INPUTS)
    give = desk.board.give
    stray = encode_response(Response(1, 5, 0, False, 77, encode_identity(IDENTITY)))  # type: ignore[arg-type]
    desk.board.give = lambda: stray * bool(given := give()) + given  # type: ignore[method-assign]
    with desk.open() as board:
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_a_run_that_never_ends_is_given_up_and_the_next_one_is_right() -> None:
    """The board answers everything, and says that its array is busy."""
    desk = Desk(IMAGE, INPUTS)
    with desk.open() as board:
        board.load(IMAGE)
        desk.board.array.run_s = 1e9
        with pytest.raises(
            HostError, match=r"is still busy after \d\.\d s, and a run takes .* s: load the image again"
        ):
            board.run(INPUTS[:2])
        desk.board.array.run_s = 1e-4
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_a_run_that_the_array_gives_up_is_a_sentence_and_the_next_one_is_right() -> None:
    desk = Desk(IMAGE, INPUTS)
    with desk.open() as board:
        board.load(IMAGE)
        desk.board.array.gives_up = True
        with pytest.raises(HostError, match="the array gave the run up, because nothing moved in it any more"):
            board.run(INPUTS[:2])
        desk.board.array.gives_up = False
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_a_program_that_means_nothing_is_not_sent() -> None:
    words = IMAGE.words.copy()
    words[5] += 1  # one command more than there is
    words[-1] = crc32(words[:-1].astype("<u4").tobytes())
    desk = Desk(IMAGE, INPUTS)
    with desk.open() as board:
        with pytest.raises(ImageError, match=r"command \d+ of the image means nothing"):
            board.load(replace(IMAGE, words=words))
        assert not desk.board.array.memory.any()
