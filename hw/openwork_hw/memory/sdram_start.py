"""What an SDRAM chip is told before it can be used."""

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.sdram import Command, SdramConfig


class SdramStart(wiring.Component):
    """Give the commands of an SDRAM chip's start-up, one per tick.

    Role
        After power-up a chip wants a pause, a precharge of all banks, some refreshes and its mode register.
    Function
        Nothing for the chip's `startup`, then PRECHARGE, `startup_refreshes` times REFRESH, and MODE; then `done` stays 1.
    Ports
        tick : in; the time for the next step, `refresh_interval` cycles or more after the last one
        command : out, Command; what to give in this cycle; combinational with `tick`
        done : out; a register
    Timing
        (steps + 1) ticks, of which those of the pause are as many as hold `startup` cycles.
    Cost
        One counter.
    Limits
        The interval of the ticks is longer than the chip's tRP, tRFC and tMRD.
    """

    tick: Signal
    command: Signal
    done: Signal

    def __init__(self, config: SdramConfig) -> None:
        self._refreshes = config.chip.startup_refreshes
        self._pauses = -(-config.startup // config.refresh_interval)
        super().__init__({"tick": In(1), "command": Out(Command), "done": Out(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        precharge = self._refreshes + 1
        step = Signal(range(precharge + self._pauses + 1), init=precharge + self._pauses)
        m.d.comb += self.command.eq(Command.NONE)
        with m.If(self.tick & ~self.done):
            m.d.sync += step.eq(step - 1)
            with m.If(step == precharge):
                m.d.comb += self.command.eq(Command.PRECHARGE)
            with m.Elif(step == 0):
                m.d.comb += self.command.eq(Command.MODE)
                m.d.sync += self.done.eq(1)
            with m.Elif(step < precharge):
                m.d.comb += self.command.eq(Command.REFRESH)
        return m
