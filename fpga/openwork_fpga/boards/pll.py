"""Clocks of a board: settings of the PLL of ECP5, computed within the part's limits."""

from collections.abc import Iterator
from dataclasses import dataclass

from openwork_hw.arch.config import ConfigError

EXACT = 1e-6
"""Relative error below which an output frequency is the one that was asked for."""


@dataclass(frozen=True)
class Ecp5Pll:
    """Dividers of an EHXPLLL with feedback from its first output.

    output = input * feedback_divider / input_divider, and the oscillator runs at output * output_divider.
    Limits (Lattice FPGA-DS-02012, sysCLOCK PLL timing): phase detector 3.125 to 400 MHz, oscillator 400 to 800 MHz, dividers 1
    to 128.
    """

    input_mhz: float
    input_divider: int
    feedback_divider: int
    output_divider: int

    @property
    def output_mhz(self) -> float:
        """The clock."""
        return self.input_mhz * self.feedback_divider / self.input_divider

    @property
    def oscillator_mhz(self) -> float:
        """What runs inside."""
        return self.output_mhz * self.output_divider


def ecp5_pll(input_mhz: float, output_mhz: float) -> Ecp5Pll:
    """The settings with the least input divider, then the oscillator nearest to the middle of its range.

    >>> ecp5_pll(25, 125)
    Ecp5Pll(input_mhz=25, input_divider=1, feedback_divider=5, output_divider=5)

    Raises:
        ConfigError: no settings give this clock.
    """

    def settings() -> Iterator[Ecp5Pll]:
        for input_divider in range(1, 129):
            feedback = round(output_mhz * input_divider / input_mhz)
            if not 1 <= feedback <= 128 or not 3.125 <= input_mhz / input_divider <= 400:
                continue
            for output_divider in range(1, 129):
                yield Ecp5Pll(input_mhz, input_divider, feedback, output_divider)

    legal = [
        one for one in settings() if abs(one.output_mhz / output_mhz - 1) < EXACT and 400 <= one.oscillator_mhz <= 800
    ]
    if not legal:
        raise ConfigError(f"the PLL of an ECP5 makes no {output_mhz:g} MHz out of {input_mhz:g} MHz")
    return min(legal, key=lambda one: (one.input_divider, abs(one.oscillator_mhz - 600)))
