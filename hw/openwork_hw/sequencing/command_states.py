"""The states of the sequencer."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import CommandOp
from openwork_hw.arch.timing import BACK_HOPS, held_cycles, write_cycles


class CommandStates(wiring.Component):
    """Lead each command from when it is offered to when its report is taken.

    Role
        The state machine of the `Sequencer`: one bit per state, of which one is set.
    Function
        It is idle until a command is offered. The command is taken in the next cycle, which is setting. Then follows, for
        a LOAD: loading until words_done;
        a RUN: tabulating until entries_done, one cycle of pause, running until chain_done, a pause until chain_done has fallen;
        a STORE or MOVE: storing until returned;
        a TABLE: filling until entries_done;
        a CLEAR, or a LOAD or STORE of an external memory: nothing.
        At the end comes reporting until reported.
    Ports
        offered : in; a command is there; op : in, its op, steady from then on until setting is over
        external : in; as steady: the command is for an external memory; in an array with map stations only
        words_done, entries_done, returned, chain_done, reported : in
        idle, setting, loading, tabulating, running, storing, reporting : out
        filling : out; in an array with activation tables only
        flushed : out; the chain is in order after a reset, and the first command may come
    Timing
        One cycle per step. In a compact array, the report of a LOAD, STORE, MOVE or TABLE is held_cycles(config) later, because its
        last byte still needs the settings on its way to a memory. The chain has no reset. After a reset of the sequencer, the
        chain gets idle beats until it is in order, and only then the first command. No combinational path.
    Cost
        One flip-flop per state, and a counter.
    Limits
        A reset lasts two cycles or more.
    """

    offered: Value
    op: Value
    words_done: Value
    entries_done: Value
    returned: Value
    chain_done: Value
    reported: Value
    idle: Value
    setting: Value
    loading: Value
    tabulating: Value
    running: Value
    storing: Value
    reporting: Value
    flushed: Value
    filling: Value
    external: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        events = ("offered", "words_done", "entries_done", "returned", "chain_done", "reported")
        states = ("idle", "setting", "loading", "tabulating", "running", "storing", "reporting", "flushed")
        filling = ("filling",) if config.activation_tables else ()
        external = ("external",) if config.map_stations else ()
        super().__init__(
            {name: In(1) for name in (*events, *external)}
            | {"op": In(3)}
            | {name: Out(1) for name in (*states, *filling)}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        flush_cycles = config.pes + write_cycles(config) + 2 * config.lanes + BACK_HOPS
        flushing = Signal(range(flush_cycles + 1), init=flush_cycles)
        starting, stopping = Signal(), Signal()
        ended = self.reporting  # a LOAD, a STORE, a MOVE or a TABLE has
        if config.compact:
            ended = Signal()
            on_the_way = Signal(held_cycles(config) - 1)
            m.d.sync += [ended.eq(0), on_the_way.eq(Cat(ended, on_the_way))]
        with m.If(flushing != 0):
            m.d.sync += flushing.eq(flushing - 1)
            with m.If(flushing == 1):
                m.d.sync += [self.flushed.eq(1), self.idle.eq(1)]
        with m.If(self.idle & self.offered):
            m.d.sync += [self.idle.eq(0), self.setting.eq(1)]
        with m.If(self.setting):
            m.d.sync += self.setting.eq(0)
            with m.Switch(self.op):
                with m.Case(CommandOp.LOAD):
                    m.d.sync += self.loading.eq(1)
                with m.Case(CommandOp.RUN):
                    m.d.sync += self.tabulating.eq(1)
                with m.Case(CommandOp.STORE, CommandOp.MOVE):
                    m.d.sync += self.storing.eq(1)
                with m.Case(CommandOp.CLEAR):
                    m.d.sync += self.reporting.eq(1)
                if config.activation_tables:
                    with m.Case(CommandOp.TABLE):
                        m.d.sync += self.filling.eq(1)
            if config.map_stations:
                with m.If(self.external):
                    m.d.sync += [self.loading.eq(0), self.storing.eq(0), self.reporting.eq(1)]
        with m.If(self.loading & self.words_done):
            m.d.sync += [self.loading.eq(0), ended.eq(1)]
        with m.If(self.storing & self.returned):
            m.d.sync += [self.storing.eq(0), ended.eq(1)]
        if config.activation_tables:
            with m.If(self.filling & self.entries_done):
                m.d.sync += [self.filling.eq(0), ended.eq(1)]
        with m.If(self.entries_done & self.tabulating if config.activation_tables else self.entries_done):
            m.d.sync += [self.tabulating.eq(0), starting.eq(1)]
        with m.If(starting):
            m.d.sync += [starting.eq(0), self.running.eq(1)]
        with m.If(self.running & self.chain_done):
            m.d.sync += [self.running.eq(0), stopping.eq(1)]
        with m.If(stopping & ~self.chain_done):
            # `running` fell along the chain, and `done` behind it.
            m.d.sync += [stopping.eq(0), self.reporting.eq(1)]
        if config.compact:
            with m.If(on_the_way[-1]):
                m.d.sync += self.reporting.eq(1)
        with m.If(self.reporting & self.reported):
            m.d.sync += [self.reporting.eq(0), self.idle.eq(1)]
        return m
