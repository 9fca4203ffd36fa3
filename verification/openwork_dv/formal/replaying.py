"""What is claimed of the row buffer's order in time."""

from amaranth.hdl import Mux, Signal, Value

from openwork_dv.formal.properties import Properties, transfers
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.array.row_buffer import RowBuffer


def row_buffer_properties(buffer: RowBuffer, config: ArrayConfig, *, patience: int) -> Properties:
    """Rows are replayed far enough apart for the elements to drain; a fault is final, and then nothing is held up.

    Nonzeros up to the final row's last, records, settings and faults from upstream are whatever the solver likes.
    """
    properties = Properties(buffer)
    m = properties.m
    properties.drive(buffer.i, "i")
    properties.drive(buffer.i_records, "records")
    clear = properties.choose("clear")
    settings = properties.choose_once("settings", len(Value.cast(buffer.settings)))
    m.d.comb += [
        buffer.clear.eq(clear),
        Value.cast(buffer.settings).eq(settings),
        buffer.i_check_rows.eq(properties.choose("check_rows")),
        buffer.i_position.eq(properties.choose("i_position", len(buffer.i_position))),
        buffer.upstream_fault.eq(properties.choose("upstream_fault", len(buffer.upstream_fault))),
    ]
    # One pass: what is on its way when the next one begins is the sequencer's business.
    cleared, running = Signal(), Signal()
    m.d.sync += [cleared.eq(cleared | clear), running.eq(cleared & ~clear)]
    properties.assume(Mux(running, ~clear, clear | cleared))

    # A decoder gives nothing behind its final row, nor while it is cleared, too.
    complete = Signal()
    m.d.sync += complete.eq(complete | (transfers(buffer.i) & buffer.i.payload.final & buffer.i.payload.last))
    properties.assume(~((complete | clear) & buffer.i.valid))

    spacing = config.row_spacing
    since_last = Signal(range(spacing + 1), init=spacing)
    last = buffer.o.valid & buffer.o.last
    m.d.sync += since_last.eq(Mux(last, 1, Mux(since_last == spacing, spacing, since_last + 1)))
    properties.claim("last_beats_are_apart", ~last | (since_last == spacing))

    in_row = Signal()
    with m.If(buffer.o.valid):
        m.d.sync += in_row.eq(~buffer.o.last)
    properties.claim("first_begins_a_row_and_nothing_else_does", ~buffer.o.valid | (buffer.o.first == ~in_row))

    failed = buffer.error != StreamErrorKind.NONE
    was_failed = properties.past(failed)
    properties.claim("error_stays", ~was_failed.replicate(4) | ~(buffer.error ^ properties.past(buffer.error)))
    same_position = ~(buffer.position ^ properties.past(buffer.position))
    properties.claim("position_stays", ~was_failed.replicate(len(buffer.position)) | same_position)
    properties.claim("after_a_fault_nonzeros_are_taken", ~failed | buffer.i.ready)
    properties.claim("done_stays", ~properties.past(buffer.done & ~clear) | buffer.done)

    # Something moves while nonzeros with records are offered, and when all have come, until the last replay has left.
    still = Signal(range(patience + 2))
    waits = (buffer.i.valid & buffer.i_records.valid) | complete
    moves = transfers(buffer.i) | buffer.o.valid | buffer.done | failed | ~waits | ~running
    m.d.sync += still.eq(Mux(moves, 0, Mux(still > patience, still, still + 1)))
    properties.claim("no_hang", still <= patience)

    properties.reach("second_row", last & in_row & properties.past(transfers(buffer.i)))
    properties.reach("fault", failed)
    return properties
