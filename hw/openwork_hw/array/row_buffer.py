"""Keeps the nonzeros of a row and replays them once per local pixel."""

from itertools import pairwise

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ROW_BITS, TAP_BITS, ArrayConfig
from openwork_hw.arch.timing import QUEUED_ROWS, RING_CYCLES, VISIBLE_CYCLES
from openwork_hw.array.change_delay import ChangeDelay
from openwork_hw.array.payloads import RowEnd, RowRecordLayout, Settings
from openwork_hw.array.pixel_place import PixelPlace
from openwork_hw.array.replay_pointer import ReplayPointer
from openwork_hw.array.ring_room import RingRoom
from openwork_hw.array.row_faults import RowFaults
from openwork_hw.array.row_queue import RowQueue, pointer_bits
from openwork_hw.decoder.payloads import WeightNonzero
from openwork_hw.primitives.block_memory import BlockMemory
from openwork_hw.primitives.delays import delays


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

    Role
        Part of a `Feeder`, between the `WeightDecoder` and the tap table: every nonzero is decoded once and used per pixel.
    Function
        For each row in stream order, for pixel in 0 .. hold-1, for each nonzero of the row: one replayed nonzero with
        table_base = pixel << tap_bits and end.address = output_base + pixel * output_stride + record.row.
        An entry of the ring is free once the last pixel has read it.
    Ports
        i : in, stream of WeightNonzero(config.address_bits)
        i_records : in, stream of RowRecordLayout(config); one per row
        i_check_rows : in; the stream names its rows: they must be the records'
        i_position : in, rows of the stream that are complete, those before the nonzero at `i`
        settings : in, Settings(config); steady until done
        clear : in; return to the state before a pass; the pass begins when `clear` falls
        upstream_fault : in, StreamErrorKind; unless it is NONE, nothing more comes from `i`, and an incomplete row is dropped
        o : out, Replayed(config); valid says whether it is one
        done : out; every record is taken and every replay has left (or a fault stopped them)
        error : out, StreamErrorKind: ROW, RECORDS, ROW_TOO_LONG, or the kind of the upstream fault
        position : out, i_position at the error
    Timing
        A nonzero that is accepted leaves latency_cycles later at the earliest, then one per cycle. The last beats of two rows,
        or of a row on two pixels, are at least row_spacing cycles apart, because an element drains one lane per cycle. No stall
        after `o`. With config.single_port, no beat leaves write_cycles after a last beat, because the elements then write.
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
        entry = data.StructLayout({"tap": TAP_BITS, "channel": config.address_bits, "value": 8})
        m.submodules.ring = ring = BlockMemory(entry.size, config.row_buffer_nonzeros, config.technology)
        m.submodules.ring_room = ring_room = RingRoom(config)
        m.submodules.queue = queue = RowQueue(config)
        m.submodules.replay = replay = ReplayPointer(config)
        m.submodules.pixel = pixel = PixelPlace(config)
        m.submodules.faults = faults = RowFaults(config)
        for part in (ring_room, queue, replay, pixel, faults):
            m.d.comb += part.clear.eq(self.clear)
        for part in (replay, pixel):
            m.d.comb += part.settings.eq(self.settings)

        # Write side: a nonzero goes into the ring; with the last of a row, the row's end and record go into the queue.
        nonzero, record, stopped = self.i.payload, self.i_records.payload, faults.stopped
        bits = pointer_bits(config)
        write_pointer = Signal(bits, reset_less=True)
        before_write = Signal(bits, init=-1, reset_less=True)  # write_pointer - 1
        row_begins = Signal(init=1, reset_less=True)
        records_done = Signal(reset_less=True)
        accept = Signal()
        m.d.comb += [
            self.i.ready.eq(stopped | (self.i_records.valid & ring_room.room)),
            self.i_records.ready.eq(Mux(stopped, ~records_done, accept & nonzero.last)),
            accept.eq(self.i.valid & self.i.ready & ~stopped),
            ring.write_enable.eq(accept),
            ring.write_address.eq(write_pointer[:-1]),
            ring.write_data.eq(Cat(nonzero.tap, nonzero.channel, nonzero.value)),
            ring_room.accept.eq(accept),
            ring_room.free.eq(replay.free),
            ring_room.queue_full.eq(queue.full),
            queue.push.eq(accept & nonzero.last),
            queue.pop.eq(replay.pop),
            queue.i.end.eq(write_pointer),
            queue.i.before_end.eq(before_write),
            queue.i.single.eq(row_begins),
            queue.i.final.eq(record.last),
            queue.i_record.eq(record),
            faults.accept.eq(accept),
            faults.nonzero.eq(nonzero),
            faults.record.eq(record),
            faults.check_rows.eq(self.i_check_rows),
            faults.too_long.eq(ring_room.overfull & ~queue.occupied.any() & ~self.settings.single_pixel),
            faults.upstream_fault.eq(self.upstream_fault),
            faults.i_position.eq(self.i_position),
            self.error.eq(faults.error),
            self.position.eq(faults.position),
        ]
        with m.If(accept):
            m.d.sync += [
                write_pointer.eq(write_pointer + 1),
                before_write.eq(write_pointer),
                row_begins.eq(nonzero.last),
            ]
        with m.If(self.i_records.valid & self.i_records.ready & record.last):
            m.d.sync += records_done.eq(1)

        # A nonzero is seen as late as its row's end is, which may have the whole queue to go.
        seen = delays(m, "seen", write_pointer, bits, QUEUED_ROWS - 1)
        before_seen = [
            before_write,
            *(Signal(bits, name=f"before_{n}", init=-1, reset_less=True) for n in range(1, QUEUED_ROWS)),
        ]
        m.d.sync += [late.eq(early) for early, late in pairwise(before_seen)]
        m.d.comb += [
            replay.seen.eq(seen[-1]),
            replay.before_seen.eq(before_seen[-1]),
            replay.head.eq(queue.head),
            replay.occupied.eq(queue.occupied),
            replay.second_single.eq(queue.second_single),
            replay.table_base.eq(pixel.table_base),
            replay.stopped.eq(stopped),
            pixel.next_pixel.eq(replay.ended),
            pixel.next_row.eq(replay.pop),
            self.done.eq(Mux(stopped, records_done, replay.finished)),
        ]
        self._leave(m, ring, queue, replay, pixel)
        with m.If(self.clear):
            m.d.sync += [pointer.eq(0) for pointer in seen]
            m.d.sync += [pointer.eq(-1) for pointer in before_seen]
            m.d.sync += [records_done.eq(0), row_begins.eq(1)]
        return m

    def _leave(self, m: Module, ring: BlockMemory, queue: RowQueue, replay: ReplayPointer, pixel: PixelPlace) -> None:
        """The nonzero comes out of the ring two cycles after it was named, and its row's end with it."""
        issued = data.StructLayout({"first": 1, "last": 1})
        leaving = [Signal(issued, name=f"leaving_{cycle}", reset_less=True) for cycle in range(RING_CYCLES)]
        leaving_base = Signal(self._config.tap_index_bits, reset_less=True)
        valid = Signal(RING_CYCLES, reset_less=True)
        m.d.sync += [
            valid.eq(Cat(replay.issue, valid)),
            leaving[0].first.eq(replay.first),
            leaving[0].last.eq(replay.last),
            *(late.eq(early) for early, late in pairwise(leaving)),
            leaving_base.eq(pixel.table_base),
        ]
        m.submodules.end = end = ChangeDelay(
            RowEnd(self._config), use=self.end_cycles, window=1, spacing=self._config.row_spacing
        )
        m.d.comb += [
            self.o.valid.eq(valid[-1]),
            *(self.o[name].eq(leaving[-1][name]) for name in ("first", "last")),
            self.o.table_base.eq(leaving_base),
            ring.read_address.eq(replay.pointer[:-1]),
            Cat(self.o.tap, self.o.channel, self.o.value).eq(ring.read_data),
            end.i_change.eq(replay.ended),
            end.i.address.eq(pixel.address + queue.head_record.row),
            end.i.offset.eq(queue.head_record.offset),
            end.i.shift.eq(queue.head_record.shift),
            end.i.write.eq(queue.head_record.write),
            self.o.end.eq(end.o),
        ]
