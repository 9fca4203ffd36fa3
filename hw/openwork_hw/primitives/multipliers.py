"""The multipliers of a PE, in plain Amaranth and in the multiplier blocks of ECP5, iCE40 and Gowin."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import MULTIPLIER_CYCLES, ArrayConfig, Technology
from openwork_hw.primitives.pins import pins


class Multipliers(wiring.Component):
    """Multiply one weight with the operand of each lane.

    Function
        products[lane][t+4] = x[lane][t] * w[t]
    Ports
        x : in, lanes x signed(8)
        w : in, signed(8)
        products : out, lanes x signed(16)
    Timing
        Latency 4 in every technology, a product each cycle. No combinational path.
    Cost
        ECP5: a MULT18X18D for each lane with input, pipeline and output registers, and 16 flip-flops after it, because
        its route to the adder is long.
        iCE40: an SB_MAC16 for each two lanes with input, product and output registers, and 8 flip-flops a lane before
        it, 8 for the weight.
        Gowin: a MULT9X9 for each lane with input and output registers, 8 flip-flops before it, 8 for the weight, and 16 after
        it: the tools do not time its pins, so nothing but wires may end there.
    Limits
        Registers are not reset: products are undefined for the first 4 cycles.
    """

    x: data.View
    w: Signal
    products: data.View

    latency_cycles = MULTIPLIER_CYCLES

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "x": In(data.ArrayLayout(signed(8), config.lanes)),
                "w": In(signed(8)),
                "products": Out(data.ArrayLayout(signed(16), config.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        match self._config.technology:
            case Technology.ECP5:
                self._elaborate_ecp5(m)
            case Technology.ICE40:
                self._elaborate_ice40(m)
            case Technology.GOWIN:
                self._elaborate_gowin(m)
            case Technology.GENERIC:
                self._elaborate_generic(m)
        return m

    def _elaborate_generic(self, m: Module) -> None:
        w = Signal(signed(8), reset_less=True)
        m.d.sync += w.eq(self.w)
        for lane in range(self._config.lanes):
            x = Signal(signed(8), name=f"x_{lane}", reset_less=True)
            stages = [Signal(signed(16), name=f"product_{lane}_{stage}", reset_less=True) for stage in range(3)]
            m.d.sync += [x.eq(self.x[lane]), stages[0].eq(x * w), stages[1].eq(stages[0]), stages[2].eq(stages[1])]
            m.d.comb += self.products[lane].eq(stages[2])

    def _elaborate_ecp5(self, m: Module) -> None:
        for lane in range(self._config.lanes):
            # Operands at the top of the 18 pins, so the product at the top of the 36: no sign extension to route.
            a = Cat(Const(0, 10), self.x[lane])
            b = Cat(Const(0, 10), self.w)
            p = Signal(36, name=f"p_{lane}")
            product = Signal(signed(16), name=f"product_{lane}", reset_less=True)
            stages: dict[str, str] = {}
            for stage in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"):
                stages |= {f"p_REG_{stage}_CLK": "CLK0", f"p_REG_{stage}_CE": "CE0", f"p_REG_{stage}_RST": "RST0"}
            m.submodules[f"multiplier_{lane}"] = Instance(
                "MULT18X18D",
                p_CLK0_DIV="ENABLED",
                p_SOURCEB_MODE="B_SHIFT",
                p_RESETMODE="SYNC",
                p_MULT_BYPASS="DISABLED",
                i_SIGNEDA=Const(1),
                i_SIGNEDB=Const(1),
                i_SOURCEA=Const(0),
                i_SOURCEB=Const(0),
                **stages,
                **pins("i_CLK", Cat(ClockSignal(), Const(0, 3))),
                **pins("i_CE", Const(0b1111, 4)),
                **pins("i_RST", Const(0, 4)),
                **pins("i_A", a),
                **pins("i_B", b),
                **pins("o_P", p),
            )
            m.d.sync += product.eq(p[20:])
            m.d.comb += self.products[lane].eq(product)

    def _elaborate_ice40(self, m: Module) -> None:
        w = Signal(8, reset_less=True)
        m.d.sync += w.eq(self.w)
        for lane in range(0, self._config.lanes, 2):
            lanes = min(2, self._config.lanes - lane)
            x = Signal(16, name=f"x_{lane}", reset_less=True)
            o = Signal(32, name=f"o_{lane}")
            m.d.sync += x.eq(Cat(self.x[lane + i] for i in range(lanes)))
            m.d.comb += [self.products[lane + i].eq(o.word_select(i, 16)) for i in range(lanes)]
            m.submodules[f"multiplier_{lane}"] = Instance(
                "SB_MAC16",
                p_NEG_TRIGGER=Const(0, 1),
                p_A_SIGNED=Const(1, 1),
                p_B_SIGNED=Const(1, 1),
                p_MODE_8x8=Const(1, 1),
                p_A_REG=Const(1, 1),
                p_B_REG=Const(1, 1),
                p_C_REG=Const(0, 1),
                p_D_REG=Const(0, 1),
                p_TOP_8x8_MULT_REG=Const(1, 1),
                p_BOT_8x8_MULT_REG=Const(1, 1),
                p_PIPELINE_16x16_MULT_REG1=Const(0, 1),
                p_PIPELINE_16x16_MULT_REG2=Const(0, 1),
                # The output registers are those of the adders, which add 0 (C and D) to the products.
                p_TOPOUTPUT_SELECT=Const(1, 2),
                p_TOPADDSUB_LOWERINPUT=Const(1, 2),
                p_TOPADDSUB_UPPERINPUT=Const(1, 1),
                p_TOPADDSUB_CARRYSELECT=Const(0, 2),
                p_BOTOUTPUT_SELECT=Const(1, 2),
                p_BOTADDSUB_LOWERINPUT=Const(1, 2),
                p_BOTADDSUB_UPPERINPUT=Const(1, 1),
                p_BOTADDSUB_CARRYSELECT=Const(0, 2),
                i_CLK=ClockSignal(),
                i_CE=Const(1),
                i_A=x,
                i_B=Cat(w, w),
                i_C=Const(0, 16),
                i_D=Const(0, 16),
                i_AHOLD=Const(0),
                i_BHOLD=Const(0),
                i_CHOLD=Const(0),
                i_DHOLD=Const(0),
                i_IRSTTOP=Const(0),
                i_IRSTBOT=Const(0),
                i_ORSTTOP=Const(0),
                i_ORSTBOT=Const(0),
                i_OLOADTOP=Const(0),
                i_OLOADBOT=Const(0),
                i_OHOLDTOP=Const(0),
                i_OHOLDBOT=Const(0),
                i_ADDSUBTOP=Const(0),
                i_ADDSUBBOT=Const(0),
                i_CI=Const(0),
                i_ACCUMCI=Const(0),
                i_SIGNEXTIN=Const(0),
                o_O=o,
            )

    def _elaborate_gowin(self, m: Module) -> None:
        w = Signal(signed(8), reset_less=True)
        m.d.sync += w.eq(self.w)
        for lane in range(self._config.lanes):
            x = Signal(signed(8), name=f"x_{lane}", reset_less=True)
            o = Signal(18, name=f"o_{lane}")
            product = Signal(signed(16), name=f"product_{lane}", reset_less=True)
            m.d.sync += [x.eq(self.x[lane]), product.eq(o)]
            m.d.comb += self.products[lane].eq(product)
            m.submodules[f"multiplier_{lane}"] = Instance(
                "MULT9X9",
                p_AREG=Const(1, 1),
                p_BREG=Const(1, 1),
                p_PIPE_REG=Const(0, 1),
                p_OUT_REG=Const(1, 1),
                p_ASIGN_REG=Const(0, 1),
                p_BSIGN_REG=Const(0, 1),
                p_SOA_REG=Const(0, 1),
                p_MULT_RESET_MODE="SYNC",
                i_CLK=ClockSignal(),
                i_CE=Const(1),
                i_RESET=Const(0),
                i_A=Cat(x, x[-1]),
                i_B=Cat(w, w[-1]),
                i_ASIGN=Const(1),
                i_BSIGN=Const(1),
                # The operands are these, and not the neighbour's.
                i_ASEL=Const(0),
                i_BSEL=Const(0),
                i_SIA=Const(0, 9),
                i_SIB=Const(0, 9),
                o_DOUT=o,
            )
