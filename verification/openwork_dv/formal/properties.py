"""What is to be proved: a component, what its neighbours keep to, what is claimed of it, and what must be possible."""

from amaranth.hdl import Cat, ClockDomain, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import stream, wiring


class Properties:
    """A component with inputs that the solver chooses, and the properties it is to have.

    Attributes:
        m: the module that properties and their registers are written in; its `sync` has no reset, and starts once.
        inputs: what the solver chooses anew each cycle, by name.
        broken: for each claim the bits of it that a cycle violates; only while all assumptions have been kept.
        reached: likewise, for each thing that must be possible.
    """

    def __init__(self, component: wiring.Component) -> None:
        self.m = Module()
        self.clock = ClockDomain("sync", reset_less=True)
        self.m.domains += self.clock
        self.m.submodules.component = component
        self.inputs: dict[str, Signal] = {}
        self.broken: dict[str, Signal] = {}
        self.reached: dict[str, Signal] = {}
        self._assumptions: list[Value] = []
        self._kept = Signal()
        self.starts = Signal(init=1)
        """High in the first cycle."""
        self.m.d.sync += self.starts.eq(0)

    def choose(self, name: str, shape: object = 1) -> Signal:
        """A value that the solver chooses anew in each cycle."""
        self.inputs[name] = chosen = Signal(shape, name=name)
        return chosen

    def choose_once(self, name: str, shape: object = 1) -> Signal:
        """A value that the solver chooses in the first cycle, and that stays."""
        choice, kept = self.choose(f"{name}_at_start", shape), Signal(shape, name=f"{name}_kept")
        value = Signal(shape, name=name)
        self.m.d.comb += Value.cast(value).eq(Mux(self.starts, Value.cast(choice), Value.cast(kept)))
        self.m.d.sync += Value.cast(kept).eq(value)
        return value

    def drive(self, source: stream.Interface, name: str, payload: ValueLike | None = None) -> None:
        """Let the solver offer `payload`, or what it likes, on an input stream, as streams demand: an offer stays until taken."""
        offered = Value.cast(source.payload)
        chosen = self.choose(f"{name}_payload", len(offered)) if payload is None else payload
        self.m.d.comb += [source.valid.eq(self.choose(f"{name}_valid")), offered.eq(chosen)]
        self.assume(self.stays(source))

    def stall(self, sink: stream.Interface, name: str) -> None:
        """Let the solver take from an output stream when it likes."""
        self.m.d.comb += sink.ready.eq(self.choose(f"{name}_ready"))

    def past(self, value: ValueLike, init: int = 0) -> Value:
        """What a value was in the cycle before; `init` in the first."""
        before = Signal(len(Value.cast(value)), init=init)
        self.m.d.sync += before.eq(Value.cast(value))
        return before

    def stays(self, offered: stream.Interface, unless: ValueLike = 0) -> Value:
        """An offer that was not taken is still there, `unless` something in the cycle before took it back: valid, then payload."""
        waited = self.past(offered.valid & ~offered.ready & ~Value.cast(unless))
        payload = Value.cast(offered.payload)
        return Cat(~waited | offered.valid, (~waited).replicate(len(payload)) | ~(payload ^ self.past(payload)))

    def assume(self, condition: ValueLike) -> None:
        """What the neighbours keep to, in all bits of `condition`: a run ends where they do not."""
        self._assumptions.append(Value.cast(condition).all())

    def claim(self, name: str, condition: ValueLike) -> None:
        """What must hold in every cycle: all bits of `condition`, each a small claim of its own to the solver."""
        self.broken[name] = self._flags(f"broken__{name}", ~Value.cast(condition))

    def reach(self, name: str, condition: ValueLike) -> None:
        """What must be possible: a claim about what never happens would prove nothing."""
        self.reached[name] = self._flags(f"reached__{name}", Value.cast(condition).bool())

    def _flags(self, name: str, conditions: Value) -> Signal:
        flags = Signal(len(conditions), name=name)
        self.m.d.comb += flags.eq(Mux(self._kept, conditions, 0))
        return flags

    def finish(self) -> Module:
        """The module, whole; nothing is claimed or assumed after."""
        kept_before = Signal(init=1)
        self.m.d.comb += self._kept.eq(kept_before & Cat(self._assumptions).all())
        self.m.d.sync += kept_before.eq(self._kept)
        return self.m


class Follower(wiring.Component):
    """Follow one beat, whichever the solver picks, through a component that passes beats on in order.

    Function
        What holds for a beat that may be any holds for all: that it leaves after exactly those that entered before it, and as
        it entered.
    Ports
        enters, i : in; a beat enters, and its payload
        leaves, o : in; a beat leaves, and its payload
        drops : in; all beats that have not left by the end of this cycle are dropped
        pick : in; follow the beat that enters, if none is followed yet
        inside : out; beats in the component before this cycle
        right : out; no beat leaves that did not enter (bit 0), and each bit of the followed one leaves as it entered
    """

    def __init__(self, payload: object, *, most: int) -> None:
        self._most = most
        super().__init__(
            {
                "enters": wiring.In(1),
                "i": wiring.In(payload),
                "leaves": wiring.In(1),
                "o": wiring.In(payload),
                "drops": wiring.In(1),
                "pick": wiring.In(1),
                "inside": wiring.Out(range(most + 2)),
                "right": wiring.Out(1 + len(Value.cast(Signal(payload)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        followed = Signal()
        payload = Signal(len(Value.cast(self.i)))
        ahead = Signal(range(self._most + 2))
        follows, ahead_now, expected, arrives = Signal(), Signal.like(ahead), Signal.like(payload), Signal()
        m.d.comb += [
            follows.eq(followed | (self.pick & self.enters)),
            ahead_now.eq(Mux(followed, ahead, self.inside)),
            expected.eq(Mux(followed, payload, Value.cast(self.i))),
            arrives.eq(follows & self.leaves & (ahead_now == 0)),
            self.right.eq(
                ~Cat(self.leaves & (self.inside == 0) & ~self.enters, Mux(arrives, Value.cast(self.o) ^ expected, 0))
            ),
        ]
        m.d.sync += [
            followed.eq(follows & ~arrives & ~self.drops),
            payload.eq(expected),
            ahead.eq(ahead_now - self.leaves),
            self.inside.eq(Mux(self.drops, 0, self.inside + self.enters - self.leaves)),
        ]
        return m


def transfers(of: stream.Interface) -> Value:
    """A payload moves in this cycle."""
    return of.valid & of.ready
