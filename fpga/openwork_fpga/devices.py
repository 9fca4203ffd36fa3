"""The parts that we place and route for."""

from dataclasses import dataclass

from openwork_fpga.families import ECP5, ICE40, Family
from openwork_hw.arch.encodings import ALL_ENCODINGS
from openwork_hw.arch.nonzeros import Encoding


@dataclass(frozen=True)
class MultiplierRow:
    """A row of multipliers across the part and the row of block memories next to it; bels by name, left to right."""

    multipliers: tuple[str, ...]
    memories: tuple[str, ...]


@dataclass(frozen=True)
class Device:
    """One part in one package and speed grade.

    Attributes:
        name: how users call it.
        family: which tools it needs, and what they call its cells.
        package, speed: as nextpnr calls them; iCE40 UltraPlus has one speed grade.
        preset: name of the array that fits (`openwork_hw.arch.config.PRESETS`).
        flags: what nextpnr is told about the part.
        options: how nextpnr places and routes there, where its own choice was measured to be worse.
        target_mhz: the clock that place and route aims at: above what is reached, so that it never stops early.
        encodings: weight streams that the preset decodes there: all three where there is room and they do not set the clock.
        rows: where its multipliers and memories are, for a floorplan; empty where the placer does well without.
        free_memories: a row of block memories away from them, in the columns of theirs.
    """

    name: str
    family: Family
    package: str
    speed: str
    preset: str
    flags: tuple[str, ...]
    target_mhz: float
    encodings: tuple[Encoding, ...] = ALL_ENCODINGS
    options: tuple[str, ...] = ()
    rows: tuple[MultiplierRow, ...] = ()
    free_memories: tuple[str, ...] = ()


_ECP5_85_GROUPS = [4 + 9 * group + 2 * (group >= 7) for group in range(13)]
"""First columns of the groups of four multipliers and of four memories; clock logic stands between the 7th and the 8th."""


def _ecp5_85_memories(y: int) -> tuple[str, ...]:
    return tuple(f"X{x + 2 * n}/Y{y}/EBR{n}" for x in _ECP5_85_GROUPS for n in range(4))


def _ecp5_85_row(multipliers_y: int, memories_y: int) -> MultiplierRow:
    multipliers = tuple(f"X{x + n}/Y{multipliers_y}/MULT18_{n}" for x in _ECP5_85_GROUPS for n in (0, 1, 4, 5))
    return MultiplierRow(multipliers, _ecp5_85_memories(memories_y))


DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device(
            name="lfe5u-85f",
            family=ECP5,
            package="CABGA381",
            speed="6",
            preset="ecp5-85k",
            flags=("--85k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"),
            target_mhz=180,
            encodings=(Encoding.PACKED,),
            # Router 1 does not end for some seeds of a design as full as this one; router 2 does. Its `--tmg-ripup` is not for a
            # target that is out of reach: it takes out and routes again what misses the target, to no end.
            # Paths that are nearly as long as the longest one have to count nearly as much as it does.
            options=("--router", "router2", "--placer-heap-timingweight", "30", "--placer-heap-critexp", "3"),
            rows=(_ecp5_85_row(10, 22), _ecp5_85_row(34, 46), _ecp5_85_row(58, 70)),
            free_memories=_ecp5_85_memories(82),
        ),
        Device(
            name="lfe5u-25f",
            family=ECP5,
            package="CABGA381",
            speed="6",
            preset="ecp5-25k",
            flags=("--25k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"),
            target_mhz=180,
            # With all three, 78 % of the flip-flops are in use, and the placer had not ended with seed 1 after ten minutes.
            encodings=(Encoding.PACKED,),
        ),
        Device(
            name="ice40up5k",
            family=ICE40,
            package="sg48",
            speed="up",
            preset="ice40-up5k",
            flags=("--up5k", "--package", "sg48", "--pcf-allow-unconstrained"),
            target_mhz=48,
            encodings=(Encoding.CSR,),
        ),
    )
}
"""Parts by name."""
