"""Counts what is left of a command."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.sequencing.payloads import CommandLayout, entry_bits


class CommandCounters(wiring.Component):
    """Count a command's words, the lanes of a word, and the entries of a tap table or the values of an activation table.

    Role
        Part of the `Sequencer`, which says in each cycle what is done.
    Function
        While `follow` is high, the counters take the values of the command at `i`. Then each counter counts with its own signal.
    Ports
        i : in, CommandLayout(config); follow : in
        word_done, byte_done, entry_done : in
        address : out; of the next word; entry : out; number of the next tap table entry or value
        more : out; a word is left
        last_word, last_lane, last_entry : out; the next word, lane or entry is the last
    Timing
        The next values of the counters are worked out a cycle ahead. No combinational path but from words to more.
    Cost
        Five counters.
    Limits
        `follow` two cycles or more before anything is done.
    """

    i: data.View
    follow: Value
    word_done: Value
    byte_done: Value
    entry_done: Value
    address: Value
    entry: Value
    more: Value
    last_word: Value
    last_lane: Value
    last_entry: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(CommandLayout(config)),
                "follow": In(1),
                "word_done": In(1),
                "byte_done": In(1),
                "entry_done": In(1),
                "address": Out(config.address_bits),
                "entry": Out(entry_bits(config)),
                "more": Out(1),
                "last_word": Out(1),
                "last_lane": Out(1),
                "last_entry": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        words_left = Signal(config.address_bits + 1, reset_less=True)
        address = Signal(config.address_bits, reset_less=True)
        entries_left = Signal(entry_bits(config) + 1, reset_less=True)
        entry = Signal(entry_bits(config), reset_less=True)
        lane = Signal(range(max(config.lanes, 2)), reset_less=True)
        last_lane, last_word, last_entry = (
            Signal(name=name, reset_less=True) for name in ("last_lane", "last_word", "last_entry")
        )
        m.d.comb += [
            self.address.eq(address),
            self.entry.eq(entry),
            self.more.eq(words_left != 0),
            self.last_word.eq(last_word),
            self.last_lane.eq(last_lane),
            self.last_entry.eq(last_entry),
        ]
        m.d.sync += [last_word.eq(words_left == 1), last_entry.eq(entries_left == 1)]
        with m.If(self.word_done):
            m.d.sync += [words_left.eq(words_left - 1), address.eq(address + 1), last_word.eq(words_left == 2)]
        with m.If(self.entry_done):
            m.d.sync += [entries_left.eq(entries_left - 1), entry.eq(entry + 1), last_entry.eq(entries_left == 2)]
        with m.If(self.byte_done):
            m.d.sync += [lane.eq(lane + 1), last_lane.eq(lane == config.lanes - 2)]
            with m.If(last_lane):
                m.d.sync += [lane.eq(0), last_lane.eq(config.lanes == 1)]
        with m.If(self.follow):
            m.d.sync += [
                words_left.eq(self.i.words),
                address.eq(self.i.address),
                entries_left.eq(self.i.table_entries),
                entry.eq(0),
                lane.eq(0),
                last_lane.eq(config.lanes == 1),
            ]
        return m
