"""One request at a time from a register to the runner, and its answer back into registers."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch import registers
from openwork_hw.arch.image import ImageStatus
from openwork_hw.image.run_control import Answer, Request
from openwork_hw.shells.register_file import layout


class RequestGate(wiring.Component):
    """Turn a write to CONTROL into a request to the runner, and keep the answer.

    Role
        Part of a `BusShell`, between its registers and the `ImageRunner`.
    Function
        While not busy, control.check asks for a CHECK; without it, control.run asks for a RUN. If the image has changed since the
        last CHECK, a RUN is answered NOT_CHECKED without a request: the runner relies on a memory that does not change between
        CHECK and RUN.
    Ports
        control : in, layout(CONTROL)
        image_changes : in; high for one cycle when a word of the image is written; only while not busy
        o_requests : out, stream of Request
        i_answers : in, stream of Answer
        busy, changed : out; as in STATUS
        begins : out; high for one cycle when a RUN is asked for
        answered : out; high for one cycle when a new answer is in `answer` and `cycles`
        answer, cycles : out; the values of the registers
    Timing
        Two cycles from control to the request.
    Cost
        A register of an answer.
    Limits
        -
    Verified by
        tests/cosim/test_bus_shell.py::test_bad_images_do_not_run
    """

    control: data.View
    image_changes: Signal
    o_requests: stream.Interface
    i_answers: stream.Interface
    busy: Signal
    changed: Signal
    begins: Signal
    answered: Signal
    answer: data.View
    cycles: data.View

    def __init__(self) -> None:
        super().__init__(
            {
                "control": In(layout(registers.CONTROL)),
                "image_changes": In(1),
                "o_requests": Out(stream.Signature(Request)),
                "i_answers": In(stream.Signature(Answer)),
                "busy": Out(1),
                "changed": Out(1),
                "begins": Out(1),
                "answered": Out(1),
                "answer": Out(layout(registers.ANSWER)),
                "cycles": Out(layout(registers.CYCLES)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        request = Signal(Request)
        refused = Signal()
        m.d.comb += [
            self.o_requests.payload.eq(request),
            refused.eq(self.changed & (request == Request.RUN)),
        ]
        m.d.sync += self.answered.eq(0)
        with m.If(self.image_changes):
            m.d.sync += self.changed.eq(1)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.control.check | self.control.run):
                    m.d.sync += [self.busy.eq(1), request.eq(Mux(self.control.check, Request.CHECK, Request.RUN))]
                    m.next = "ASK"
                with m.If(self.control.check):
                    m.d.sync += self.changed.eq(0)
                with m.Else():
                    m.d.comb += self.begins.eq(self.control.run)

            with m.State("ASK"):
                m.d.comb += self.o_requests.valid.eq(~refused)
                with m.If(refused | self.o_requests.ready):
                    m.next = "ANSWER"

            with m.State("ANSWER"):
                m.d.comb += self.i_answers.ready.eq(~refused)
                with m.If(refused | self.i_answers.valid):
                    m.d.sync += [
                        self.answer.status.eq(Mux(refused, ImageStatus.NOT_CHECKED, self.i_answers.payload.status)),
                        self.answer.valid.eq(1),
                        self.cycles.cycles.eq(Mux(refused, 0, self.i_answers.payload.cycles)),
                        self.answered.eq(1),
                        self.busy.eq(0),
                    ]
                    m.next = "IDLE"
        return m
