"""Timing diagrams for documents, printed by simulations."""

from collections.abc import Callable
from dataclasses import replace

from openwork_dv.sdram.system import SdramSystem, serve
from openwork_hw.arch.sdram import SDRAM_CHIPS, Command, Request, SdramConfig

SHORT = {
    Command.NONE: ".",
    Command.ACTIVATE: "ACT",
    Command.READ: "RD",
    Command.WRITE: "WR",
    Command.REFRESH: "REF",
    Command.PRECHARGE: "PRE",
    Command.MODE: "MRS",
}
FLOATING = 0xA5A5


def sdram() -> str:
    """The pins of a 16-bit chip: a refresh, a write, reads of this bank and of another one, a write and a read."""
    chip = replace(SDRAM_CHIPS["IS42S16160G"], row_bits=3, column_bits=4, refreshes=8, startup=1000, retention=20000)
    config = SdramConfig(chip, 100e6)
    row = chip.columns  # from bank to bank
    requests = [
        Request(True, 3, 4),
        Request(False, 3, 1),
        Request(False, row, 4),
        Request(True, 2 * row, 2),
        Request(False, 2 * row, 2),
    ]
    served = serve(SdramSystem(config), config, requests, [[0xC0, 0xC1, 0xC2, 0xC3], [0xD0, 0xD1]], keep_pins=True)
    cycles = served.commands
    kinds = [Command(pins["ras_n"] << 2 | pins["cas_n"] << 1 | pins["we_n"]) for pins in cycles]
    uses_bank = [kind in (Command.ACTIVATE, Command.READ, Command.WRITE) for kind in kinds]
    closes = [
        kind in (Command.READ, Command.WRITE) and pins["a"] >> 10 for kind, pins in zip(kinds, cycles, strict=True)
    ]
    read_cycles = {beat + config.read_latency - 1 for of_one in served.beats for beat in of_one}
    lines = {
        "cycle": [str(number) for number in range(1, len(cycles) + 1)],
        "command": [SHORT[kind] for kind in kinds],
        "bank": [str(pins["ba"]) if uses else "." for uses, pins in zip(uses_bank, cycles, strict=True)],
        "closes": ["yes" if one else "." for one in closes],
        "controller drives": [f"{pins['dq_o']:02x}" if pins["dq_oe"] else "." for pins in cycles],
        "chip drives": [
            f"{pins['dq_i']:02x}" if number in read_cycles and pins["dq_i"] != FLOATING else "."
            for number, pins in enumerate(cycles, 1)
        ],
    }
    parts = []
    for first in range(0, len(cycles), 20):
        parts.append(
            "\n".join(
                f"{name:18}" + "".join(f"{cell:>4}" for cell in cells[first : first + 20])
                for name, cells in lines.items()
            )
        )
    return "\n\n".join(parts) + "\n"


DIAGRAMS: dict[str, Callable[[], str]] = {"sdram": sdram}
"""By the name that documents call them."""
