"""A PE of the chain: its registers, its element and, where it can lead a group, its feeder."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.array.element import Element
from openwork_hw.array.feeder import Feeder
from openwork_hw.array.map_station import MapStation
from openwork_hw.array.payloads import Copy, Link, RowRecordLayout, Settings, TableWrite, word_layout
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.primitives.registers import without_reset


class ProcessingElement(wiring.Component):
    """Take beats, carry them out and pass them on.

    Role
        One station of the `Chain`.
    Function
        The PE takes beats from the chain. If it is the first PE of its group, it takes beats from its own feeder while
        settings.running is high. It carries the beats out and passes them on. It counts the group number on, and adds the byte
        that it emits, its `done` and its fault to the link.
    Ports
        i : in, Link(config), from the PE before
        o : out, Link(config), to the PE after
        i_words, i_records : in, the feeder's streams; only where `number` is one of config.feeders
        o_word_own, o_word_old, i_word_above, i_word_below, o_total, i_total, o_copy : as Element's
        i_copies : in, for each value of config.copied_groups one Copy(config) per other stream
        o_look_up, i_looked_up, o_table_write : as Element's; in an array with activation tables only
    Timing
        A value at `i` is at `o` a cycle later. `done` and fault of this PE are in `o` together with the settings they belong to.
    Cost
        An element, and a feeder where `number` is one of config.feeders.
    Limits
        None.
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    i: wiring.PureInterface
    o: wiring.PureInterface
    i_words: stream.Interface
    i_records: stream.Interface
    o_word_own: data.View
    o_word_old: data.View
    i_word_above: data.View
    i_word_below: data.View
    o_total: Value
    i_total: Value
    o_copy: data.View
    i_copies: list[list[data.View]]
    o_look_up: Value
    i_looked_up: Value
    o_table_write: data.View

    def __init__(self, config: ArrayConfig, *, number: int, encodings: tuple[Encoding, ...]) -> None:
        self._config = config
        self._number = number
        self._encodings = encodings
        word = word_layout(config.lanes)
        ports = {
            "i": In(Link(config)),
            "o": Out(Link(config)),
            "o_word_own": Out(word),
            "o_word_old": Out(word),
            "i_word_above": In(word),
            "i_word_below": In(word),
            "o_total": Out(signed(config.sum_bits)),
            "i_total": In(signed(config.sum_bits)),
            "o_copy": Out(Copy(config)),
            "i_copies": In(Copy(config)).array(len(config.copied_groups), config.replicas - 1),
        }
        if config.activation_tables:
            ports |= {"o_look_up": Out(8), "i_looked_up": In(signed(8)), "o_table_write": Out(TableWrite())}
        self._has_feeder = number in config.feeders
        if self._has_feeder:
            ports["i_words"] = In(stream.Signature(WeightWord))
            ports["i_records"] = In(stream.Signature(RowRecordLayout(config)))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        m.submodules.element = element = Element(config)
        emitted, emits = element.o_byte, element.o_byte_valid
        if config.map_stations:
            m.submodules.station = station = MapStation(config)
            m.d.comb += [
                station.i.eq(self.i.maps),
                self.o.maps.eq(station.o),
                element.i_map.eq(station.o_word),
                station.taken.eq(element.map_taken),
                station.back_data.eq(element.o_back_data),
            ]

        # The registers of the chain, and where this PE stands in its group. None has a reset: idle beats and settings from the
        # sequencer put all in order.
        beat, byte, byte_valid, fault = (
            without_reset(m, getattr(self.o, name), name) for name in ("beat", "byte", "byte_valid", "fault")
        )
        settings = Signal(Settings(config), reset_less=True)
        m.d.comb += self.o.settings.eq(settings)
        if config.compact:  # all but `running` goes on at once
            running = Signal(reset_less=True)
            m.d.sync += running.eq(self.i.settings.running)
            m.d.comb += [settings.eq(self.i.settings), settings.running.eq(running)]
        else:
            m.d.sync += settings.eq(self.i.settings)
        group = Signal(range(config.pes), reset_less=True)
        is_first = Signal(reset_less=True)
        is_last = Signal(reset_less=True)
        all_before_done = Signal(reset_less=True)
        m.d.sync += [
            beat.eq(self.i.beat),
            group.eq(Mux(self.i.ends_group, 0, self.i.group + 1)),
            is_first.eq(self.i.ends_group),
            is_last.eq(
                Mux(
                    self.i.ends_group,
                    self.i.settings.single_group,
                    self.i.group == self.i.settings.last_but_one,
                )
            ),
            all_before_done.eq(self.i.done),
            byte.eq(Mux(emits, emitted, self.i.byte)),
            byte_valid.eq(emits | self.i.byte_valid),
            fault.eq(self.i.fault),
        ]
        if config.map_stations:  # One PE at a time emits, and a byte that is not valid is 0.
            m.d.sync += [
                byte.eq(Mux(emits, emitted, self.i.byte) | station.o_byte),
                byte_valid.eq(emits | self.i.byte_valid | station.o_byte_valid),
            ]
        m.d.comb += [self.o.group.eq(group), self.o.ends_group.eq(is_last), self.o.done.eq(all_before_done)]

        if self._has_feeder:
            m.submodules.feeder = feeder = Feeder(config, encodings=self._encodings)
            wiring.connect(m, wiring.flipped(self.i_words), feeder.i_words)
            wiring.connect(m, wiring.flipped(self.i_records), feeder.i_records)
            leads = Signal()
            feeds = Signal(reset_less=True)  # `leads` from registers of their own: these reach all of the feeder
            clear = Signal(init=1, reset_less=True)
            m.d.sync += [feeds.eq(leads), clear.eq(~leads)]
            m.d.comb += [
                leads.eq(settings.running & is_first),
                feeder.chain.eq(beat),
                feeder.settings.eq(settings),
                feeder.index.eq(self._number),
                feeder.clear.eq(clear),
                self.o.done.eq(all_before_done & (~leads | (~clear & feeder.done))),
            ]
            with m.If(feeds):
                m.d.sync += beat.eq(feeder.o)
            with m.If(self.i.fault.kind == StreamErrorKind.NONE):
                m.d.sync += fault.eq(feeder.fault)

        m.d.comb += [
            element.beat.eq(beat),
            element.settings.eq(settings),
            element.index.eq(self._number),
            element.group.eq(group),
            element.is_first.eq(is_first),
            element.is_last.eq(is_last),
            element.i_word_above.eq(self.i_word_above),
            element.i_word_below.eq(self.i_word_below),
            self.o_word_own.eq(element.o_word_own),
            self.o_word_old.eq(element.o_word_old),
            self.o_total.eq(element.o_total),
            element.i_total.eq(self.i_total),
            self.o_copy.eq(element.o_copy),
        ]

        if config.activation_tables:
            m.d.comb += [
                self.o_look_up.eq(element.o_look_up),
                element.i_looked_up.eq(self.i_looked_up),
                self.o_table_write.eq(element.o_table_write),
            ]

        # Copies of the streams that the map is divided into now: another division, other PEs with the same part of it.
        divided = Signal(len(config.copied_groups), reset_less=True)
        m.d.sync += divided.eq(Cat(settings.row_groups == size for size in config.copied_groups))
        for number in range(config.replicas - 1):
            arriving = Signal(Copy(config), name=f"arriving_{number}", reset_less=True)
            m.d.comb += element.i_copies[number].eq(arriving)
            m.d.sync += arriving.write.eq(0)
            for choice in range(len(config.copied_groups)):
                with m.If(divided[choice]):
                    m.d.sync += arriving.eq(self.i_copies[choice][number])
        return m
