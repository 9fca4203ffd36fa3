"""How far each board was verified, in a few words: what was built, and what was run bit for bit. `docs/boards.md` says more.

This is no property of a board, and stands apart: it changes when a board is built, and what was measured is no older then.
"""

from collections.abc import Mapping

_BUILT = "bitstream built; RTL and netlists of a small array"
_WITH_FLASH = "bitstream built; RTL and netlist with a model of its flash"

VERIFIED: Mapping[str, str] = {
    "ulx3s-85f": _BUILT,
    "ulx3s-25f": _BUILT,
    "ulx3s-12f": _BUILT,
    "orangecrab-85f": _BUILT,
    "ecpix5-85f": _BUILT,
    "colorlight-i5": _BUILT,
    "tang-nano-9k": "bitstream built; RTL and netlist of the whole",
    "icebreaker": _WITH_FLASH,
    "upduino": _WITH_FLASH,
}
"""By the board's name."""
