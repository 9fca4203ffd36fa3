"""Keeps results as bytes until the host has them."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig, ConfigError, bits_for
from openwork_hw.arch.link import ANSWER, REPORT
from openwork_hw.image.fetcher import TRANSFER_BITS
from openwork_hw.image.run_control import Answer, CommandReport
from openwork_hw.primitives.registered_memory import RegisteredMemory


class ResultBuffer(wiring.Component):
    """Turn results into one string of bytes, and keep the last `bytes` of it.

    Role
        Part of a `BoardLink`: results wait until a READ asks for them, also for a second time.
    Function
        A feature is one byte of the string; a report has the bytes of `arch.link.REPORT`, or none without `reports`; an answer has
        the bytes of `arch.link.ANSWER`. data[t + latency_cycles] = byte number read[t] of the string, if this number is at least
        `released` and below `given`. All positions are modulo 2 * bytes.
    Ports
        i_features, i_reports, i_answers : in, the outputs of an ImageRunner, which gives one of them at a time
        transfer : in, TRANSFER_BITS; goes with an answer; an ExternalRunner's
        given : out; how many bytes the string has so far
        released : in; how many bytes the host has received
        read : in, position; data : out, 8
        answered : out, 1; high in the cycle after that in which an answer's last byte is written
    Timing
        One byte per cycle as long as `given` - `released` < bytes, and one more cycle per report and answer. No combinational
        path.
    Cost
        `bytes` of block memory.
    Limits
        `bytes` is a power of two, 64 or more.
    """

    i_features: stream.Interface
    i_reports: stream.Interface
    i_answers: stream.Interface
    transfer: Signal
    given: Signal
    released: Signal
    read: Signal
    data: Signal
    answered: Signal

    latency_cycles = RegisteredMemory.latency_cycles

    def __init__(self, config: ArrayConfig, bytes: int, *, reports: bool) -> None:
        if bytes < 64 or bytes & (bytes - 1):
            raise ConfigError(f"a result buffer has a power of two of bytes, 64 or more, not {bytes}")
        self._config = config
        self._bytes = bytes
        self._reports = reports
        position_bits = bits_for(bytes) + 1
        super().__init__(
            {
                "i_features": In(stream.Signature(signed(8))),
                "i_reports": In(stream.Signature(CommandReport(config))),
                "i_answers": In(stream.Signature(Answer)),
                "transfer": In(TRANSFER_BITS),
                "given": Out(position_bits),
                "released": In(position_bits),
                "read": In(position_bits),
                "data": Out(8),
                "answered": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = memory = RegisteredMemory(8, self._bytes, self._config.technology)
        has_room = Signal(init=1)
        place = Signal(range(REPORT.size))
        whole = Signal()  # all bytes of a report or an answer are written: from a register, too
        behind = (self.given + 1)[: len(self.given)]
        # From a register: what is ready goes back into the runner. There is no room a whole buffer ahead.
        full, would_be = ((position ^ self.released) == self._bytes for position in (self.given, behind))
        m.d.sync += has_room.eq(~Mux(memory.write_enable, would_be, full))
        m.d.comb += [
            memory.write_address.eq(self.given[:-1]),
            memory.read_address.eq(self.read[:-1]),
            self.data.eq(memory.read_data),
        ]
        report, answer = self.i_reports.payload, self.i_answers.payload
        fault = report.report.fault
        report_bytes = Cat(
            report.report.cycles,
            report.stalls,
            Cat(fault.kind, Const(0, 8))[:8],
            Cat(fault.pe, Const(0, 8))[:8],
            Cat(fault.position, Const(0, 16))[:16],
        )
        answer_bytes = Cat(Cat(answer.status, Const(0, 8))[:8], self.transfer, answer.cycles)
        writes = Signal()
        m.d.sync += whole.eq(0)
        m.d.comb += [
            self.i_features.ready.eq(has_room),
            self.i_reports.ready.eq(whole if self._reports else 1),
            self.i_answers.ready.eq(whole),
            memory.write_enable.eq(writes & has_room),
        ]
        with m.If(self.i_features.valid):
            m.d.comb += [writes.eq(1), memory.write_data.eq(self.i_features.payload)]
        with m.Else():
            for offered, content, size in (
                (self.i_reports, report_bytes, REPORT.size),
                (self.i_answers, answer_bytes, ANSWER.size),
            ):
                if offered is self.i_reports and not self._reports:
                    continue
                last = place == size - 1
                with m.If(offered.valid & ~whole):
                    m.d.comb += [writes.eq(1), memory.write_data.eq(content.word_select(place, 8))]
                    with m.If(has_room):
                        m.d.sync += [place.eq(Mux(last, 0, place + 1)), whole.eq(last)]
        m.d.comb += self.answered.eq(self.i_answers.valid & self.i_answers.ready)
        with m.If(memory.write_enable):
            m.d.sync += self.given.eq(behind)
        return m
