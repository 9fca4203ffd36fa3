"""What the sequencer does now."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import CommandOp
from openwork_hw.arch.timing import BACK_HOPS, held_cycles, write_cycles


class CommandStates(wiring.Component):
    """Lead each command from when it is offered to when its report is taken.

    Role
        The state machine of the `Sequencer`: a bit for each state, of which one is set.
    Function
        idle, until a command is offered; setting, for a cycle, in which it is taken; then by its op. LOAD: loading, until
        words_done. RUN: tabulating, until entries_done; a cycle; running, until chain_done; then, until chain_done has fallen,
        nothing. STORE, MOVE: storing, until returned. CLEAR: nothing. Then reporting, until reported.
    Ports
        offered : in; a command is there; op : in, its op, steady from then on until setting is over
        words_done, entries_done, returned, chain_done, reported : in
        idle, setting, loading, tabulating, running, storing, reporting : out
        flushed : out; the chain is in order after a reset, and the first command may come
    Timing
        A cycle for each step. The report of a LOAD, STORE or MOVE of a compact array is held_cycles(config) later: its last byte
        still needs the settings on its way to a feature memory. The chain has no reset: after one, nothing is asked of it until
        idle beats have put it in order. No combinational path.
    Cost
        A flip-flop for each state, and a counter.
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

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        events = ("offered", "words_done", "entries_done", "returned", "chain_done", "reported")
        states = ("idle", "setting", "loading", "tabulating", "running", "storing", "reporting", "flushed")
        super().__init__({name: In(1) for name in events} | {"op": In(3)} | {name: Out(1) for name in states})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        flush_cycles = config.pes + write_cycles(config.lanes) + 2 * config.lanes + BACK_HOPS
        flushing = Signal(range(flush_cycles + 1), init=flush_cycles)
        starting, stopping = Signal(), Signal()
        ended = self.reporting  # a LOAD, a STORE or a MOVE has
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
        with m.If(self.loading & self.words_done):
            m.d.sync += [self.loading.eq(0), ended.eq(1)]
        with m.If(self.storing & self.returned):
            m.d.sync += [self.storing.eq(0), ended.eq(1)]
        with m.If(self.entries_done):
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
