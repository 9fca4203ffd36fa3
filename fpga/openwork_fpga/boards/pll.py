"""Clocks of a board: settings of the PLLs of ECP5 and iCE40, computed and checked against the parts' limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

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


@dataclass(frozen=True)
class Ice40Pll:
    """Dividers of an SB_PLL40 with its simple feedback.

    oscillator = input * (divf + 1) / (divr + 1), and output = oscillator / 2 ** divq. Limits: Lattice FPGA-TN-02052 and the
    parts' data sheets: phase detector 10 to 133 MHz, oscillator 533 to 1,066 MHz.
    """

    input_mhz: float
    divr: int
    divf: int
    divq: int

    @property
    def phase_mhz(self) -> float:
        """Of the phase detector."""
        return self.input_mhz / (self.divr + 1)

    @property
    def oscillator_mhz(self) -> float:
        """What runs inside."""
        return self.phase_mhz * (self.divf + 1)

    @property
    def output_mhz(self) -> float:
        """The clock."""
        return self.oscillator_mhz / 2**self.divq

    @property
    def filter_range(self) -> int:
        """The loop filter's setting for the phase detector's frequency."""
        limits = (17, 26, 44, 66, 101)
        return 1 + sum(self.phase_mhz >= limit for limit in limits)


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

    legal = [one for one in settings() if _is(one.output_mhz, output_mhz) and 400 <= one.oscillator_mhz <= 800]
    if not legal:
        raise ConfigError(f"the PLL of an ECP5 makes no {output_mhz:g} MHz out of {input_mhz:g} MHz")
    return min(legal, key=lambda one: (one.input_divider, abs(one.oscillator_mhz - 600)))


def ice40_pll(input_mhz: float, output_mhz: float) -> Ice40Pll:
    """The settings with the fastest phase detector.

    >>> ice40_pll(12, 24)
    Ice40Pll(input_mhz=12, divr=0, divf=63, divq=5)

    Raises:
        ConfigError: no settings give this clock.
    """
    every = (Ice40Pll(input_mhz, *dividers) for dividers in product(range(16), range(128), range(1, 7)))
    legal = [
        one
        for one in every
        if _is(one.output_mhz, output_mhz) and 10 <= one.phase_mhz <= 133 and 533 <= one.oscillator_mhz <= 1066
    ]
    if not legal:
        raise ConfigError(f"the PLL of an iCE40 makes no {output_mhz:g} MHz out of {input_mhz:g} MHz")
    return min(legal, key=lambda one: one.divr)


def _is(got_mhz: float, wanted_mhz: float) -> bool:
    return abs(got_mhz / wanted_mhz - 1) < EXACT
