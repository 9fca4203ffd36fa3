"""A top with few pins around any component, so that it can be placed and routed alone."""

from amaranth.hdl import Cat, ClockDomain, Instance, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

HOP_REGISTERS = 5
"""Registers of a shared bus from one element of an array to the next, which may be right across the part."""


class PinPoor(wiring.Component):
    """Feed all inputs of a component from one pin and fold all its outputs to one pin.

    Function
        Inputs are the bits of one long shift register. The payloads of an array of input streams, of more than one, share one
        bus, as a distributor would drive them: it passes the elements one after the other, `HOP_REGISTERS` on the way to each,
        as a board's shell would have on its way across the part. Valids are separate.
        Outputs are registered and folded by exclusive-or, four to one register a level.
        With `global_reset`, the reset reaches the flip-flops through ECP5's net for it, as in Amaranth's platforms for
        these parts; else it is routed to all that have one.
    Ports
        clk, reset : in, 1; the component's clock, and its reset after two registers
        pin_i : in, 1
        pin_o : out, 1
    Timing
        Every path between the harness and the component has a register at the harness's end.
    Cost
        A flip-flop for each input bit, one more for each bus bit, and `HOP_REGISTERS` for each bus bit and element; outputs / 3
        LUTs and one for each bus bit.
    Limits
        For measurements only: it carries no meaning through.
    """

    clk: Signal
    reset: Signal
    pin_i: Signal
    pin_o: Signal

    def __init__(self, component: wiring.Component, *, global_reset: bool) -> None:
        self._component = component
        self._global_reset = global_reset
        super().__init__({"clk": In(1), "reset": In(1), "pin_i": In(1), "pin_o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.component = self._component
        m.domains.sync = sync = ClockDomain(reset_less=self._global_reset)
        m.domains.pins = pins = ClockDomain(reset_less=True)
        m.d.comb += [sync.clk.eq(self.clk), pins.clk.eq(self.clk)]
        released = Signal(2)
        if self._global_reset:
            # These two are what the net does not reset. It is active low.
            for stage, before in enumerate((~self.reset, released[0])):
                m.submodules[f"reset_{stage}"] = Instance(
                    "FD1S3AX", p_GSR="DISABLED", i_CK=self.clk, i_D=before, o_Q=released[stage]
                )
            m.submodules.global_reset = Instance("SGSR", i_CLK=self.clk, i_GSR=released[1])
        else:
            m.d.pins += released.eq(Cat(~self.reset, released))
            m.d.comb += sync.rst.eq(~released[1])

        singles, buses, outputs = self._ports()
        heads = {name: Signal(len(elements[0]), name=f"{name}_bus") for name, elements in buses.items()}
        inputs = Cat(*singles, *heads.values())
        shift = Signal(len(inputs))
        m.d.pins += shift.eq(Cat(self.pin_i, shift))
        m.d.comb += inputs.eq(shift)
        for name, elements in buses.items():
            # A bus bit is no bit of the shift register: its registers would be other bits of that, one cell to synthesis, and all
            # elements would hang on the same flip-flops.
            bus = Signal(len(heads[name]), name=f"{name}_head")
            m.d.pins += bus.eq(heads[name] ^ self.pin_i.replicate(len(bus)))
            for index, element in enumerate(elements):
                for hop in reversed(range(HOP_REGISTERS)):
                    # The last register keeps its name: a floorplan may want to say where it is.
                    following = Signal(
                        len(bus),
                        name=f"{name}_bus_{index}_{hop}" if hop else f"{name}_{index}_port",
                        attrs={} if hop else {"keep": 1},
                    )
                    m.d.pins += following.eq(bus)
                    bus = following
                m.d.comb += element.eq(bus)

        level = Signal(max(1, len(Cat(*outputs))), name="outputs")
        m.d.pins += level.eq(Cat(*outputs))
        while len(level) > 1:
            folded = Signal(-(-len(level) // 4), name=f"folded_{len(level)}")
            m.d.pins += [folded[index].eq(level[4 * index : 4 * index + 4].xor()) for index in range(len(folded))]
            level = folded
        m.d.comb += self.pin_o.eq(level)
        return m

    def _ports(self) -> tuple[list[Value], dict[str, list[Value]], list[Value]]:
        """The component's inputs that have bits of their own, those that share a bus by name, and its outputs."""
        singles: list[Value] = []
        buses: dict[str, list[Value]] = {}
        outputs: list[Value] = []
        members = self._component.signature.members
        for path, member, port in self._component.signature.flatten(self._component):
            value = Value.cast(port)
            name = path[0]
            top = members[name]
            is_stream = top.is_signature and isinstance(top.signature, stream.Signature)
            in_array = is_stream and len(top.dimensions) == 1 and top.dimensions[0] > 1
            if member.flow is not wiring.In:
                outputs.append(value)
            elif in_array and path[-1] == "payload":
                buses.setdefault(name, []).append(value)
            else:
                singles.append(value)
        return singles, buses, outputs
