"""A board with an SDRAM over its serial line, with the host that users have: self-test, upload, damage."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.openwork.host.models import inputs_of, small_image

from openwork.golden import run_network
from openwork.host import Board
from openwork.host.board import memory_words
from openwork.host.selftest import selftest
from openwork_dv.native.serial_line import SIMULATED_BAUD, SimulatedBoard
from openwork_dv.sdram.board import SdramBoard
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.external_image import HEADER_WORDS
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.arch.transfers import TRANSFER_WORDS

pytestmark = pytest.mark.slow

CONFIG = PRESETS["demo"]
SCRATCHPAD_WORDS = 600
CLOCK_HZ = 12_000_000

CHIP = replace(SDRAM_CHIPS["IS42S16160G"], startup=2000, row_bits=6, column_bits=7, refreshes=256)
"""A small chip, whose few rows are refreshed in time at a slow clock."""


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedBoard]:
    with SimulatedBoard(
        CONFIG,
        clock_hz=CLOCK_HZ,
        baud=3_000_000,
        shell=SdramBoard,
        sdram=SdramConfig(CHIP, CLOCK_HZ),
        memory_words=SCRATCHPAD_WORDS,
    ) as board:
        yield board


def opened(simulated: SimulatedBoard) -> Board:
    return Board.open(simulated.port, SIMULATED_BAUD, patience_s=60)


def test_the_self_test_of_a_good_board_passes(simulated: SimulatedBoard) -> None:
    with opened(simulated) as board:
        assert board.identity.memory_words == CHIP.bytes // 4
        checks = list(selftest(board, 1))
    assert [one.name for one in checks[:4]] == ["link", "data lines", "address lines", "cells"]
    assert len(checks) > 4 and all(one.passed for one in checks), checks


def test_damage_is_named_with_its_transfer_and_the_next_run_is_right(simulated: SimulatedBoard) -> None:
    image = small_image(channels=24, scratchpad_words=SCRATCHPAD_WORDS)
    inputs = inputs_of(image, 2)
    expected = run_network(image.network, inputs)
    with opened(simulated) as board:
        board.load(image)
        assert (board.run(inputs) == expected).all()
        words = memory_words(image, board.identity)
        first = HEADER_WORDS + TRANSFER_WORDS
        assert (board.peek(first, 8) == words[first : first + 8]).all()
        board.write([(first, words[first : first + 1] ^ np.uint32(4))])
        assert board.check() is ImageStatus.DAMAGED
        board.load(image)
        assert (board.run(inputs) == expected).all()
