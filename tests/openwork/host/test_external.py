"""Boards that fetch their image from an external memory: what is uploaded, what is refused, and which transfer is damaged."""

from dataclasses import replace

import numpy as np
import pytest
from tests.openwork.host.models import EXTERNAL, SCRATCHPAD_WORDS, Desk, inputs_of, small_image
from tests.slow import slow_but

from openwork.golden import run_network
from openwork.host import Board, HostError
from openwork.host.board import memory_words
from openwork_dv.link import Faults
from openwork_hw.arch.external_image import HEADER_WORDS, check_external_words, external_words
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.transfers import TRANSFER_WORDS

IMAGE = small_image(channels=24, scratchpad_words=SCRATCHPAD_WORDS)
INPUTS = inputs_of(IMAGE, 4)
EXPECTED = run_network(IMAGE.network, INPUTS)
WORDS = external_words(IMAGE.words, IMAGE.config, SCRATCHPAD_WORDS)
TRANSFERS = check_external_words(WORDS, IMAGE.config, SCRATCHPAD_WORDS)


def starts() -> list[int]:
    """The first word of each transfer."""
    sizes = [TRANSFER_WORDS + len(one.words) + 1 for one in TRANSFERS]
    return (HEADER_WORDS + np.cumsum([0, *sizes[:-1]])).tolist()


def sent_by_load(desk: Desk, board: Board) -> int:
    """Bytes that go to the board to load the image."""
    before = desk.lines[-1].bytes_up
    board.load(IMAGE)
    return desk.lines[-1].bytes_up - before


@pytest.mark.parametrize("rate", [0.0, 1e-3])
def test_the_external_image_is_uploaded_and_run(rate: float) -> None:
    assert IMAGE.scratchpad_words and len(TRANSFERS) > 8
    desk = Desk(IMAGE, INPUTS, EXTERNAL)
    desk.faults = Faults(rate)
    with desk.open() as board:
        board.load(IMAGE)
        assert (desk.board.array.memory[: len(WORDS)] == WORDS).all()
        assert (board.run(INPUTS) == EXPECTED).all()


def test_an_external_image_that_is_there_is_not_sent_again() -> None:
    desk = Desk(IMAGE, INPUTS, EXTERNAL)
    with desk.open() as board:
        assert sent_by_load(desk, board) > 4 * len(WORDS)
    with desk.open() as board:
        assert sent_by_load(desk, board) < len(WORDS)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_every_word_of_the_header_decides_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header is read back, however lenient the check is."""
    desk = Desk(IMAGE, INPUTS, EXTERNAL)
    monkeypatch.setattr(desk.board.array, "_check", lambda: ImageStatus.GOOD)
    with desk.open() as board:
        board.load(IMAGE)
    for word in range(HEADER_WORDS):
        desk.board.array.memory[word] ^= np.uint32(1)
        with desk.open() as board:
            assert sent_by_load(desk, board) > 4 * len(WORDS)


@pytest.mark.parametrize("number", slow_but(range(len(TRANSFERS)), 0, 5))
def test_a_damaged_transfer_is_named_and_the_next_run_is_right(number: int) -> None:
    rng = np.random.default_rng([1, number])
    desk = Desk(IMAGE, INPUTS, EXTERNAL)
    with desk.open() as board:
        board.load(IMAGE)
        place = starts()[number] + TRANSFER_WORDS + int(rng.integers(len(TRANSFERS[number].words)))
        desk.board.array.memory[place] ^= np.uint32(1 << int(rng.integers(32)))
        part = f"transfer {number}" if number else "the header or transfer 0"
        with pytest.raises(HostError, match=f"{part} of the image is damaged in the board's external memory"):
            board.run(INPUTS)
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (ImageStatus.LENGTH | 5 << 8, "transfer 5 of the image is damaged"),
        (ImageStatus.DAMAGED, "the header or transfer 0 of the image is damaged"),
        (ImageStatus.MAGIC, "the array's memory holds no image"),
        (ImageStatus.TIMED_OUT | 7 << 8, "nothing moved in it any more"),
    ],
)
def test_a_run_that_ends_early_says_why(status: int, sentence: str) -> None:
    desk = Desk(IMAGE, INPUTS, EXTERNAL)
    with desk.open() as board:
        board.load(IMAGE)
        desk.board.array.gives_up, desk.board.array.gives_up_with = True, status
        with pytest.raises(HostError, match=sentence):
            board.run(INPUTS)
        desk.board.array.gives_up = False
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()


def test_an_upload_that_the_memory_does_not_keep_names_the_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(IMAGE, INPUTS, EXTERNAL)
    serve = desk.board._serve
    broken = starts()[3] + TRANSFER_WORDS

    def spoilt(request: object) -> bool:
        done = serve(request)  # type: ignore[arg-type]
        desk.board.array.memory[broken] = 0
        return done

    monkeypatch.setattr(desk.board, "_serve", spoilt)
    assert WORDS[broken] != 0
    with desk.open() as board, pytest.raises(HostError, match=r"^transfer 3 of the image is damaged"):
        board.load(IMAGE)


def test_a_board_without_an_external_memory_names_no_transfer() -> None:
    plain = small_image()
    desk = Desk(plain, inputs_of(plain, 1))
    desk.board.array.ends_with = ImageStatus.DAMAGED
    with desk.open() as board, pytest.raises(HostError, match=r"^the image is damaged: load the image again$"):
        board.load(plain)
        board.run(inputs_of(plain, 1))


def test_what_the_board_cannot_hold_is_refused() -> None:
    for identity, sentence in (
        (
            replace(EXTERNAL, memory_words=len(WORDS) - 1),
            f"the image has {len(WORDS):,} words, and the board's external memory {len(WORDS) - 1:,}",
        ),
        (
            replace(EXTERNAL, scratchpad_words=SCRATCHPAD_WORDS // 4),
            r"the board cannot run the image: command \d+ of the image uses more than the 150 words of the scratchpad at once",
        ),
    ):
        desk = Desk(IMAGE, INPUTS, identity)
        with desk.open() as board, pytest.raises(HostError, match=sentence):
            board.load(IMAGE)
        assert not desk.board.array.memory.any()


def test_a_run_may_take_as_long_as_its_words_take() -> None:
    """A run that is predicted to compute for a moment and that fetches for long is waited for."""
    desk = Desk(IMAGE, INPUTS, replace(EXTERNAL, clock_hz=100_000))
    fetched_s = 4 * len(WORDS) / 100_000
    desk.board.array.run_s = 10 * (2 * IMAGE.predicted_cycles / 100_000) + fetched_s
    with desk.open() as board:
        board.load(IMAGE)
        assert (board.run(INPUTS[:1]) == EXPECTED[:1]).all()


def test_memory_words_are_those_of_the_board() -> None:
    assert (memory_words(IMAGE, EXTERNAL) == WORDS).all()
    assert (memory_words(IMAGE, replace(EXTERNAL, scratchpad_words=0)) == IMAGE.words).all()
