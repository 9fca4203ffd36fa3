"""What is left of the times at the pins between an ECP5 and an SDRAM chip.

A pin of ours changes with our clock, and the chip's clock rises `phase_degrees` of a cycle later, both through cells of the same
kind. So the time before and after the chip's edge is the phase, less what two pins differ by. A word that the chip sends goes the
whole way round: our clock out to the chip, the chip's access time, and back into our register, which catches it two cycles after
the change that made the chip read.

place and route knows nothing of what is outside: no tool checks these times. The numbers are those of data sheets for the slowest
parts; what a data sheet does not say is named an assumption. Only a board can tell what is really left: see `SdramTester`.
"""

from dataclasses import dataclass

from openwork_hw.arch.sdram import SdramConfig

CHIP_SETUP_NS, CHIP_HOLD_NS = 2.0, 1.0
"""Before and after the chip's clock rises, of all that it gets. Chips of speed grade 7 ask for 1.5 to 2 and .8 to 1."""

ACCESS_NS = {2: 6.0, 3: 5.4}
"""From the chip's clock to its word, at most, by CAS latency."""

KEPT_NS = 2.5
"""From the chip's next clock to the end of its word, at least."""

OUT_MOST_NS = 4.1
"""From our clock to a pin, at most (Lattice FPGA-DS-02012, clock to output with PLL, speed grade 6)."""

OUT_LEAST_NS = 2.0
"""The same at least: an assumption, since the data sheet does not say."""

IN_SETUP_NS, IN_HOLD_NS = 0.85, 0.98
"""Before and after our clock, at a pin (the same table)."""

SKEW_NS = 0.5
"""By which two pins, their traces and the edges of a PLL's two clocks differ, at most: an assumption."""

TRACE_NS = 0.2
"""From a pin to the chip: an assumption, of 3 cm."""


@dataclass(frozen=True)
class Margins:
    """What is left of each time, in nanoseconds; below 0 it is not kept.

    Attributes:
        chip_setup, chip_hold: of what the chip gets.
        read_setup, read_hold: of the words that we get.
    """

    chip_setup: float
    chip_hold: float
    read_setup: float
    read_hold: float

    @property
    def least(self) -> float:
        """The one that breaks first."""
        return min(self.chip_setup, self.chip_hold, self.read_setup, self.read_hold)


def margins(config: SdramConfig, phase_degrees: float) -> Margins:
    """What a phase leaves of each time.

    >>> from openwork_hw.arch.sdram import SDRAM_CHIPS
    >>> margins(SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6), 216)
    Margins(chip_setup=3.5, chip_hold=2.5, read_setup=2.65, read_hold=-0.08)
    """
    cycle = 1e9 / config.clock_hz
    phase = cycle * phase_degrees / 360
    return Margins(
        chip_setup=round(phase - SKEW_NS - CHIP_SETUP_NS, 3),
        chip_hold=round(cycle - phase - SKEW_NS - CHIP_HOLD_NS, 3),
        read_setup=round(
            2 * cycle - (phase + OUT_MOST_NS + TRACE_NS + ACCESS_NS[config.cas] + TRACE_NS + IN_SETUP_NS), 3
        ),
        read_hold=round(phase + OUT_LEAST_NS + TRACE_NS + KEPT_NS + TRACE_NS - cycle - IN_HOLD_NS, 3),
    )
