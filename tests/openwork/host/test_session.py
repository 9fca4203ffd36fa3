"""What goes over a line that loses, doubles, changes and holds up bytes arrives whole, and a good line is used to its end."""

from dataclasses import replace
from random import Random

import pytest
from tests.openwork.host.models import IDENTITY

from openwork.host import LineLost, Session
from openwork_dv.link import BoardModel, Faults, ModelLine, image_taking
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.link import ANSWER, Order

LARGE = replace(IDENTITY, memory_words=1 << 18)
MEGABYTE = 1 << 20


def flipped(inputs: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in inputs)


def check(session: Session, board: BoardModel, inputs: int) -> None:
    """From now on a run takes so many bytes."""
    words = image_taking(inputs, board.identity.config)
    board.array.memory[: len(words)] = words
    session.start(Order.CHECK, b"", ANSWER.size)
    assert session.results(ANSWER.size) == ANSWER.pack(ImageStatus.GOOD, 0)


def run(session: Session, board: BoardModel, inputs: bytes) -> bytes:
    """Through an array whose results are `flipped(inputs)`."""
    check(session, board, len(inputs))
    session.start(Order.RUN, inputs, len(inputs) + ANSWER.size)
    return session.results(len(inputs) + ANSWER.size)[: -ANSWER.size]


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "transfers"), [(0.0, 1000), (1e-4, 3000), (1e-3, 4000), (1e-2, 2000)])
def test_ten_thousand_transfers_none_wrong_none_lost_none_hung(rate: float, transfers: int) -> None:
    """The line's rate is of faults a byte, in both directions. A transfer that hangs would be a LineLost."""
    random = Random(transfers)
    board = BoardModel(IDENTITY, flipped)
    line = ModelLine(board, latency_s=0.001, faults=Faults(rate, pause_s=0.005), random=random)
    session = Session(line, patience_s=60, seed=1)
    for _ in range(transfers):
        content = random.randbytes(4 * random.randrange(1, 40))
        match random.randrange(3):
            case 0:
                address = random.randrange(32, 16000)
                session.write(address, content)
                session.settle()
                assert board.array.memory[address : address + len(content) // 4].tobytes() == content
            case 1:
                address = random.randrange(32, 16000)
                count = random.randrange(1, 4)
                assert session.peek(address, count) == board.array.memory[address : address + count].tobytes()
            case 2:
                assert run(session, board, content) == flipped(content)
    assert board.resets < 10, "the session began anew in the middle"


@pytest.mark.parametrize("latency_s", [0.0, 0.001, 0.004, 0.016])
def test_long_transfers_use_nine_tenths_of_the_line(latency_s: float) -> None:
    content = Random(1).randbytes(MEGABYTE)
    board = BoardModel(LARGE, lambda _inputs: content)
    line = ModelLine(board, latency_s=latency_s)
    session = Session(line, seed=1)
    whole_s = MEGABYTE * 10 / line.baud

    start = line.now()
    session.write(0, content)
    session.settle()
    assert board.array.memory.tobytes() == content
    assert whole_s / (line.now() - start) > 0.9

    check(session, board, 4)
    start = line.now()
    session.start(Order.RUN, bytes(4), MEGABYTE + ANSWER.size)
    assert session.results(MEGABYTE + ANSWER.size)[:MEGABYTE] == content
    assert whole_s / (line.now() - start) > 0.9


@pytest.mark.parametrize("latency_s", [0.0, 0.001, 0.004])
def test_inferences_follow_each_other_as_fast_as_the_line_carries_them(latency_s: float) -> None:
    """Keyword spotting: 490 inputs, which are 560 bytes of feature words, 12 outputs and the reports of 30 commands."""
    board = BoardModel(IDENTITY, lambda _inputs: bytes(500), run_s=80e-6)
    line = ModelLine(board, latency_s=latency_s)
    session = Session(line, seed=1)
    check(session, board, 560)
    start, before = line.now(), line.bytes_up
    for _ in range(100):
        session.start(Order.RUN, bytes(560), 500 + ANSWER.size)
    for _ in range(100):
        session.results(500 + ANSWER.size)
    carried_s = (line.bytes_up - before) * 10 / line.baud
    assert carried_s / (line.now() - start) > 0.9
    assert (line.bytes_up - before) / 100 < 560 * 1.15


def test_a_run_that_takes_long_is_waited_for() -> None:
    """Longer than the patience with a board that says nothing: it is asked, and says that it is busy."""
    board = BoardModel(IDENTITY, flipped, run_s=60)
    session = Session(ModelLine(board), patience_s=1, seed=1)
    assert run(session, board, b"1234") == flipped(b"1234")


def test_a_board_that_falls_silent_is_given_up() -> None:
    board = BoardModel(IDENTITY, flipped)
    line = ModelLine(board)
    session = Session(line, patience_s=1, seed=1)
    board.take = lambda content: None  # type: ignore[method-assign]
    session.write(0, bytes(64))
    start = line.now()
    with pytest.raises(LineLost, match="has stopped answering"):
        session.settle()
    assert line.now() - start < 3


def test_a_board_that_was_reset_is_noticed() -> None:
    board = BoardModel(IDENTITY, flipped)
    session = Session(ModelLine(board), patience_s=1, seed=1)
    board.power_up()
    session.write(0, bytes(64))
    with pytest.raises(LineLost, match="has been reset"):
        session.settle()


def test_a_session_begins_behind_whatever_the_line_holds() -> None:
    """Half a request to the board, half a response and an old answer to the host."""
    board = BoardModel(IDENTITY, flipped)
    line = ModelLine(board)
    old = Session(line, seed=1)
    old.write(0, bytes(600))
    old._talk()
    line.write(b"\xff" + bytes(range(1, 90)))
    session = Session(line, seed=2)
    session.write(5, b"abcd")
    session.settle()
    assert board.array.memory[5:6].tobytes() == b"abcd"
