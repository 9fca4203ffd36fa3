"""The accumulator of a lane, in plain Amaranth or in the carry cells of a device."""

from amaranth.hdl import Module, Mux, Signal, ValueLike, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import Technology
from openwork_hw.primitives.clearable_adder import ClearableAdder
from openwork_hw.primitives.technologies import primitives_of


class Accumulator(wiring.Component):
    """Add up products, or keep the largest product. `first` begins a new sum.

    Role
        The end of each lane of an `Element`: it adds up the products of a row.
    Function
        sum[t+1] = product[t] if first[t] else sum[t] + product[t], every cycle: a bubble carries product 0 and first 0.
        With `max_pooling`, where not `enable`: product[t] if compare[t] and product[t] > sum[t], else sum[t].
    Ports
        product : in, signed(16); where not `enable` an int8
        first : in, 1; high where not `enable`
        sum : out, signed(width); wraps
        enable : in, 1; take what `first` says. Without `max_pooling` it is not looked at, nor is `compare`
        compare : in, 1; there is a product
    Timing
        Latency 1, one product per cycle. No combinational path.
    Cost
        width flip-flops; ECP5: ceil(width / 2) CCU2C, the clear folded into them; elsewhere an adder of width bits.
        With `max_pooling` a comparator of 9 bits, and a clock enable.
    Limits
        The register is not reset: the sum is undefined until the first `first`.
    """

    product: Signal
    first: Signal
    sum: Signal
    enable: Signal
    compare: Signal

    latency_cycles = 1

    def __init__(self, width: int, technology: Technology, *, max_pooling: bool) -> None:
        self._width = width
        self._max_pooling = max_pooling
        self._technology = technology
        self._primitives = primitives_of(technology)
        super().__init__(
            {
                "product": In(signed(16)),
                "first": In(1),
                "sum": Out(signed(width)),
                "enable": In(1),
                "compare": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = Signal(signed(self._width), reset_less=True)
        m.d.comb += self.sum.eq(total)
        if self._primitives.clear_is_free:
            m.submodules.adder = adder = ClearableAdder(self._width, self._technology)
            m.d.comb += [adder.a.eq(self.product), adder.b.eq(total), adder.clear.eq(self.first)]
            following: ValueLike = adder.o
        else:
            # 0 + product is written as product: on iCE40 that fits the adder's LUTs, and a clear of the sum does not.
            following = Mux(self.first, self.product, total + self.product)
        if not self._max_pooling:
            m.d.sync += total.eq(following)
            return m
        # A larger product is taken as the first one is, so that the adder stays as it is: the register waits for it.
        sum_less_product = Signal(signed(9))
        m.d.comb += sum_less_product.eq(total[:8].as_signed() - self.product[:8].as_signed())
        with m.If(self.enable | (self.compare & sum_less_product[-1])):
            m.d.sync += total.eq(following)
        return m
