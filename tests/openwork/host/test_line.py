"""Boards behind what pyserial opens: a terminal and a socket, in real time, and pulled out in the middle."""

import os
import pty
import select
import socket
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.openwork.host.models import Desk, inputs_of, small_image

from openwork.golden import run_network
from openwork.host import Board, HostError, LineLost, SerialLine
from openwork_dv.link import BoardModel

IMAGE = small_image()
INPUTS = inputs_of(IMAGE, 4)
EXPECTED = run_network(IMAGE.network, INPUTS)


@contextmanager
def served(board: BoardModel, file: int) -> Iterator[None]:
    """The board at the other end of an open file, in a thread, until the block ends."""
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            readable, _, _ = select.select([file], [], [], 0.001)
            if readable:
                content = os.read(file, 4096)
                if not content:
                    return
                board.take(content)
            board.array.time_s = time.monotonic()
            given = board.give()
            while given:
                given = given[os.write(file, given) :]

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_board_on_a_terminal() -> None:
    desk = Desk(IMAGE, INPUTS)
    master, slave = pty.openpty()
    tty.setraw(slave)
    with served(desk.board, master), Board.open(os.ttyname(slave)) as board:
        with pytest.raises(HostError, match="is in use by another program"):
            SerialLine(os.ttyname(slave), 115200)
        board.load(IMAGE)
        assert (board.run(INPUTS) == EXPECTED).all()
    os.close(master)
    os.close(slave)


def test_a_board_behind_a_socket_that_is_cut_and_comes_back() -> None:
    desk = Desk(IMAGE, INPUTS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"socket://127.0.0.1:{server.getsockname()[1]}"
        cut = threading.Event()
        connections = 0

        def accept() -> None:
            nonlocal connections
            for _ in range(2):
                connection, _ = server.accept()
                connections += 1
                with connection, served(desk.board, connection.fileno()):
                    cut.wait()
                cut.clear()

        thread = threading.Thread(target=accept)
        thread.start()
        with Board.open(address) as board:
            board.load(IMAGE)
            assert (board.run(INPUTS) == EXPECTED).all()
            cut.set()
            time.sleep(0.05)
            assert (board.run(INPUTS) == EXPECTED).all()
        cut.set()
        thread.join()
        assert connections == 2


def test_a_terminal_that_goes_is_a_line_lost() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    line = SerialLine(os.ttyname(slave), 115200)
    os.close(slave)
    os.close(master)
    with pytest.raises(LineLost, match="is gone"):
        for _ in range(3):
            line.write(b"x")
            line.read(0.01)
    line.close()
