"""Turns the words of a program into commands, tap table entries and regions for the feeders' readers."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.image import COMMAND_FIELDS, COMMAND_WORDS, FEEDER_WORDS, RECORD_WORDS, CommandOp
from openwork_hw.arch.layouts import TAP_FIELDS
from openwork_hw.array.payloads import TapEntryLayout
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.image.memory_reader import Region
from openwork_hw.sequencing.payloads import CommandLayout

FIELDS = data.StructLayout(dict(COMMAND_FIELDS))
"""A command as the image holds it."""

TAP_LAYOUT = data.StructLayout(dict(TAP_FIELDS))
"""A tap table entry as the image holds it."""


VALUES_PER_WORD = WORD_BITS // 8
"""Values of an activation table in a word."""


def command_registers() -> tuple[list[Signal], data.View]:
    """A register for each word of a command, and the command in them, in FIELDS. Not one word after the other through all of them:
    bits that no array needs are not there."""
    words = [Signal(WORD_BITS, name=f"command_{place}", reset_less=True) for place in range(COMMAND_WORDS)]
    return words, data.View(FIELDS, Cat(words)[: FIELDS.size])


def keep_word(m: Module, words: list[Signal], place: Value, word: Value) -> None:
    """While a command is gathered: the word at hand is at `place`, as long as no other is."""
    for number, register in enumerate(words):
        with m.If(place == number):
            m.d.sync += register.eq(word)


def connect_command(m: Module, command: data.View, offered: data.View) -> None:
    """What an array needs of a command, `offered`, out of one in FIELDS."""
    for name in offered.shape().members:
        m.d.comb += offered[name].eq(command[name])


def connect_tap(m: Module, word: Value, entry: data.View) -> None:
    """A tap table entry out of its word."""
    fields = data.View(TAP_LAYOUT, word[: TAP_LAYOUT.size])
    for name in TAP_LAYOUT.members:
        m.d.comb += Value.cast(entry[name]).eq(fields[name])


def connect_table(m: Module, word: Value, left: Value, table: stream.Interface) -> Value:
    """A value of an activation table out of its word, where so many values are left; the value's number in the word."""
    number = Signal(range(VALUES_PER_WORD))
    m.d.comb += [number.eq(-left), table.payload.eq(word.word_select(number, 8))]
    return number


class ProgramReader(wiring.Component):
    """Follow a program, one instruction ahead of the sequencer.

    Role
        Part of an `ImageRunner`: it gives the `Accelerator` its commands, and each reader its regions.
    Function
        Each instruction gives the regions of its feeders (words, then records, if there are any), then the command, then its
        tap table entries, or the values of its activation table. At END, `done` is high until `restart`.
    Ports
        i : in, stream of WeightWord: the program
        o_commands : out, stream of CommandLayout(config)
        o_taps : out, stream of TapEntryLayout(config)
        o_table : out, stream of signed 8; in an array with activation tables only
        o_words, o_records : out, one stream of Region per feeder
        reported : in; the report of the command is taken, so a command that is kept may go
        restart : in; a program begins
        done : out
    Timing
        COMMAND_WORDS + FEEDER_WORDS * feeders cycles from a RUN's first word to its offer, if no reader is busy; a tap table
        entry each cycle.
    Cost
        A register of a command.
    Limits
        Commands are not checked: the check sum is right, and the compiler made the commands.
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    i: stream.Interface
    o_commands: stream.Interface
    o_taps: stream.Interface
    o_table: stream.Interface
    o_words: list[stream.Interface]
    o_records: list[stream.Interface]
    reported: Value
    restart: Value
    done: Value

    def __init__(self, config: ArrayConfig, *, keeps: bool = False) -> None:
        """`keeps`: a command stays at o_commands until its report is taken, and the next instruction is read after that."""
        self._config = config
        self._keeps = keeps
        feeders = len(config.feeders)
        super().__init__(
            {
                "i": In(stream.Signature(WeightWord)),
                "o_commands": Out(stream.Signature(CommandLayout(config))),
                "o_taps": Out(stream.Signature(TapEntryLayout(config))),
                "o_words": Out(stream.Signature(Region)).array(feeders),
                "o_records": Out(stream.Signature(Region)).array(feeders),
                "reported": In(1),
                "restart": In(1),
                "done": Out(1),
            }
            | ({"o_table": Out(stream.Signature(signed(8)))} if config.activation_tables else {})
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        words, command = command_registers()
        inputs = [Signal(WORD_BITS, name=f"input_{place}", reset_less=True) for place in range(FEEDER_WORDS)]
        place = Signal(range(COMMAND_WORDS))
        feeder = Signal(range(max(len(config.feeders), 2)), reset_less=True)
        entries_left = Signal(CommandLayout(config)["table_entries"].shape, reset_less=True)
        word = self.i.payload.data
        following = "REPORT" if self._keeps else "COMMAND"

        connect_command(m, command, self.o_commands.payload)
        connect_tap(m, word, self.o_taps.payload)
        for regions, first, scale in ((self.o_words, 0, 1), (self.o_records, 2, RECORD_WORDS)):
            for region in regions:
                m.d.comb += [
                    region.payload.address.eq(inputs[first]),
                    region.payload.words.eq(inputs[first + 1] * scale),
                ]

        with m.FSM():
            with m.State("COMMAND"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += feeder.eq(0)
                keep_word(m, words, place, word)
                with m.If(self.i.valid):
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == COMMAND_WORDS - 1):
                        m.d.sync += place.eq(0)
                        m.next = "DECIDE"

            with m.State("DECIDE"):
                with m.If(command.op == CommandOp.END):
                    m.next = "DONE"
                with m.Elif(command.op == CommandOp.RUN):
                    m.next = "FEEDER"
                with m.Else():
                    m.next = "OFFER"

            with m.State("FEEDER"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += place.eq(place + 1)
                    for number in range(FEEDER_WORDS):
                        with m.If(place == number):
                            m.d.sync += inputs[number].eq(word)
                    with m.If(place == FEEDER_WORDS - 1):
                        m.d.sync += place.eq(0)
                        m.next = "WORDS"

            # A reader that is still busy with the pass before makes all wait; a count of 0 means that this one gets nothing.
            for state, regions, number, then in (
                ("WORDS", self.o_words, 1, "RECORDS"),
                ("RECORDS", self.o_records, 3, "NEXT"),
            ):
                with m.State(state):
                    with m.Switch(feeder):
                        for index, region in enumerate(regions):
                            with m.Case(index):
                                m.d.comb += region.valid.eq(inputs[number] != 0)
                                with m.If((inputs[number] == 0) | region.ready):
                                    m.next = then

            with m.State("NEXT"):
                m.d.sync += feeder.eq(feeder + 1)
                m.next = "FEEDER"
                with m.If(feeder == len(config.feeders) - 1):
                    m.next = "OFFER"

            with m.State("OFFER"):
                m.d.comb += self.o_commands.valid.eq(1)
                m.d.sync += entries_left.eq(command.table_entries)
                with m.If(self.o_commands.ready):
                    m.next = following
                    with m.If(command.op == CommandOp.RUN):
                        m.next = "TAPS"
                    if config.activation_tables:
                        with m.If(command.op == CommandOp.TABLE):
                            m.next = "TABLE"

            with m.State("TAPS"):
                m.d.comb += [self.o_taps.valid.eq(self.i.valid), self.i.ready.eq(self.o_taps.ready)]
                with m.If(self.i.valid & self.o_taps.ready):
                    m.d.sync += entries_left.eq(entries_left - 1)
                    with m.If(entries_left == 1):
                        m.next = following

            if config.activation_tables:
                with m.State("TABLE"):
                    m.d.comb += self.o_table.valid.eq(self.i.valid)
                    number = connect_table(m, word, entries_left, self.o_table)
                    with m.If(self.i.valid & self.o_table.ready):
                        m.d.comb += self.i.ready.eq(number == VALUES_PER_WORD - 1)
                        m.d.sync += entries_left.eq(entries_left - 1)
                        with m.If(entries_left == 1):
                            m.next = following

            if self._keeps:
                with m.State("REPORT"):
                    with m.If(self.reported):
                        m.next = "COMMAND"

            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                # What follows the program in the last words that were read ahead.
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += place.eq(0)
                with m.If(self.restart):
                    m.next = "COMMAND"
        return m
