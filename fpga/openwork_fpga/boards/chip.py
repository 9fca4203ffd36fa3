"""What boards need to know of a family of chips, besides what `openwork_fpga.families` says."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Module
from amaranth.lib import io

MakeClock = Callable[[Module, io.PortLike, float, float], None]
"""Adds the domain `sync` to a module: from the oscillator's port, its frequency and the board's, in MHz."""

MakeClocks = Callable[[Module, io.PortLike, float, float, float], None]
"""Adds the domain `sdram`, too: as fast as `sync`, its edges so many degrees of a cycle after those of `sync`."""


@dataclass(frozen=True)
class Chip:
    """How bitstreams of a family are made, and what their netlists are checked by.

    Attributes:
        clock: makes clock and reset.
        registers: what Yosys' names of flip-flops begin with, those of cells that send two bits per cycle included.
        data_pins: of a flip-flop: what comes in and what goes out.
        buffers: cells at pins, and those that make constants.
        inverters: cells that may be one: a flip-flop that starts as 1 is one that starts as 0 between two of them, where a family
            has no others.
        clock_pins: where an oscillator may end.
        pins: file of pins and oscillators, as Amaranth writes it.
        read_pins: options with which nextpnr reads it.
        write_switches: nextpnr's option before the file that says what every switch of the chip is set to.
        pack: the packer and its options, with the names of {switches} and {bitstream} left open.
        suffix: of the bitstream's name.
        clock_with_sdram: makes clock and reset, and the clock of an SDRAM chip; only where a board has one.
    """

    clock: MakeClock
    registers: tuple[str, ...]
    data_pins: tuple[str, ...]
    buffers: tuple[str, ...]
    clock_pins: tuple[str, ...]
    pins: str
    read_pins: tuple[str, ...]
    write_switches: str
    pack: tuple[str, ...]
    suffix: str
    inverters: tuple[str, ...] = ()
    clock_with_sdram: MakeClocks | None = None
