"""Requests to check or run an image, and their answers; what a host and whoever runs images say to each other."""

from amaranth.hdl import Elaboratable, Module, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import ImageStatus
from openwork_hw.sequencer import CYCLE_BITS, Report


class Request(enum.Enum, shape=unsigned(1)):  # type: ignore[call-arg]  # Amaranth is untyped
    """What the host asks for: CHECK the image in the memory, or RUN it once."""

    CHECK = 0
    RUN = 1


Answer = data.StructLayout({"status": ImageStatus, "cycles": CYCLE_BITS})
"""The answer to a request: what came of it, and cycles from when it was taken to when this is offered."""


class CommandReport(data.StructLayout):
    """The report of a command: its own, and cycles in which the array was ready for a word, a tap table entry or a feature that was
    not there, or had a feature that nobody took."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"report": Report(config), "stalls": CYCLE_BITS})


class RunControl(wiring.Component):
    """Take requests one after the other, and say what is to be done for each.

    Function
        CHECK: `check`, then `checking` until `checked`, when `found` says what came of it. RUN, after a CHECK that found the image
        good: `clear` until the array has taken a CLEAR; `rewind` until it has reported it; `start` until `started`; `running` until
        `ended` and the last command is reported. Then the answer.
    Ports
        i_requests : in, stream of Request
        o_answers : out, stream of Answer; one for each request
        check, checking : out; checked : in, found : in, ImageStatus
        clear, rewind, start, running : out; one of them at a time, or none
        started, ended : in
        commanded, reported : in; the array takes a command, its report is taken
        faulty : in; the report says a fault
    Timing
        A cycle for each step.
    Cost
        A counter of cycles.
    Limits
        -
    """

    i_requests: stream.Interface
    o_answers: stream.Interface
    check: Signal
    checking: Signal
    checked: Signal
    found: Signal
    clear: Signal
    rewind: Signal
    start: Signal
    started: Signal
    running: Signal
    ended: Signal
    commanded: Signal
    reported: Signal
    faulty: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "i_requests": In(stream.Signature(Request)),
                "o_answers": Out(stream.Signature(Answer)),
                "check": Out(1),
                "checking": Out(1),
                "checked": In(1),
                "found": In(ImageStatus),
                "clear": Out(1),
                "rewind": Out(1),
                "start": Out(1),
                "started": In(1),
                "running": Out(1),
                "ended": In(1),
                "commanded": In(1),
                "reported": In(1),
                "faulty": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        good = Signal()  # the image has been checked
        pending = Signal()  # a command has been taken and its report has not
        cycles = Signal(CYCLE_BITS, reset_less=True)
        status = Signal(ImageStatus)
        m.d.comb += [self.o_answers.payload.status.eq(status), self.o_answers.payload.cycles.eq(cycles)]
        with m.If(self.reported):
            m.d.sync += pending.eq(0)
            with m.If(self.running & self.faulty):
                m.d.sync += status.eq(ImageStatus.FAULT)
        with m.If(self.commanded):
            m.d.sync += pending.eq(1)
        m.d.sync += cycles.eq(cycles + 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i_requests.ready.eq(1)
                m.d.sync += [cycles.eq(0), status.eq(ImageStatus.GOOD)]
                with m.If(self.i_requests.valid):
                    with m.If(self.i_requests.payload == Request.CHECK):
                        m.d.comb += self.check.eq(1)
                        m.d.sync += good.eq(0)
                        m.next = "CHECK"
                    with m.Elif(good):
                        m.next = "CLEAR"
                    with m.Else():
                        m.d.sync += status.eq(ImageStatus.NOT_CHECKED)
                        m.next = "ANSWER"

            with m.State("CHECK"):
                m.d.comb += self.checking.eq(1)
                with m.If(self.checked):
                    m.d.sync += [status.eq(self.found), good.eq(self.found == ImageStatus.GOOD)]
                    m.next = "ANSWER"

            with m.State("CLEAR"):
                m.d.comb += self.clear.eq(1)
                with m.If(self.commanded):
                    m.next = "CLEARED"

            with m.State("CLEARED"):
                m.d.comb += self.rewind.eq(1)
                with m.If(~pending):
                    m.next = "START"

            with m.State("START"):
                m.d.comb += self.start.eq(1)
                with m.If(self.started):
                    m.next = "RUN"

            with m.State("RUN"):
                m.d.comb += self.running.eq(1)
                with m.If(self.ended & ~pending):
                    m.next = "ANSWER"

            with m.State("ANSWER"):
                m.d.sync += cycles.eq(cycles)
                m.d.comb += self.o_answers.valid.eq(1)
                with m.If(self.o_answers.ready):
                    m.next = "IDLE"
        return m
