"""Keeps the current row's nonzeros and replays them for every local pixel."""

from itertools import chain, pairwise

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ROW_BITS, ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.arch.timing import QUEUED_ROWS, RING_CYCLES, VISIBLE_CYCLES, row_spacing, write_cycles
from openwork_hw.array.change_delay import ChangeDelay
from openwork_hw.array.payloads import RowEnd, RowRecordLayout, Settings
from openwork_hw.decoder.payloads import TAP_BITS, WeightNonzero
from openwork_hw.primitives.block_memory import BlockMemory


class Replayed(data.StructLayout):
    """A nonzero for one local pixel: `table_base` | tap is its entry in the tap table; `end` counts in the last beat."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "tap": TAP_BITS,
                "channel": config.address_bits,
                "value": 8,
                "table_base": config.tap_index_bits,
                "valid": 1,
                "first": 1,
                "last": 1,
                "end": RowEnd(config),
            }
        )


class RowBuffer(wiring.Component):
    """Replay each row of a weight stream for every local pixel while the next row is loaded behind it.

    Function
        For each row in stream order, for pixel in 0 .. hold-1, for each nonzero of the row: one replayed nonzero with
        table_base = pixel << tap_bits and end.address = output_base + pixel * output_stride + record.row.
        An entry of the ring is free once the last pixel has read it.
    Ports
        i : in, stream of WeightNonzero(config.address_bits)
        i_records : in, stream of RowRecordLayout(config); one for each row
        i_check_rows : in; the stream names its rows: they must be the records'
        i_position : in, rows of the stream that are complete, those before the nonzero at `i`
        settings : in, Settings(config); steady until done
        clear : in; be as before a pass, which begins when it falls
        upstream_fault : in, StreamErrorKind; unless NONE nothing more will come from `i`: drop what is incomplete
        o : out, Replayed(config); valid says whether it is one
        done : out; every record is taken and every replay has left (or a fault stopped them)
        error : out, StreamErrorKind: ROW, RECORDS, ROW_TOO_LONG, or the kind of the upstream fault
        position : out, i_position at the error
    Timing
        A nonzero that is accepted leaves latency_cycles later at the earliest, then one a cycle. The last beats of two
        (row, pixel) are at least row_spacing(lanes) cycles apart, since an element drains one lane a cycle. No stall after `o`.
        With config.single_port no beat leaves write_cycles after a last one: then the elements write, a pooled sum later.
        Combinational path: i_records.valid to i.ready.
    Cost
        One block memory of row_buffer_nonzeros entries, registers for QUEUED_ROWS rows.
    Limits
        A row longer than row_buffer_nonzeros is replayed only if hold is 1; else it is a ROW_TOO_LONG error.
    """

    latency_cycles = VISIBLE_CYCLES + RING_CYCLES
    end_cycles = RING_CYCLES - 1
    """From when a row's end is known to its last beat; `o.end` holds for row_spacing cycles from then."""

    i: stream.Interface
    i_records: stream.Interface
    i_check_rows: Value
    i_position: Value
    settings: data.View
    clear: Value
    upstream_fault: Value
    o: data.View
    done: Value
    error: Value
    position: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(WeightNonzero(config.address_bits))),
                "i_records": In(stream.Signature(RowRecordLayout(config))),
                "i_check_rows": In(1),
                "i_position": In(ROW_BITS),
                "settings": In(Settings(config)),
                "clear": In(1),
                "upstream_fault": In(4),
                "o": Out(Replayed(config)),
                "done": Out(1),
                "error": Out(4),
                "position": Out(ROW_BITS),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        # One bit more than an address: a full ring is not an empty one.
        pointer_bits = bits_for(config.row_buffer_nonzeros) + 1
        entry = data.StructLayout({"tap": TAP_BITS, "channel": config.address_bits, "value": 8})
        m.submodules.ring = ring = BlockMemory(entry.size, config.row_buffer_nonzeros, config.technology)

        # Write side: a nonzero goes into the ring; with the last of a row, the row's end and record go into the queue.
        nonzero, record = self.i.payload, self.i_records.payload
        write_pointer = Signal(pointer_bits, reset_less=True)
        before_write = Signal(pointer_bits, init=-1, reset_less=True)  # write_pointer - 1
        row_begins = Signal(init=1, reset_less=True)
        used = Signal(range(config.row_buffer_nonzeros + 1), reset_less=True)
        occupied = Signal(QUEUED_ROWS, reset_less=True)
        occupied_next = Signal(QUEUED_ROWS)
        stale = Signal(reset_less=True)
        room = Signal(init=1, reset_less=True)
        records_done = Signal(reset_less=True)
        stopped = Signal(reset_less=True)
        accept, push, free, pop = (Signal(name=name) for name in ("accept", "push", "free", "pop"))
        fault = Signal(4)
        m.d.comb += [
            self.i.ready.eq(stopped | (self.i_records.valid & room)),
            self.i_records.ready.eq(Mux(stopped, ~records_done, accept & nonzero.last)),
            accept.eq(self.i.valid & self.i.ready & ~stopped),
            push.eq(accept & nonzero.last),
            ring.write_enable.eq(accept),
            ring.write_address.eq(write_pointer[:-1]),
            ring.write_data.eq(Cat(nonzero.tap, nonzero.channel, nonzero.value)),
        ]
        with m.If(accept):
            m.d.sync += [
                write_pointer.eq(write_pointer + 1),
                before_write.eq(write_pointer),
                row_begins.eq(nonzero.last),
            ]
        with m.If(self.i_records.valid & self.i_records.ready & record.last):
            m.d.sync += records_done.eq(1)
        # The ring's depth is a power of two: the counter's top bit says full. What was accepted and freed counts a cycle later, and
        # what the queue let go, too: of these, only what was accepted has to be known in its own cycle.
        accepted, freed = Signal(reset_less=True), Signal(reset_less=True)
        rows_waiting = Cat(occupied[0], occupied[1] & ~stale, occupied[2:])
        two_rows = rows_waiting[:2].all() | rows_waiting[1:].all() | (rows_waiting[0] & rows_waiting[2])
        queue_full = rows_waiting.all() | (push & two_rows)
        one_left, two_left = used[:-1].all(), used[1:-1].all()
        ring_full = used[-1] | (one_left & (accepted | accept)) | (two_left & accepted & accept)
        m.d.sync += [
            accepted.eq(accept),
            freed.eq(free),
            used.eq(used + Cat(accepted ^ freed, (freed & ~accepted).replicate(len(used) - 1))),
            room.eq(~ring_full & ~queue_full),
        ]

        # The queue moves up to its head, place 0, where there is room: registers alone, no choice of where to write. The others
        # follow the head a cycle later, and records their rows' bounds, so that `pop` need not reach them all in its own cycle:
        # while place 1 is stale, what it holds has gone to the head.
        bounds = data.StructLayout({"end": pointer_bits, "before_end": pointer_bits, "single": 1, "final": 1})
        queue = [Signal(bounds, name=f"bounds_{place}", reset_less=True) for place in range(QUEUED_ROWS)]
        records = [Signal(RowRecordLayout(config), name=f"record_{p}", reset_less=True) for p in range(QUEUED_ROWS + 1)]
        moves = Signal(QUEUED_ROWS)  # place n takes from place n + 1, the last from the input
        moved = Signal(QUEUED_ROWS, reset_less=True)
        m.d.sync += [stale.eq(pop & occupied[1]), moved.eq(moves), records[-1].eq(record), occupied.eq(occupied_next)]
        for place in range(QUEUED_ROWS):
            m.d.comb += moves[place].eq(~occupied[: place + 1].all() | (stale if place else pop))
            filled = rows_waiting[place + 1] if place + 1 < QUEUED_ROWS else push
            m.d.comb += occupied_next[place].eq(Mux(moves[place], filled, occupied[place]))
            with m.If(moves[place]):
                if place + 1 < QUEUED_ROWS:
                    m.d.sync += queue[place].eq(queue[place + 1])
                else:
                    m.d.sync += [
                        queue[place].end.eq(write_pointer),
                        queue[place].before_end.eq(before_write),
                        queue[place].single.eq(row_begins),
                        queue[place].final.eq(record.last),
                    ]
            with m.If(moved[place]):
                m.d.sync += records[place].eq(records[place + 1])
        head, head_record = queue[0], records[0]
        # A nonzero is seen as late as its row's end is, which may have the whole queue to go.
        seen = [
            write_pointer,
            *(Signal(pointer_bits, name=f"seen_{n}", reset_less=True) for n in range(1, QUEUED_ROWS)),
        ]
        before_seen = [
            before_write,
            *(Signal(pointer_bits, name=f"before_{n}", init=-1, reset_less=True) for n in range(1, QUEUED_ROWS)),
        ]
        m.d.sync += [late.eq(early) for early, late in chain(pairwise(seen), pairwise(before_seen))]

        # Read side: pixel outer, nonzero inner. Whether the next nonzero is there and whether it is a row's last is worked out
        # a cycle ahead, for each place that the pointer may go to; that leaves one gate for `issue`.
        read_pointer = Signal(pointer_bits, reset_less=True)
        row_start = Signal(pointer_bits, reset_less=True)
        table_base = Signal(config.tap_index_bits, reset_less=True)
        pixel_address = Signal(config.address_bits, reset_less=True)
        first = Signal(init=1, reset_less=True)
        finished = Signal(reset_less=True)
        available, at_end, last_pixel, turn_next, busy = (
            Signal(name=name, reset_less=True) for name in ("available", "at_end", "last_pixel", "turn_next", "busy")
        )
        # Cycles since the last issue_last.
        latest_write = write_cycles(config.lanes, pooled=config.global_pooling)
        since_last = Signal(latest_write if config.single_port else row_spacing(config.lanes) - 1, reset_less=True)
        blocked, issue, issue_last = (Signal(name=name) for name in ("blocked", "issue", "issue_last"))
        m.d.comb += [
            issue.eq(available & ~(at_end & busy) & ~blocked),
            issue_last.eq(issue & at_end),
            free.eq(issue & last_pixel),
            # Spelled out: it goes on to where the queue moves.
            pop.eq(available & at_end & ~busy & ~blocked & last_pixel),
        ]
        m.d.sync += [
            since_last.eq(Cat(issue_last, since_last)),
            busy.eq(issue_last | (busy & ~since_last[row_spacing(config.lanes) - 2])),
            turn_next.eq(table_base == self.settings.turn_base),
            available.eq(read_pointer != seen[-1]),
            at_end.eq(occupied[0] & (read_pointer == Mux(at_end | blocked | ~available, head.end, head.before_end))),
        ]
        with m.If(issue):
            m.d.sync += [
                read_pointer.eq(read_pointer + 1),
                first.eq(at_end),
                available.eq(read_pointer != before_seen[-1]),
            ]
        with m.If(issue_last):
            m.d.sync += [
                last_pixel.eq(turn_next),
                read_pointer.eq(row_start),
                available.eq(1),
                at_end.eq(head.single),
            ]
        with m.If(pop):
            m.d.sync += [
                read_pointer.eq(read_pointer + 1),
                row_start.eq(read_pointer + 1),
                last_pixel.eq(self.settings.single_pixel),
                available.eq(read_pointer != before_seen[-1]),
                at_end.eq(occupied[1] & queue[1].single),
                finished.eq(head.final),
            ]
        if config.single_port:
            m.d.comb += blocked.eq(since_last[write_cycles(config.lanes) - 1])
            if config.global_pooling:
                with m.If(self.settings.pool):
                    m.d.comb += blocked.eq(since_last[-1])

        # What is known of the pixel is needed with the nonzero that comes out of the ring, and follows a cycle late.
        popped = Signal(reset_less=True)
        m.d.sync += popped.eq(pop)
        with m.If(since_last[0]):
            m.d.sync += [
                table_base.eq(table_base + (1 << self.settings.tap_bits)),
                pixel_address.eq(pixel_address + self.settings.output_stride),
            ]
        with m.If(popped):
            m.d.sync += [table_base.eq(0), pixel_address.eq(self.settings.output_base)]

        # Two cycles later the nonzero comes out of the ring.
        issued = data.StructLayout({"first": 1, "last": 1})
        leaving = [Signal(issued, name=f"leaving_{cycle}", reset_less=True) for cycle in range(RING_CYCLES)]
        leaving_base = Signal(config.tap_index_bits, reset_less=True)
        valid = Signal(RING_CYCLES, reset_less=True)
        m.d.sync += [
            valid.eq(Cat(issue, valid)),
            leaving[0].first.eq(issue & first),
            leaving[0].last.eq(issue_last),
            *(late.eq(early) for early, late in pairwise(leaving)),
            leaving_base.eq(table_base),
        ]
        m.d.comb += [
            self.o.valid.eq(valid[-1]),
            *(self.o[name].eq(leaving[-1][name]) for name in ("first", "last")),
            self.o.table_base.eq(leaving_base),
            ring.read_address.eq(read_pointer[:-1]),
            Cat(self.o.tap, self.o.channel, self.o.value).eq(ring.read_data),
        ]
        m.submodules.end = end = ChangeDelay(
            RowEnd(config), use=self.end_cycles, window=1, spacing=row_spacing(config.lanes)
        )
        m.d.comb += [
            end.i_change.eq(since_last[0]),
            end.i.address.eq(pixel_address + head_record.row),
            end.i.offset.eq(head_record.offset),
            end.i.shift.eq(head_record.shift),
            end.i.write.eq(head_record.write),
            self.o.end.eq(end.o),
        ]

        # Faults: the first is kept, and the rest of nonzeros and records is dropped. A fault is told a cycle late, which is soon
        # enough: the last nonzero of its row, with which outputs are written, cannot be replayed before.
        wrong_row, wrong_end, too_long = (
            Signal(name=n, reset_less=True) for n in ("wrong_row", "wrong_end", "too_long")
        )
        upstream = Signal(4, reset_less=True)
        here = Signal(ROW_BITS, reset_less=True)
        error = Signal(4, reset_less=True)
        position = Signal(ROW_BITS, reset_less=True)
        m.d.comb += [self.error.eq(error), self.position.eq(position)]
        m.d.sync += [
            wrong_row.eq(accept & self.i_check_rows & (nonzero.row != record.row)),
            wrong_end.eq(accept & nonzero.last & (nonzero.final != record.last)),
            too_long.eq(used[-1] & ~freed & ~occupied.any() & ~self.settings.single_pixel),
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
        with m.If(stopped):
            m.d.sync += available.eq(0)
        m.d.comb += self.done.eq(Mux(stopped, records_done, finished))

        with m.If(self.clear):
            for cleared in (
                *seen,
                used,
                accepted,
                occupied,
                stale,
                read_pointer,
                row_start,
                freed,
                wrong_row,
                wrong_end,
                too_long,
                upstream,
                table_base,
                popped,
                since_last,
                records_done,
                stopped,
                finished,
            ):
                m.d.sync += cleared.eq(0)
            m.d.sync += [pointer.eq(-1) for pointer in before_seen]
            m.d.sync += [available.eq(0), at_end.eq(0), busy.eq(0), error.eq(0), first.eq(1)]
            m.d.sync += [pixel_address.eq(self.settings.output_base), last_pixel.eq(self.settings.single_pixel)]
            m.d.sync += [row_begins.eq(1), room.eq(1)]
        return m
