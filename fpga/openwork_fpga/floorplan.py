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

_IMAGE = re.compile(r"(^|\.)memory\.bits_(?P<low>\d+)\.memory\.memory_(?P<bit>\d+)$")
"""Names of an image memory's block memories: by the lowest bit of the slice, then by the first bit of it that they hold."""

_PORT = re.compile(r"^i_(words|records)_(?P<place>\d+)_port\[\d+\]$|\.pe_(?P<pe>\d+)\.feeder\.\w+_port(\[\d+\])?$")
"""Names of the registers at a feeder's edge: the harness's at its streams, its own of settings and fault."""

PORT_COLUMNS = 12
"""Columns of tiles for a feeder's port registers, one in each of a tile's four slices."""

PORT_ROWS_BELOW = 4
"""Rows from the memories to the first port registers: in the midst of where a feeder has room."""


def places(device: Device, config: ArrayConfig, cells: Iterable[str]) -> dict[str, str]:
    """The bel of each cell that has a place, by the cell's name; nothing where the part or the array gives no pattern.

    PEs lie one beside the other along the rows of multipliers, to and fro, so that neighbours stay neighbours; a PE's feature
    memory lies beside its multipliers, and its feeder's row buffer and tap table, where it has them, next to that, or, from a row
    between two others, where the part is free. Below these lie the registers at the feeder's edge: its streams, settings
    and fault are wide and would draw it to where they come from and go.

    An image memory lies in the row that is left, in the midst of it, slice by slice: one wire of an address that ran to and fro
    across the part took longer than all other paths.

    Args:
        cells: names of multipliers and memories in the netlist, and of the bits of registers at a feeder's edge.
    """
    cells = list(cells)
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
        # Between two rows there is no room for all the logic of a feeder.
        between = 0 < number < len(device.rows) - 1 and device.free_memories
        for place, pe in enumerate(pes):
            # What a row has left is shared out between its PEs.
            first = place * len(row.multipliers) // row_pes
            result |= dict(zip(multipliers.get(pe, []), row.multipliers[first:], strict=False))
            result |= dict(zip(features.get(pe, []), memories, strict=False))
            beside = device.free_memories[place * len(row.memories) // row_pes :] if between else memories
            result |= dict(zip(feeders.get(pe, []), beside, strict=False))
    result |= _image_places(device, cells, set(result.values()))
    return result | _port_places(config, cells, {pe: result[names[0]] for pe, names in feeders.items()})


def _image_places(device: Device, cells: list[str], taken: set[str]) -> dict[str, str]:
    """Bels of an image memory's blocks; none where the part has fewer left than it needs."""
    matches = [(match, name) for name in cells if (match := _IMAGE.search(name))]
    names = [name for _match, name in sorted(matches, key=lambda pair: (int(pair[0]["low"]), int(pair[0]["bit"])))]
    free = [bel for bel in device.free_memories if bel not in taken]
    first = (len(free) - len(names)) // 2
    return dict(zip(names, free[first:], strict=False)) if first >= 0 else {}


def _port_places(config: ArrayConfig, cells: list[str], beside: dict[int, str]) -> dict[str, str]:
    """Bels of the registers at the feeders' edges, below the memory that each PE has `beside`."""
    result: dict[str, str] = {}
    ports = [(name, match) for name in cells if (match := _PORT.search(name))]
    for place, pe in enumerate(config.feeders):
        names = [name for name, match in ports if match["place"] == str(place) or match["pe"] == str(pe)]
        if not names or pe not in beside:
            continue
        x, y = (int(part[1:]) for part in beside[pe].split("/")[:2])
        for number, name in enumerate(names):
            tile, part = divmod(number, 4)
            row, column = divmod(tile, PORT_COLUMNS)
            result[name] = f"X{x - PORT_COLUMNS + 2 + column}/Y{y + PORT_ROWS_BELOW + row}/SLICE{'ABCD'[part]}.FF0"
    return result


def _ordered(found: list[tuple[str, re.Match[str]]], part: str) -> dict[int, list[str]]:
    """The cells of one part, by PE, lowest lane or bit first."""
    sorted_cells: dict[int, list[str]] = {}
    for name, match in sorted(found, key=lambda pair: int(pair[1]["bit"])):
        if part in name:
            sorted_cells.setdefault(int(match["pe"]), []).append(name)
    return sorted_cells
