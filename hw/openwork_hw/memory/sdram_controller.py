"""A controller for an SDR SDRAM chip."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.sdram import MODE_CAS_BIT, PRECHARGE_BIT, Command, SdramConfig
from openwork_hw.memory.payloads import SdramPins, SdramRequest
from openwork_hw.memory.refresh_timer import RefreshTimer
from openwork_hw.memory.sdram_port import SdramPort
from openwork_hw.memory.sdram_start import SdramStart


class SdramController(wiring.Component):
    """Read and write an SDR SDRAM chip in bursts within one row, in cycles that are known beforehand.

    Role
        Everything that a board keeps in its SDRAM passes here: weights, programs, maps, inputs and outputs.
    Function
        Requests are served one by one: the row is opened, each beat reads or writes one word, the last beat closes the row. Between
        requests the chip is refreshed whenever a refresh is due. A write whose words do not come while a refresh is due closes the
        row, refreshes, and goes on.
    Ports
        i_requests : in, stream of SdramRequest(chip); taken with the last beat
        i_words : in, stream of data_bits; the words of writes, in the order of the requests
        o_words : out, stream of data_bits; the words of reads. Its `ready` is not looked at: whoever asks has room
        restart : in; where `idle` is 1, refreshes at once and begins the interval of refreshes anew, so that from here on the same
            requests take the same cycles
        idle : out; no request is there, no refresh is due, and all rows are closed
        pins : out, SdramPins(chip)
    Timing
        `arch.sdram.burst_cycles` gives the cycle of every beat. From ACTIVATE to the first beat tRCD; a beat per cycle; the next
        request's ACTIVATE is the cycle after the last beat, unless its row lies in the same bank. A read's word is on `o_words`
        `read_latency` cycles after its beat. No request waits longer than `refresh_delay` for a refresh and the words before it.
        After reset, the start-up takes some 40 intervals. Combinational paths: from i_words.valid to i_requests.ready.
    Cost
        Two counters of a row's columns, one of the refresh interval, registers at the pins.
    Limits
        A burst that is longer than what is left of its row goes on at the row's begin. A write may wait for its words; each such
        cycle is lost. `i_words` of a write are not taken before its row is open.
    """

    i_requests: stream.Interface
    i_words: stream.Interface
    o_words: stream.Interface
    restart: Signal
    idle: Signal
    pins: wiring.PureInterface

    def __init__(self, config: SdramConfig) -> None:
        self._config = config
        chip = config.chip
        super().__init__(
            {
                "i_requests": In(stream.Signature(SdramRequest(chip))),
                "i_words": In(stream.Signature(chip.data_bits)),
                "o_words": Out(stream.Signature(chip.data_bits)),
                "restart": In(1),
                "idle": Out(1),
                "pins": Out(SdramPins(chip)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, chip = self._config, self._config.chip
        m.submodules.start = start = SdramStart(config)
        m.submodules.timer = timer = RefreshTimer(config.refresh_interval)
        m.submodules.port = port = SdramPort(config)
        wiring.connect(m, wiring.flipped(self.pins), port.pins)
        request, words = self.i_requests.payload, self.i_words
        due = Signal()
        m.d.comb += [
            start.tick.eq(timer.tick),
            due.eq(timer.owed != 0),
            port.i_word.eq(words.payload),
            port.masked.eq(~start.done),
            self.o_words.payload.eq(port.o_word),
            self.o_words.valid.eq(port.o_valid),
        ]

        # Cycles since the row was opened, or since a refresh or the mode register, as far as anyone waits for them.
        rest = max(config.trfc, config.tmrd) - 1
        most = max(rest, config.open_cycles, config.trcd)
        since = Signal(range(most + 1))
        # Whether a beat may come, and whether the last one may: known a cycle ahead, because much waits for what depends on them.
        opened, long_open = Signal(), Signal()
        m.d.sync += [
            since.eq(Mux(since == most, most, since + 1)),
            opened.eq(since + 1 >= config.trcd),
            long_open.eq(since + 2 >= config.open_cycles),
        ]

        # Cycles until the bank that was used last is closed.
        after_write, after_read = config.twr + config.trp, 1 + config.trp
        until, closed, bank = Signal(range(max(after_write, after_read))), Signal(), Signal(chip.bank_bits)
        m.d.comb += closed.eq(until == 0)
        m.d.sync += until.eq(Mux(closed, 0, until - 1))

        column, left, beat = Signal(chip.column_bits), Signal(chip.column_bits), Signal()
        last = Signal()  # left is 0
        in_burst = Signal()
        fresh = Signal(init=1)  # the request's row has not been opened yet
        with m.FSM():
            with m.State("START"):
                m.d.comb += [port.command.eq(start.command), timer.refreshed.eq(timer.tick)]
                m.d.sync += since.eq(1)
                with m.If(start.done):
                    m.next = "REST"

            with m.State("REST"):
                with m.If(since >= rest):
                    m.next = "IDLE"

            with m.State("IDLE"):
                m.d.comb += [
                    self.idle.eq(closed & ~due & ~self.i_requests.valid),
                    timer.restart.eq(self.restart & self.idle),
                ]
                m.d.sync += [since.eq(1), opened.eq(config.trcd <= 1), long_open.eq(config.open_cycles <= 2)]
                with m.If(due):
                    with m.If(closed):
                        m.d.comb += [port.command.eq(Command.REFRESH), timer.refreshed.eq(1)]
                        m.next = "REST"
                with m.Elif(self.i_requests.valid & (closed | (request.address.bank != bank))):
                    m.d.comb += port.command.eq(Command.ACTIVATE)
                    m.d.sync += [bank.eq(request.address.bank), fresh.eq(0)]
                    with m.If(fresh):
                        m.d.sync += [
                            column.eq(request.address.column),
                            left.eq(request.further),
                            last.eq(request.further == 0),
                        ]
                    m.next = "BURST"

            with m.State("BURST"):
                ready = Signal()
                m.d.comb += [
                    in_burst.eq(1),
                    ready.eq(opened & (~last | long_open)),
                    words.ready.eq(ready & request.write & ~port.busy),
                    beat.eq(Mux(request.write, words.ready & words.valid, ready)),
                    self.i_requests.ready.eq(beat & last),
                ]
                with m.If(beat):
                    m.d.comb += port.command.eq(Mux(request.write, Command.WRITE, Command.READ))
                    m.d.sync += [column.eq(column + 1), left.eq(left - 1), last.eq(left == 1)]
                    m.d.sync += until.eq(Mux(request.write, after_write - 1, after_read - 1))
                    with m.If(last):
                        m.d.sync += fresh.eq(1)
                        m.next = "IDLE"
                with m.Elif(due & request.write & ~words.valid & (since >= config.open_cycles) & (until <= config.trp)):
                    m.d.comb += port.command.eq(Command.PRECHARGE)
                    m.d.sync += until.eq(config.trp - 1)
                    m.next = "IDLE"

        # A row, a column with the bit that closes its row, or a constant of the start-up; without a command, anything.
        m.d.comb += port.bank.eq(request.address.bank)
        with m.If(~start.done):
            mode = Mux(start.command == Command.MODE, config.cas << MODE_CAS_BIT, 1 << PRECHARGE_BIT)
            m.d.comb += [port.address.eq(mode), port.bank.eq(0)]
        with m.Elif(in_burst):
            m.d.comb += port.address.eq(column | last << PRECHARGE_BIT)
        with m.Else():
            m.d.comb += port.address.eq(request.address.row)
        return m
