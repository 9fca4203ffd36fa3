"""Counts the addresses of the local pixel that is replayed: of its taps and of its output."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.payloads import Settings


class PixelPlace(wiring.Component):
    """Count the addresses of a row's local pixels.

    Role
        Follows the `ReplayPointer` of a `RowBuffer`; its addresses are needed with the nonzero that comes out of the ring.
    Function
        table_base = pixel << tap_bits; address = output_base + pixel * output_stride.
    Ports
        settings : in, Settings(config)
        next_pixel : in; the pixel before has ended
        next_row : in; its row has, too: the next pixel is 0; a cycle before next_pixel
        clear : in; the next pixel is 0
        table_base : out, tap_index_bits; address : out, address_bits
    Timing
        A cycle from next_pixel to the addresses. No combinational path.
    Cost
        Two adders and two registers.
    Limits
        None.
    """

    settings: data.View
    next_pixel: Value
    next_row: Value
    clear: Value
    table_base: Value
    address: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "settings": In(Settings(config)),
                "next_pixel": In(1),
                "next_row": In(1),
                "clear": In(1),
                "table_base": Out(config.tap_index_bits),
                "address": Out(config.address_bits),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        table_base = Signal(self._config.tap_index_bits, reset_less=True)
        pixel_address = Signal(self._config.address_bits, reset_less=True)
        popped = Signal(reset_less=True)
        m.d.comb += [self.table_base.eq(table_base), self.address.eq(pixel_address)]
        m.d.sync += popped.eq(self.next_row)
        with m.If(self.next_pixel):
            m.d.sync += [
                table_base.eq(table_base + (1 << self.settings.tap_bits)),
                pixel_address.eq(pixel_address + self.settings.output_stride),
            ]
        with m.If(popped):
            m.d.sync += [table_base.eq(0), pixel_address.eq(self.settings.output_base)]
        with m.If(self.clear):
            m.d.sync += [table_base.eq(0), popped.eq(0), pixel_address.eq(self.settings.output_base)]
        return m
