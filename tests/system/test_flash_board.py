"""A small board that reads its image out of flash, over its serial line: the digits, bit for bit."""

from dataclasses import replace

import pytest

from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.host import Board, HostError
from openwork.host.selftest import selftest
from openwork.models import digits
from openwork_dv.flash import FlashBoard
from openwork_dv.native.build import WriteVerilog, flat_verilog
from openwork_dv.native.serial_line import SIMULATED_BAUD, SimulatedBoard
from openwork_dv.netlist.levels import up5k_synthesized
from openwork_fpga.boards.catalogue import BOARDS
from openwork_hw.arch.config import Technology
from openwork_hw.arch.linear_image import linear_words

pytestmark = pytest.mark.slow

PATIENCE_S = 600.0
"""A netlist takes its time."""

ICEBREAKER = BOARDS["icebreaker"]


@pytest.mark.parametrize("level", [flat_verilog, up5k_synthesized])
def test_digits_out_of_flash(level: WriteVerilog) -> None:
    """Two runs, the second one's inputs on their way while the first one runs; another image is refused, and the next run works."""
    # Before synthesis nothing is a cell of the part.
    config = replace(ICEBREAKER.config, technology=Technology.GENERIC) if level is flat_verilog else ICEBREAKER.config
    prepared = digits.prepare(epochs=2)
    image = compile_network(prepared.model, config, ICEBREAKER.encodings[0])
    inputs = prepared.test_inputs[:2]
    expected = run_network(prepared.model, inputs)
    simulated = SimulatedBoard(
        config,
        clock_hz=12_000_000,
        baud=3_000_000,
        shell=FlashBoard,
        words=tuple(linear_words(image.words, config).tolist()),
        memory_words=ICEBREAKER.memory_words,
        encodings=ICEBREAKER.encodings,
        write_verilog=level,
    )
    other = compile_network(digits.prepare(epochs=1).model, config, ICEBREAKER.encodings[0])
    with simulated, Board.open(simulated.port, SIMULATED_BAUD, patience_s=PATIENCE_S) as board:
        assert all(check.passed for check in selftest(board, 1))
        board.load(image)
        assert (board.run(inputs) == expected).all()
        with pytest.raises(HostError, match="openwork program --image puts it into the flash"):
            board.load(other)
        board.load(image)
        simulated.reset()
        assert (board.run(inputs[:1]) == expected[:1]).all()
