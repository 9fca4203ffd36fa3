"""What goes into a memory controller, and the pins of a chip."""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.sdram import SdramChip


class SdramAddress(data.StructLayout):
    """Where a word lies. As one number it is the linear address: rows that follow each other lie in different banks."""

    def __init__(self, chip: SdramChip) -> None:
        super().__init__({"column": chip.column_bits, "bank": chip.bank_bits, "row": chip.row_bits})


class SdramRequest(data.StructLayout):
    """A burst within one row: `further` words behind the one at `address`, to the chip where `write` is set."""

    def __init__(self, chip: SdramChip) -> None:
        super().__init__({"address": SdramAddress(chip), "further": chip.column_bits, "write": 1})


class WordBurst(data.StructLayout):
    """Words of 32 bits, 1 to `most`, from the one at `address` on; to the memory where `write` is set."""

    def __init__(self, address_bits: int, most: int) -> None:
        super().__init__({"address": address_bits, "words": range(most + 1), "write": 1})


class SdramPins(wiring.Signature):
    """A chip's pins but for its clock, as a controller sees them. The chip reads its inputs with the clock's rising edge.

    `dq_o` is on the data pins where `dq_oe` is set, and `dq_i` is what is on them otherwise.
    """

    def __init__(self, chip: SdramChip) -> None:
        super().__init__(
            {
                "cke": Out(1, init=1),
                "cs_n": Out(1),
                "ras_n": Out(1, init=1),
                "cas_n": Out(1, init=1),
                "we_n": Out(1, init=1),
                "ba": Out(chip.bank_bits),
                "a": Out(chip.address_pins),
                "dqm": Out(chip.data_bits // 8),
                "dq_o": Out(chip.data_bits),
                "dq_oe": Out(1),
                "dq_i": In(chip.data_bits),
            }
        )
