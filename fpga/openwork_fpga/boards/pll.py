"""Clocks of a board: settings of the PLLs of ECP5 and iCE40, computed within the parts' limits."""

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

    def delay(self, degrees: float) -> tuple[int, int]:
        """Periods and eighths of a period of the oscillator by which a second output of this clock comes later.

        It is the nearest that the part can do: a turn has 8 * output_divider steps.

        >>> ecp5_pll(25, 100).delay(180), ecp5_pll(25, 100).delay(97)
        ((3, 0), (1, 5))

        Raises:
            ConfigError: the angle is outside a turn.
        """
        if not 0 <= degrees < 360:
            raise ConfigError(f"a clock's phase is from 0 to below 360 degrees, not {degrees:g}")
        return divmod(round(degrees / 360 * 8 * self.output_divider), 8)


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


@dataclass(frozen=True)
class Ice40Pll:
    """Dividers of an SB_PLL40 with simple feedback.

    output = input * feedback_divider / input_divider / output_divider, and the oscillator runs at output * output_divider.
    Limits (Lattice FPGA-DS-02008, sysCLOCK PLL timing): phase detector 10 to 133 MHz, oscillator 533 to 1066 MHz, output 16 to
    275 MHz; dividers 1 to 16, 1 to 128 and a power of two up to 64.
    """

    input_mhz: float
    input_divider: int
    feedback_divider: int
    output_divider: int

    @property
    def output_mhz(self) -> float:
        """The clock."""
        return self.input_mhz * self.feedback_divider / self.input_divider / self.output_divider

    @property
    def filter_range(self) -> int:
        """The loop filter for the phase detector's frequency, as the maker's and icestorm's tools choose it."""
        detector_mhz = self.input_mhz / self.input_divider
        return sum(detector_mhz >= least for least in (0, 17, 26, 44, 66, 101))


def ice40_pll(input_mhz: float, output_mhz: float) -> Ice40Pll:
    """The settings with the least input divider.

    >>> ice40_pll(12, 24)
    Ice40Pll(input_mhz=12, input_divider=1, feedback_divider=64, output_divider=32)

    Raises:
        ConfigError: no settings give this clock.
    """
    for input_divider in range(1, 17):
        if not 10 <= input_mhz / input_divider <= 133:
            continue
        for output_divider in (2, 4, 8, 16, 32, 64):
            feedback = round(output_mhz * output_divider * input_divider / input_mhz)
            one = Ice40Pll(input_mhz, input_divider, feedback, output_divider)
            fits = 1 <= feedback <= 128 and 533 <= output_mhz * output_divider <= 1066 and 16 <= output_mhz <= 275
            if fits and abs(one.output_mhz / output_mhz - 1) < EXACT:
                return one
    raise ConfigError(f"the PLL of an iCE40 makes no {output_mhz:g} MHz out of {input_mhz:g} MHz")
