"""Where the multipliers and feature memories of a chain go on a large part.

The placer takes a chain of PEs for one cloud, and scatters a PE's multipliers and memories over the whole part. Told where these
are, it finds places for the rest (`docs/decisions/0005-multipliers-have-places.md` has the figures).
"""

import re
from collections.abc import Iterable

from openwork_fpga.devices import Device
from openwork_hw.arch.config import ArrayConfig

_CELL = re.compile(
    r"(^|\.)pe_(?P<pe>\d+)\.(element\.(multipliers\.multiplier|memory\.memory\.memory)|feeder\.(rows\.ring|table)\.memory)_(?P<bit>\d+)$"
)
"""Names of the cells that get a place: multipliers by lane, memories by the first bit that they hold."""


def places(device: Device, config: ArrayConfig, cells: Iterable[str]) -> dict[str, str]:
    """The bel of each cell that has a place, by the cell's name; nothing where the part or the array gives no pattern.

    PEs lie one beside the other along the rows of multipliers, to and fro, so that neighbours stay neighbours; a PE's feature
    memory lies beside its multipliers, and its feeder's row buffer and tap table, where it has them, next to that.

    Args:
        cells: names of multipliers and memories in the netlist.
    """
    found = [(name, match) for name in cells if (match := _CELL.search(name))]
    multipliers = _ordered(found, "multiplier_")
    features = _ordered(found, "element.memory")
    feeders = _ordered(found, "feeder")
    row_pes = min((len(row.multipliers) // config.lanes for row in device.rows), default=0)
    if not row_pes or row_pes * len(device.rows) < config.pes:
        return {}
    result: dict[str, str] = {}
    for number, row in enumerate(device.rows):
        pes = list(range(number * row_pes, min((number + 1) * row_pes, config.pes)))
        if number % 2:
            pes.reverse()
        memories = iter(row.memories)
        for place, pe in enumerate(pes):
            # What a row has left is shared out between its PEs.
            first = place * len(row.multipliers) // row_pes
            result |= dict(zip(multipliers.get(pe, []), row.multipliers[first:], strict=False))
            result |= dict(zip(features.get(pe, []) + feeders.get(pe, []), memories, strict=False))
    return result


def _ordered(found: list[tuple[str, re.Match[str]]], part: str) -> dict[int, list[str]]:
    """The cells of one part, by PE, lowest lane or bit first."""
    sorted_cells: dict[int, list[str]] = {}
    for name, match in sorted(found, key=lambda pair: int(pair[1]["bit"])):
        if part in name:
            sorted_cells.setdefault(int(match["pe"]), []).append(name)
    return sorted_cells
