"""Reads row records from the image memory."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.layouts import RECORD_FIELDS
from openwork_hw.array.payloads import RowRecordLayout
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader, Region
from openwork_hw.stream.short_queue import ShortQueue


def record_fields(config: ArrayConfig, first: Value, second: Value, last: Value) -> Value:
    """A RowRecordLayout(config) out of its two words.

    `last` comes from the count of records, and the bit of that name in the words is not read: a pass must end, whatever they hold.
    """
    written = data.View(data.StructLayout(dict(RECORD_FIELDS)), Cat(first, second))
    fields = {name: written[name] for name in ("row", "shift", "write")}
    fields |= {"last": last, "offset": written.offset[: config.sum_bits]}
    return Cat(fields[name] for name in RowRecordLayout(config).members)


class RecordReader(wiring.Component):
    """Ask a memory for a region of row records ahead of time, and hand them on.

    Role
        Part of an `ImageRunner`, once per feeder.
    Function
        Two words of a region are one record, as `arch.image.encode_record` writes it. `last` comes with the region's last record.
    Ports
        i_regions : in, stream of Region, in words
        o_requests, i_words : as MemoryReader's
        o : out, stream of RowRecordLayout(config)
        clear, idle, primed : in, out, out; as MemoryReader's
    Timing
        Two cycles per record. The next record follows at once if its words have come. No combinational path.
    Cost
        A queue of `ahead` words, and one of two records.
    Limits
        -
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    i_regions: stream.Interface
    o_requests: stream.Interface
    i_words: stream.Interface
    o: stream.Interface
    clear: Signal
    idle: Signal
    primed: Signal

    def __init__(self, config: ArrayConfig, *, ahead: int, address_bits: int) -> None:
        self._config = config
        self._ahead = ahead
        self._address_bits = address_bits
        super().__init__(
            {
                "i_regions": In(stream.Signature(Region)),
                "o_requests": Out(stream.Signature(ADDRESS_BITS)),
                "i_words": In(stream.Signature(WORD_BITS)),
                "o": Out(stream.Signature(RowRecordLayout(config))),
                "clear": In(1),
                "idle": Out(1),
                "primed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.reader = reader = MemoryReader(ahead=self._ahead, address_bits=self._address_bits)
        wiring.connect(m, wiring.flipped(self.i_regions), reader.i_regions)
        wiring.connect(m, reader.o_requests, wiring.flipped(self.o_requests))
        wiring.connect(m, wiring.flipped(self.i_words), reader.i_words)

        # The next record is put together while this one waits to be taken: a row's first nonzero already asks for it. In a queue,
        # because who takes records is far away, and `ready` would have to reach every bit of a register.
        m.submodules.queue = queue = ShortQueue(RowRecordLayout(self._config))
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        first = Signal(WORD_BITS, reset_less=True)
        has_first = Signal()
        m.d.comb += [
            queue.i.payload.eq(record_fields(self._config, first, reader.o.payload.data, reader.o.payload.last)),
            queue.i.valid.eq(has_first & reader.o.valid & ~self.clear),
            queue.flush.eq(self.clear),
            reader.o.ready.eq(~has_first | queue.i.ready),
            reader.clear.eq(self.clear),
            self.idle.eq(reader.idle),
            self.primed.eq(reader.primed),
        ]
        with m.If(~has_first):
            m.d.sync += [first.eq(reader.o.payload.data), has_first.eq(reader.o.valid)]
        with m.Elif(reader.o.valid & queue.i.ready):
            m.d.sync += has_first.eq(0)
        with m.If(self.clear):
            m.d.sync += has_first.eq(0)
        return m
