"""Requests to check or run an image, and their answers: what a host and an image runner say to each other."""

from amaranth.hdl import Elaboratable, Module, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig, ConfigError, bits_for
from openwork_hw.arch.image import ImageStatus
from openwork_hw.sequencing.payloads import CYCLE_BITS, Report

WATCHDOG_BITS = 30
"""A run in which nothing moves for 2 ** 30 cycles, 11 s at 100 MHz, is over. No host that is there lets an array wait so long."""

ABORT_CYCLES = 16
"""Of a reset of the array, at least, and at most twice as many: two are enough for it, and a run may end in any cycle."""


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
    """Take requests one after the other, and lead each request through its steps.

    Role
        Part of an `ImageRunner` and of a `LinearRunner`: the state machine that answers a host's requests.
    Function
        CHECK: `check`, then `checking` until `checked`, when `found` gives the result. RUN, after a CHECK that found the image
        good: `clear` until the array has taken a CLEAR; `rewind` until the array has reported the CLEAR; `start` until `started`;
        `running` until `ended` and the last command is reported. Then comes the answer. If nothing has `moved` for
        2 ** watchdog_bits cycles, or at most twice as many, the request ends with TIMED_OUT, after `abort`.
    Ports
        i_requests : in, stream of Request
        o_answers : out, stream of Answer; one per request
        idle : out; no request is being carried out: readers drop the words that were not taken
        quiet : in; the readers have dropped them: the next request is taken
        check, checking : out; checked : in, found : in, ImageStatus
        clear, rewind, start, running, abort : out; one of them at a time, or none. With `abort` the array is reset
        started, ended : in
        failed : in; the run cannot go on, for the reason that `found` gives: it ends, after `abort`
        commanded, reported : in; the array takes a command, its report is taken
        faulty : in; the report says a fault
        moved : in; something moves, or waits to be taken from outside
    Timing
        One cycle per step.
    Cost
        A counter of cycles, which is also the watchdog.
    Limits
        The watchdog must wait longer than the replay of a row takes: tap_entries x row_buffer_nonzeros cycles.
    """

    i_requests: stream.Interface
    o_answers: stream.Interface
    idle: Signal
    quiet: Signal
    check: Signal
    checking: Signal
    checked: Signal
    found: Signal
    clear: Signal
    rewind: Signal
    start: Signal
    started: Signal
    running: Signal
    abort: Signal
    ended: Signal
    failed: Signal
    commanded: Signal
    reported: Signal
    faulty: Signal
    moved: Signal

    def __init__(self, *, watchdog_bits: int, most_cycles_bits: int | None = None) -> None:
        """watchdog_bits: fewer than the bits of the cycle counter.
        most_cycles_bits: a request ends with TIMED_OUT after 2 ** most_cycles_bits cycles, whatever moves: for a program that may
            have no end."""
        if not 5 <= watchdog_bits < CYCLE_BITS:
            raise ConfigError(f"watchdog_bits must be from 5 to {CYCLE_BITS - 1}, not {watchdog_bits}")
        self._watchdog_bits = watchdog_bits
        self._most_cycles_bits = most_cycles_bits
        super().__init__(
            {
                "i_requests": In(stream.Signature(Request)),
                "o_answers": Out(stream.Signature(Answer)),
                "idle": Out(1),
                "quiet": In(1),
                "check": Out(1),
                "checking": Out(1),
                "checked": In(1),
                "found": In(ImageStatus),
                "clear": Out(1),
                "rewind": Out(1),
                "start": Out(1),
                "started": In(1),
                "running": Out(1),
                "abort": Out(1),
                "ended": In(1),
                "failed": In(1),
                "commanded": In(1),
                "reported": In(1),
                "faulty": In(1),
                "moved": In(1),
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

        # The watchdog looks each time that a bit of the counter changes.
        looked = Signal(reset_less=True)
        looks = Signal()
        has_moved = Signal(reset_less=True)  # since it looked
        half_aborted = Signal()
        expired = Signal()
        m.d.sync += [looked.eq(cycles[self._watchdog_bits]), has_moved.eq(self.moved | (has_moved & ~looks))]
        m.d.comb += [looks.eq(looked ^ cycles[self._watchdog_bits]), expired.eq(looks & ~has_moved & ~self.moved)]
        if self._most_cycles_bits is not None:
            m.d.comb += expired.eq((looks & ~has_moved & ~self.moved) | cycles[self._most_cycles_bits])

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.idle.eq(1), self.i_requests.ready.eq(self.quiet)]
                m.d.sync += [cycles.eq(0), has_moved.eq(1), status.eq(ImageStatus.GOOD)]
                with m.If(self.i_requests.valid & self.quiet):
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
                with m.Elif(expired):
                    m.d.sync += status.eq(ImageStatus.TIMED_OUT)
                    m.next = "ABORT"

            for state, does, done, then in (
                ("CLEAR", self.clear, self.commanded, "CLEARED"),
                ("CLEARED", self.rewind, ~pending, "START"),
                ("START", self.start, self.started, "RUN"),
                ("RUN", self.running, self.ended & ~pending, "ANSWER"),
            ):
                with m.State(state):
                    m.d.comb += does.eq(1)
                    with m.If(done):
                        m.next = then
                    with m.Elif(self.failed):
                        m.d.sync += status.eq(self.found)
                        m.next = "ABORT"
                    with m.Elif(expired):
                        m.d.sync += status.eq(ImageStatus.TIMED_OUT)
                        m.next = "ABORT"

            with m.State("ABORT"):
                m.d.comb += self.abort.eq(1)
                m.d.sync += pending.eq(0)
                with m.If(cycles[: bits_for(ABORT_CYCLES)].all()):
                    m.d.sync += half_aborted.eq(~half_aborted)
                    with m.If(half_aborted):
                        m.next = "ANSWER"

            with m.State("ANSWER"):
                m.d.sync += cycles.eq(cycles)
                m.d.comb += self.o_answers.valid.eq(1)
                with m.If(self.o_answers.ready):
                    m.next = "IDLE"
        return m
