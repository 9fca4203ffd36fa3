"""Hands the words of a linear image to the parts that need them."""

from amaranth.hdl import Elaboratable, Module, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.image import COMMAND_WORDS, CommandOp
from openwork_hw.arch.linear_image import MOST_RECORDS
from openwork_hw.array.payloads import RowRecordLayout, TapEntryLayout
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.image.program_reader import (
    VALUES_PER_WORD,
    command_registers,
    connect_command,
    connect_table,
    connect_tap,
    keep_word,
)
from openwork_hw.image.record_reader import record_fields
from openwork_hw.primitives.block_queue import BlockQueue
from openwork_hw.sequencing.payloads import CommandLayout

COUNT_BITS = 20
"""Bits of the number of words of a weight stream."""


class LinearReader(wiring.Component):
    """Follow the program of a linear image, one command at a time.

    Role
        Part of a `LinearRunner`: it takes the place of the program, word and record readers of an `ImageRunner`.
    Function
        Each instruction of `arch.linear_image` gives its command, its tap table entries, its row records and its weight stream; or
        its command and the values of its activation table. The
        next instruction is read when `reported` says that the command has been carried out; until then, the command's payload
        stays. At END, `done` is high until `restart`.
    Ports
        i : in, stream of 32: the words of the program
        o_commands : out, stream of CommandLayout(config); the payload holds until `reported`
        o_taps : out, stream of TapEntryLayout(config)
        o_table : out, stream of signed 8; in an array with activation tables only
        o_records : out, stream of RowRecordLayout(config)
        o_words : out, stream of WeightWord
        reported : in; high for one cycle: the command's report has been taken
        restart : in; a program begins
        done : out
    Timing
        One word per cycle. Combinational paths: from o_taps.ready and o_words.ready to i.ready.
    Cost
        A register for the fields of a command that the array needs; block memories for MOST_RECORDS records.
    Limits
        Commands are not checked: the check sum is right, and the compiler made the commands.
    Verified by
        tests/openwork_hw/test_linear_runner.py::test_a_program_that_makes_no_sense_ends_and_the_next_one_is_right
    """

    i: stream.Interface
    o_commands: stream.Interface
    o_taps: stream.Interface
    o_table: stream.Interface
    o_records: stream.Interface
    o_words: stream.Interface
    reported: Value
    restart: Value
    done: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(WORD_BITS)),
                "o_commands": Out(stream.Signature(CommandLayout(config))),
                "o_taps": Out(stream.Signature(TapEntryLayout(config))),
                "o_records": Out(stream.Signature(RowRecordLayout(config))),
                "o_words": Out(stream.Signature(WeightWord)),
                "reported": In(1),
                "restart": In(1),
                "done": Out(1),
            }
            | ({"o_table": Out(stream.Signature(signed(8)))} if config.activation_tables else {})
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        record = RowRecordLayout(self._config)
        m.submodules.records = records = BlockQueue(record, MOST_RECORDS, self._config.technology)
        wiring.connect(m, records.o, wiring.flipped(self.o_records))
        words, command = command_registers()
        place = Signal(range(COMMAND_WORDS))
        left = Signal(COUNT_BITS, reset_less=True)
        last = Signal()
        first = Signal(WORD_BITS, reset_less=True)  # of a record's two words
        second = Signal()
        word = self.i.payload
        takes = Signal()
        m.d.comb += [
            takes.eq(self.i.valid & self.i.ready),
            last.eq(left == 1),
            records.i.payload.eq(record_fields(self._config, first, word, last)),
            self.o_words.payload.data.eq(word),
            self.o_words.payload.last.eq(last),
        ]
        connect_command(m, command, self.o_commands.payload)
        connect_tap(m, word, self.o_taps.payload)

        with m.FSM():
            with m.State("COMMAND"):
                m.d.comb += self.i.ready.eq(1)
                keep_word(m, words, place, word)
                with m.If(takes):
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == COMMAND_WORDS - 1):
                        m.next = "DECIDE"

            with m.State("DECIDE"):
                m.d.sync += left.eq(command.table_entries)
                m.d.comb += self.o_commands.valid.eq(command.op != CommandOp.END)
                with m.If(command.op == CommandOp.END):
                    m.next = "DONE"
                with m.Elif(self.o_commands.ready):
                    m.next = "REPORT"
                    with m.If(command.op == CommandOp.RUN):
                        m.next = "TAPS"
                    if self._config.activation_tables:
                        with m.If(command.op == CommandOp.TABLE):
                            m.next = "TABLE"

            with m.State("TAPS"):
                m.d.comb += [self.o_taps.valid.eq(self.i.valid), self.i.ready.eq(self.o_taps.ready)]
                with m.If(takes):
                    m.d.sync += left.eq(left - 1)
                    with m.If(last):
                        m.next = "RECORD_COUNT"

            if self._config.activation_tables:
                with m.State("TABLE"):
                    m.d.comb += self.o_table.valid.eq(self.i.valid)
                    number = connect_table(m, word, left, self.o_table)
                    with m.If(self.i.valid & self.o_table.ready):
                        m.d.comb += self.i.ready.eq(number == VALUES_PER_WORD - 1)
                        m.d.sync += left.eq(left - 1)
                        with m.If(last):
                            m.next = "REPORT"

            with m.State("RECORD_COUNT"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [left.eq(word), second.eq(0)]
                with m.If(takes):
                    m.next = "RECORDS"

            # There is room: those of the pass before have all been taken.
            with m.State("RECORDS"):
                m.d.comb += [self.i.ready.eq(1), records.i.valid.eq(takes & second)]
                with m.If(takes):
                    m.d.sync += [second.eq(~second), left.eq(left - second)]
                    with m.If(~second):
                        m.d.sync += first.eq(word)
                    with m.If(second & last):
                        m.next = "WORD_COUNT"

            with m.State("WORD_COUNT"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += left.eq(word)
                with m.If(takes):
                    m.next = "WORDS"

            with m.State("WORDS"):
                m.d.comb += [self.o_words.valid.eq(self.i.valid), self.i.ready.eq(self.o_words.ready)]
                with m.If(takes):
                    m.d.sync += left.eq(left - 1)
                    with m.If(last):
                        m.next = "REPORT"

            with m.State("REPORT"):
                m.d.sync += place.eq(0)
                with m.If(self.reported):
                    m.next = "COMMAND"

            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.d.sync += place.eq(0)
                with m.If(self.restart):
                    m.next = "COMMAND"
        return m
