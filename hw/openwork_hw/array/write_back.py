"""Brings outputs, loaded bytes and copies into the feature memory of a PE."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import SUM_CYCLES
from openwork_hw.array.change_delay import ChangeDelay
from openwork_hw.array.copy_receiver import CopyReceiver
from openwork_hw.array.lane_control import gathered_cycles, last_cycles
from openwork_hw.array.payloads import Beat, BeatOp, Copy, RowEnd, Settings, WordWrite, word_layout
from openwork_hw.array.write_port import WritePort
from openwork_hw.primitives.registers import without_reset


class WriteBack(wiring.Component):
    """Gather bytes to words, the first byte lowest, and hand on the words with their addresses.

    Role
        The end of an `Element`: every word that is written into its feature memory comes from here.
    Function
        If end.write is high, the word of a row's activations is written at end.address. With settings.pool, only the last PE of a
        group writes, after the pooled sum. LOAD: if is_target is high, the word of the last `lanes` bytes is written at
        beat.address with its last byte. Every word that this PE writes also goes out as a copy. A word that another PE copies to
        this PE waits for a cycle in which nothing else is written; a word of i_map waits for a cycle in which no copy is, either.
    Ports
        beat : in, Beat(config)
        settings : in, Settings(config)
        is_target, is_last : in; the PE's group is settings.target; the PE is the last of its group
        lasts : in; as LaneControl's
        activation : in, signed 8; of the lanes of a row, one after the other, up to gathered_cycles after its last beat
        end : in, RowEnd(config); of the row whose lane 0 enters the requantizer
        o : out, WordWrite(config)
        o_copy : out, Copy(config)
        i_copies : in, one Copy(config) per other stream
        i_map : in, WordWrite(config); map_taken : out; it leaves in this cycle; these two in an array with map stations only
    Timing
        A row's word at write_cycles(config) after its last beat; a loaded one 3 cycles after its last byte. No combinational path.
    Cost
        A register of a word, and those of WritePort and of a CopyReceiver for each other stream.
    Limits
        Rows end `lanes` cycles apart or more.
    """

    beat: data.View
    settings: data.View
    is_target: Value
    is_last: Value
    lasts: Value
    activation: Value
    end: data.View
    o: data.View
    o_copy: data.View
    i_copies: list[data.View]
    i_map: data.View
    map_taken: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            ({"i_map": In(WordWrite(config)), "map_taken": Out(1)} if config.map_stations else {})
            | {
                "beat": In(Beat(config)),
                "settings": In(Settings(config)),
                "is_target": In(1),
                "is_last": In(1),
                "lasts": In(last_cycles(config) + 1),
                "activation": In(signed(8)),
                "end": In(RowEnd(config)),
                "o": Out(WordWrite(config)),
                "o_copy": Out(Copy(config)),
                "i_copies": In(Copy(config)).array(config.replicas - 1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, beat, settings = self._config, self.beat, self.settings
        lanes = config.lanes
        gathered = Signal(word_layout(lanes), reset_less=True)
        gathers = Signal(reset_less=True)
        is_load = beat.op == BeatOp.LOAD
        loaded = Signal(reset_less=True)
        loaded_byte = Signal(signed(8), reset_less=True)
        load_address = Signal(config.address_bits, reset_less=True)
        m.d.sync += [
            gathers.eq(~settings.loading | is_load),
            loaded.eq(is_load & beat.last & self.is_target),
            loaded_byte.eq(beat.weight),
            load_address.eq(beat.address),
        ]
        with m.If(gathers):
            m.d.sync += gathered.eq(Cat(gathered, Mux(settings.loading, loaded_byte, self.activation))[8:])
        written = data.StructLayout({"address": config.address_bits, "write": 1})
        drain_start = SUM_CYCLES + 2
        whole = gathered_cycles(config) - 1
        m.submodules.place = place = ChangeDelay(written, use=whole - drain_start, window=1, spacing=lanes)
        m.d.comb += [
            place.i.address.eq(self.end.address),
            place.i.write.eq(self.end.write),
            place.i_change.eq(self.lasts[drain_start]),
        ]
        finishes = Signal()
        m.d.comb += finishes.eq(self.lasts[whole] & place.o.write)
        if config.global_pooling:
            with m.If(settings.pool):
                m.d.comb += finishes.eq(self.lasts[-1] & place.o.write & self.is_last)
        finished = Signal(reset_less=True)
        own_valid = Signal(reset_less=True)
        own_address = Signal(config.address_bits, reset_less=True)
        m.d.sync += [
            finished.eq(finishes),
            own_valid.eq(loaded | finishes),
            own_address.eq(Mux(loaded, load_address, place.o.address)),
        ]

        copy = without_reset(m, self.o_copy, "copy")
        m.d.sync += [copy.byte.eq(gathered[lanes - 1]), copy.write.eq(finished), copy.address.eq(own_address)]
        m.submodules.write_port = write_port = WritePort(config, sources=config.replicas + config.map_stations)
        m.d.comb += [
            write_port.i[0].valid.eq(own_valid),
            write_port.i[0].address.eq(own_address),
            write_port.i[0].word.eq(gathered),
            self.o.eq(write_port.o),
        ]
        for number in range(config.replicas - 1):
            m.submodules[f"copies_{number}"] = receiver = CopyReceiver(config)
            m.d.comb += [
                receiver.i.eq(self.i_copies[number]),
                receiver.taken.eq(write_port.taken[number + 1]),
                write_port.i[number + 1].eq(receiver.o),
            ]
        if config.map_stations:
            m.d.comb += [write_port.i[-1].eq(self.i_map), self.map_taken.eq(write_port.taken[-1])]
        return m
