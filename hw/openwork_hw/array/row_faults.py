"""Finds what is wrong with the rows of a weight stream and their records."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ROW_BITS, ArrayConfig
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.array.payloads import RowRecordLayout
from openwork_hw.decoder.payloads import ERROR_BITS, WeightNonzero


class RowFaults(wiring.Component):
    """Compare nonzeros with their records, and keep the first fault.

    Role
        Part of a `RowBuffer`, which drops all further nonzeros and records when `stopped` is high.
    Function
        ROW: an accepted nonzero names another row than its record. RECORDS: a row is the last of the stream but not of the
        records, or of the records but not of the stream. ROW_TOO_LONG: a row that is replayed does not fit the ring. Otherwise
        the fault from upstream.
    Ports
        accept : in; nonzero : in, WeightNonzero(config.address_bits); record : in, RowRecordLayout(config); what is accepted
        check_rows : in; the stream names its rows
        too_long : in; the ring is full of a part of a row that is replayed
        upstream_fault : in, StreamErrorKind
        i_position : in, ROW_BITS; complete rows of the stream
        clear : in; there has been no fault
        stopped : out; there has been one
        error : out, StreamErrorKind; position : out, i_position at the error
    Timing
        A fault is told two cycles late, which is soon enough: the last nonzero of its row, with which outputs are written, cannot
        be replayed before. No combinational path.
    Cost
        A comparison of rows, a position.
    Limits
        None.
    """

    accept: Value
    nonzero: data.View
    record: data.View
    check_rows: Value
    too_long: Value
    upstream_fault: Value
    i_position: Value
    clear: Value
    stopped: Value
    error: Value
    position: Value

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "accept": In(1),
                "nonzero": In(WeightNonzero(config.address_bits)),
                "record": In(RowRecordLayout(config)),
                "check_rows": In(1),
                "too_long": In(1),
                "upstream_fault": In(ERROR_BITS),
                "i_position": In(ROW_BITS),
                "clear": In(1),
                "stopped": Out(1),
                "error": Out(ERROR_BITS),
                "position": Out(ROW_BITS),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        nonzero, record = self.nonzero, self.record
        stopped = Signal(reset_less=True)
        wrong_row, wrong_end, too_long = (
            Signal(name=n, reset_less=True) for n in ("wrong_row", "wrong_end", "too_long")
        )
        upstream = Signal(ERROR_BITS, reset_less=True)
        here = Signal(ROW_BITS, reset_less=True)
        error = Signal(ERROR_BITS, reset_less=True)
        position = Signal(ROW_BITS, reset_less=True)
        fault = Signal(ERROR_BITS)
        m.d.comb += [self.stopped.eq(stopped), self.error.eq(error), self.position.eq(position)]
        m.d.sync += [
            wrong_row.eq(self.accept & self.check_rows & (nonzero.row != record.row)),
            wrong_end.eq(self.accept & nonzero.last & (nonzero.final != record.last)),
            too_long.eq(self.too_long),
            upstream.eq(self.upstream_fault),
            here.eq(self.i_position),
        ]
        with m.If(wrong_row):
            m.d.comb += fault.eq(StreamErrorKind.ROW)
        with m.Elif(wrong_end):
            m.d.comb += fault.eq(StreamErrorKind.RECORDS)
        with m.Elif(too_long):
            m.d.comb += fault.eq(StreamErrorKind.ROW_TOO_LONG)
        with m.Else():
            m.d.comb += fault.eq(upstream)
        with m.If((fault != StreamErrorKind.NONE) & ~stopped):
            m.d.sync += [error.eq(fault), position.eq(here), stopped.eq(1)]
        with m.If(self.clear):
            for cleared in (wrong_row, wrong_end, too_long, upstream, error, stopped):
                m.d.sync += cleared.eq(0)
        return m
