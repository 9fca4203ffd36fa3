"""Turns commands into what happens on the chain."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import COLUMN_BITS, ArrayConfig
from openwork_hw.arch.image import COMMAND_FIELDS, CommandOp
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.arch.timing import FIRST_LANE_CYCLES, row_spacing, write_cycles
from openwork_hw.array.payloads import Beat, BeatOp, Link, Neighbour, StreamFault, TapEntryLayout
from openwork_hw.decoder.payloads import TAP_BITS

CYCLE_BITS = 32
"""Bits of the cycle counter in a report."""

PERIOD_BITS = dict(COMMAND_FIELDS)["period"]
"""Bits of a MOVE's cycles from word to word."""


class CommandLayout(data.StructLayout):
    """The fields of `arch.image.COMMAND_FIELDS`, as wide as this array needs them. `target` is LOAD's group.

    RUN: turn_base = (hold - 2) << tap_bits, or single_pixel where hold is 1; `address` is the output's base. MOVE: output_stride
    is its word_step, channels its lane_step.
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "op": 3,
                "operation": 2,
                "row_groups": range(config.pes + 1),
                "target": range(config.pes),
                "pe": range(config.pes),
                "address": config.address_bits,
                "words": config.address_bits + 1,
                "table_entries": config.tap_index_bits + 1,
                "tap_bits": range(TAP_BITS + 1),
                "channels": config.address_bits + 1,
                "channel_bits": range(COLUMN_BITS + 1),
                "columns": COLUMN_BITS + 1,
                "turn_base": config.tap_index_bits,
                "single_pixel": 1,
                "output_stride": config.address_bits + 1,
                "pad": signed(8),
                "low": signed(8),
                "high": signed(8),
                "fill": signed(8),
                "full_lanes": range(config.lanes + 1),
                "full_groups": range(config.pes + 1),
                "first_lane": range(config.lanes),
                "move_lanes": range(config.lanes + 1),
                "move_target": config.address_bits,
                "period": PERIOD_BITS,
            }
        )


class Report(data.StructLayout):
    """The answer to a command: cycles it took, and the fault that has been kept since the last CLEAR."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"cycles": CYCLE_BITS, "fault": StreamFault(config)})


class Sequencer(wiring.Component):
    """Carry out commands one after the other.

    Function
        LOAD: `words` x lanes bytes of i_features go to `address` .. of every PE of group `target`, as LOAD beats.
        RUN: `table_entries` entries of i_taps become TABLE beats; then settings.running is high until the chain is done.
        STORE: one MAC beat by 1 for each word of PE `pe`, with an identity requantization; the bytes that it emits go to
        o_features. MOVE: likewise, and those of the lanes asked for come back as LOAD beats, once for each lane. CLEAR: the sticky
        fault is forgotten. Each command is answered by one report.
    Ports
        i_commands : in, stream of CommandLayout(config)
        i_taps : in, stream of TapEntryLayout(config)
        i_features : in, stream of signed 8, lane 0 of a word first
        o_features : out, stream of signed 8, lane 0 of a word first
        o_reports : out, stream of Report(config)
        o_chain : out, Link(config), to the first PE
        i_chain : in, Link(config), from the last PE
    Timing
        LOAD and STORE move at most one byte a cycle. The cycles of a report are counted from the cycle after the command was taken
        to the cycle before the report is offered. The first command is taken when a reset has passed along the chain. No
        combinational path.
    Cost
        A queue as long as the chain's way there and back.
    Limits
        Commands are not checked: software does it (`arch.commands.check_command`).
    """

    i_commands: stream.Interface
    i_taps: stream.Interface
    i_features: stream.Interface
    o_features: stream.Interface
    o_reports: stream.Interface
    o_chain: wiring.PureInterface
    i_chain: wiring.PureInterface

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_commands": In(stream.Signature(CommandLayout(config))),
                "i_taps": In(stream.Signature(TapEntryLayout(config))),
                "i_features": In(stream.Signature(signed(8))),
                "o_features": Out(stream.Signature(signed(8))),
                "o_reports": Out(stream.Signature(Report(config))),
                "o_chain": Out(Link(config)),
                "i_chain": In(Link(config)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        command = Signal(CommandLayout(config), reset_less=True)
        words_left = Signal(config.address_bits + 1, reset_less=True)
        address = Signal(config.address_bits, reset_less=True)
        entries_left = Signal(config.tap_index_bits + 1, reset_less=True)
        entry = Signal(config.tap_index_bits, reset_less=True)
        lane = Signal(range(max(config.lanes, 2)), reset_less=True)
        last_lane = Signal(reset_less=True)
        # What the counters say next is worked out a cycle ahead.
        word_done = Signal()
        last_word = Signal(reset_less=True)
        entry_done = Signal()
        last_entry = Signal(reset_less=True)
        m.d.sync += [last_word.eq(words_left == 1), last_entry.eq(entries_left == 1)]
        with m.If(word_done):
            m.d.sync += [words_left.eq(words_left - 1), address.eq(address + 1), last_word.eq(words_left == 2)]
        with m.If(entry_done):
            m.d.sync += [entries_left.eq(entries_left - 1), last_entry.eq(entries_left == 2)]

        # The last PE may be far away: what it says takes two hops.
        done, byte_valid = Signal(2), Signal(2)
        bytes_back = [Signal(signed(8), name=f"byte_{hop}", reset_less=True) for hop in range(2)]
        faults = [Signal(StreamFault(config), name=f"fault_{hop}", reset_less=True) for hop in range(2)]
        m.d.sync += [
            done.eq(Cat(self.i_chain.done, done)),
            byte_valid.eq(Cat(self.i_chain.byte_valid, byte_valid)),
            bytes_back[0].eq(self.i_chain.byte),
            bytes_back[1].eq(bytes_back[0]),
            faults[0].eq(self.i_chain.fault),
            faults[1].eq(faults[0]),
        ]

        # The chain has no reset: after one, nothing is asked of it until idle beats have put it in order.
        flush_cycles = config.pes + write_cycles(config.lanes) + 2 * config.lanes + len(done)
        flushing = Signal(range(flush_cycles + 1), init=flush_cycles)

        # What STORE asked for and has not been taken yet fits the queue: the chain cannot wait.
        queue_depth = 1 << (config.pes + FIRST_LANE_CYCLES + 3 * config.lanes + len(done)).bit_length()
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=8, depth=queue_depth)
        promised = Signal(range(queue_depth + 1))
        room = Signal()
        promise = Signal()
        moving = Signal(reset_less=True)  # the bytes that come back are a MOVE's
        moved = Signal()  # one of them goes to all PEs
        drop = Signal()  # it leaves the queue
        m.d.comb += [
            queue.w_data.eq(bytes_back[-1]),
            queue.w_en.eq(byte_valid[-1] & (flushing == 0)),
            self.o_features.payload.eq(queue.r_data),
            self.o_features.valid.eq(queue.r_rdy & ~moving),
            queue.r_en.eq(Mux(moving, drop, self.o_features.ready)),
        ]

        # MOVE: bytes of the lanes that are asked for become LOAD beats, `lanes` each. A cycle that asks for the next word of the
        # emitter has no place for one: with words a period apart, all bytes of a word are through before the next one's come.
        source_lane = Signal(range(max(config.lanes, 2)), reset_less=True)
        wanted_left = Signal(range(config.lanes + 1), reset_less=True)
        move_base = Signal(config.address_bits, reset_less=True)
        move_address = Signal(config.address_bits, reset_less=True)
        wanted = Signal()
        m.d.comb += [
            wanted.eq((source_lane >= command.first_lane) & (wanted_left != 0)),
            moved.eq(queue.r_rdy & wanted),
            drop.eq(moving & queue.r_rdy & ~promise & (~wanted | last_lane)),
        ]
        with m.If(moving & moved & ~promise):
            m.d.sync += [lane.eq(lane + 1), last_lane.eq(lane == config.lanes - 2)]
            with m.If(last_lane):
                m.d.sync += [
                    lane.eq(0),
                    last_lane.eq(config.lanes == 1),
                    wanted_left.eq(wanted_left - 1),
                    move_address.eq(move_address + command.channels),
                ]
        with m.If(drop):
            m.d.sync += source_lane.eq(source_lane + 1)
            with m.If(source_lane == config.lanes - 1):
                m.d.sync += [
                    source_lane.eq(0),
                    wanted_left.eq(command.move_lanes),
                    move_base.eq(move_base + command.output_stride),
                    move_address.eq(move_base + command.output_stride),
                ]

        spacing = row_spacing(config.lanes)
        wait = Signal(PERIOD_BITS)
        rested = Signal()  # wait is 0
        storing = Signal()  # the state is STORE
        more = Signal()
        taken = Signal()
        m.d.sync += [
            # A cycle late, which is early enough: promises are `spacing` cycles apart, and two of them fit.
            room.eq(promised <= queue_depth - 2 * config.lanes),
            more.eq(words_left != 0),
            taken.eq(queue.r_rdy & queue.r_en),
            promised.eq(promised + Mux(promise, config.lanes, 0) - taken),
        ]
        m.d.comb += promise.eq(storing & room & more & rested)
        m.d.sync += rested.eq(wait <= 1)
        with m.If(promise):
            m.d.sync += [wait.eq(Mux(moving, command.period, spacing) - 1), rested.eq(0)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)

        # To the chain: a reset clears what starts something.
        beat = Signal(Beat(config))
        sent = Signal(Beat(config), reset_less=True)
        sent_op = Signal(BeatOp)
        settings = self.o_chain.settings
        m.d.sync += [sent.eq(beat), sent_op.eq(beat.op)]
        m.d.comb += [
            self.o_chain.beat.eq(sent),
            self.o_chain.beat.op.eq(sent_op),
            self.o_chain.done.eq(settings.running),
        ]
        fault = Signal(StreamFault(config))
        cycles = Signal(CYCLE_BITS, reset_less=True)
        m.d.comb += [self.o_reports.payload.fault.eq(fault), self.o_reports.payload.cycles.eq(cycles)]
        m.d.sync += cycles.eq(cycles + 1)
        with m.FSM():
            with m.State("FLUSH"):
                m.d.sync += flushing.eq(flushing - 1)
                with m.If(flushing == 1):
                    m.next = "IDLE"

            with m.State("IDLE"):
                m.d.comb += self.i_commands.ready.eq(1)
                incoming = self.i_commands.payload
                m.d.sync += [
                    command.eq(incoming),
                    words_left.eq(incoming.words),
                    address.eq(incoming.address),
                    entries_left.eq(incoming.table_entries),
                    entry.eq(0),
                    lane.eq(0),
                    last_lane.eq(config.lanes == 1),
                    source_lane.eq(0),
                    wanted_left.eq(incoming.move_lanes),
                    move_base.eq(incoming.move_target),
                    move_address.eq(incoming.move_target),
                    cycles.eq(0),
                ]
                with m.If(self.i_commands.valid):
                    m.next = "SETTINGS"

            with m.State("SETTINGS"):
                is_run = command.op == CommandOp.RUN
                m.d.sync += [
                    settings.loading.eq((command.op == CommandOp.LOAD) | (command.op == CommandOp.MOVE)),
                    settings.output_base.eq(command.address),
                    settings.low.eq(Mux(is_run, command.low, ACTIVATION_MIN)),
                    settings.high.eq(Mux(is_run, command.high, ACTIVATION_MAX)),
                    settings.maximum.eq(is_run & (command.operation == Operation.MAX)),
                    settings.pool.eq(is_run & (command.operation == Operation.POOL)),
                    settings.full_lanes.eq(Mux(is_run, command.full_lanes, config.lanes)),
                    settings.full_groups.eq(Mux(is_run, command.full_groups, config.pes)),
                    settings.emitter.eq(command.pe),
                    moving.eq(command.op == CommandOp.MOVE),
                ]
                for name in ("row_groups", "target", "tap_bits", "channels", "channel_bits", "columns", "fill"):
                    m.d.sync += settings[name].eq(command[name])
                for name in ("turn_base", "single_pixel", "output_stride", "pad"):
                    m.d.sync += settings[name].eq(command[name])
                with m.Switch(command.op):
                    with m.Case(CommandOp.LOAD):
                        m.next = "LOAD"
                    with m.Case(CommandOp.RUN):
                        m.next = "TABLE"
                    with m.Case(CommandOp.STORE, CommandOp.MOVE):
                        m.d.sync += storing.eq(1)
                        m.next = "STORE"
                    with m.Case(CommandOp.CLEAR):
                        m.d.sync += fault.eq(0)
                        m.next = "REPORT"

            with m.State("LOAD"):
                m.d.comb += [
                    self.i_features.ready.eq(1),
                    beat.op.eq(Mux(self.i_features.valid, BeatOp.LOAD, BeatOp.IDLE)),
                    beat.address.eq(address),
                    beat.weight.eq(self.i_features.payload),
                    beat.last.eq(last_lane),
                ]
                with m.If(self.i_features.valid):
                    m.d.sync += [lane.eq(lane + 1), last_lane.eq(lane == config.lanes - 2)]
                    with m.If(last_lane):
                        m.d.comb += word_done.eq(1)
                        m.d.sync += [lane.eq(0), last_lane.eq(config.lanes == 1)]
                        with m.If(last_word):
                            m.next = "REPORT"

            with m.State("STORE"):
                # A beat each time the lanes of the word before have drained.
                m.d.comb += [
                    word_done.eq(promise),
                    beat.op.eq(Mux(promise, BeatOp.MAC, BeatOp.IDLE)),
                    beat.address.eq(address),
                    beat.weight.eq(1),
                    beat.lane_shift.eq(Neighbour.HERE),
                    beat.pe_shift.eq(Neighbour.HERE),
                    beat.first.eq(1),
                    beat.last.eq(1),
                    beat.end.emit.eq(1),
                ]
                with m.If(moving & ~promise):
                    m.d.comb += [
                        beat.op.eq(Mux(moved, BeatOp.LOAD, BeatOp.IDLE)),
                        beat.address.eq(move_address),
                        beat.weight.eq(queue.r_data),
                        beat.last.eq(last_lane),
                    ]
                with m.If(~more & (words_left == 0) & (promised == 0)):
                    m.d.sync += storing.eq(0)
                    m.next = "REPORT"

            with m.State("TABLE"):
                m.d.comb += [
                    self.i_taps.ready.eq(1),
                    beat.op.eq(Mux(self.i_taps.valid, BeatOp.TABLE, BeatOp.IDLE)),
                    beat.address.eq(self.i_taps.payload.address),
                    beat.lane_shift.eq(self.i_taps.payload.lane_shift),
                    beat.pe_shift.eq(self.i_taps.payload.pe_shift),
                    beat.beyond_right.eq(self.i_taps.payload.beyond_right),
                    beat.beyond_bottom.eq(self.i_taps.payload.beyond_bottom),
                    beat.end.offset.eq(entry),
                ]
                with m.If(self.i_taps.valid):
                    m.d.sync += entry.eq(entry + 1)
                    m.d.comb += entry_done.eq(1)
                    with m.If(last_entry):
                        m.next = "START"

            with m.State("START"):
                m.d.sync += settings.running.eq(1)
                m.next = "RUN"

            with m.State("RUN"):
                with m.If(done[-1]):
                    m.d.sync += settings.running.eq(0)
                    with m.If(fault.kind == StreamErrorKind.NONE):
                        m.d.sync += fault.eq(faults[-1])
                    m.next = "STOP"

            with m.State("STOP"):
                # `running` falls along the chain, and `done` behind it.
                with m.If(~done[-1]):
                    m.next = "REPORT"

            with m.State("REPORT"):
                m.d.sync += cycles.eq(cycles)
                m.d.comb += self.o_reports.valid.eq(1)
                with m.If(self.o_reports.ready):
                    m.next = "IDLE"
        return m
