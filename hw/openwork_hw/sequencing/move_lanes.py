"""Chooses the bytes of a MOVE and computes their addresses."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.sequencing.payloads import CommandLayout


class MoveLanes(wiring.Component):
    """Follow the bytes that come back for a MOVE: bytes of the wanted lanes are used `lanes` times each, the others are dropped.

    Role
        Part of the `Sequencer`, which makes LOAD beats of the bytes that are wanted.
    Function
        The current byte is wanted if its lane is one of the move_lanes lanes from first_lane on. With `loaded`, wanted byte n of
        word k goes to address = move_target + k * word_step + n * lane_step.
    Ports
        i : in, CommandLayout(config); follow : in; a MOVE begins with the command at `i`
        word_step, lane_step : in; of the MOVE that is carried out
        valid : in; there is a byte
        pauses : in; the byte cannot be used in this cycle
        last_lane : in; the current beat is the last of its word
        moved : out; the byte is wanted
        drop : out; the byte leaves
        address : out
    Timing
        Addresses are worked out a cycle ahead. Combinational paths: valid, pauses and last_lane to moved and drop.
    Cost
        Two adders and four registers of an address; in a compact array, and with one lane, three.
    Limits
        Words come a period of the command apart (`arch.image.move_period`), so all bytes of a word are used or dropped before the
        bytes of the next word come.
    """

    i: data.View
    follow: Value
    word_step: Value
    lane_step: Value
    valid: Value
    pauses: Value
    last_lane: Value
    moved: Value
    drop: Value
    address: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(CommandLayout(config)),
                "follow": In(1),
                "word_step": In(config.address_bits + 1),
                "lane_step": In(config.address_bits + 1),
                "valid": In(1),
                "pauses": In(1),
                "last_lane": In(1),
                "moved": Out(1),
                "drop": Out(1),
                "address": Out(config.address_bits),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, offered = self._config, self.i
        source_lane = Signal(range(max(config.lanes, 2)), reset_less=True)
        last_source = Signal(reset_less=True)
        wanted = Signal(config.lanes, reset_less=True)  # one bit per lane, that of the next byte lowest
        move_base = Signal(config.address_bits, reset_less=True)
        next_base = Signal(config.address_bits, reset_less=True)
        move_address = Signal(config.address_bits, reset_less=True)
        next_address = Signal(config.address_bits, reset_less=True)
        m.d.sync += next_base.eq(move_base + self.word_step)
        # A cycle ahead, too, where there is one between two words.
        ahead = m.d.sync if config.lanes > 1 and not config.compact else m.d.comb
        ahead += next_address.eq(move_address + self.lane_step)
        m.d.comb += [
            self.moved.eq(self.valid & wanted[0]),
            self.drop.eq(self.valid & ~self.pauses & (~wanted[0] | self.last_lane)),
            self.address.eq(move_address),
        ]
        with m.If(self.moved & ~self.pauses & self.last_lane):
            m.d.sync += move_address.eq(next_address)
        with m.If(self.drop):
            m.d.sync += [
                source_lane.eq(source_lane + 1),
                last_source.eq(source_lane == config.lanes - 2),
                wanted.eq(wanted.rotate_right(1)),
            ]
            with m.If(last_source):
                m.d.sync += [
                    source_lane.eq(0),
                    last_source.eq(config.lanes == 1),
                    move_base.eq(next_base),
                    move_address.eq(next_base),
                ]
        with m.If(self.follow):
            m.d.sync += [
                source_lane.eq(0),
                last_source.eq(config.lanes == 1),
                wanted.eq(Cat(offered.move_lanes > lane for lane in range(config.lanes)) << offered.first_lane),
                move_base.eq(offered.move_target),
                move_address.eq(offered.move_target),
            ]
        return m
