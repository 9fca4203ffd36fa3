"""Turns commands into what happens on the chain."""

from typing import Any

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import COLUMN_BITS, ArrayConfig
from openwork_hw.arch.image import CommandOp
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.arch.timing import BACK_HOPS, LOADED_CYCLES, held_cycles, promised_bytes, row_spacing, write_cycles
from openwork_hw.array.payloads import Beat, BeatOp, Link, Neighbour, Settings, StreamFault, TapEntryLayout
from openwork_hw.decoder.payloads import TAP_BITS
from openwork_hw.stream.output_buffer import OutputBuffer

CYCLE_BITS = 32
"""Bits of the cycle counter in a report."""


def period_bits(config: ArrayConfig) -> int:
    """Bits of a MOVE's cycles from word to word, which are the most where it takes all lanes (`arch.image.move_period`)."""
    return max(config.row_spacing, 1 + config.single_port + config.lanes**2).bit_length()


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
                "period": period_bits(config),
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
        LOAD and STORE move at most one byte a cycle. The cycles of a report are counted from the cycle in which the command is
        taken to the cycle before the report is offered. The first command is taken when a reset has passed along the chain. No
        combinational path.
    Cost
        A queue as long as the chain's way there and back.
    Limits
        Commands are not checked: software does it (`arch.commands.check_command`). A reset lasts two cycles or more. A command of a
        compact array stays at i_commands until its report is taken: it is not kept here again.
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
        settings = Signal(Settings(config))
        running = Signal()
        m.d.comb += [self.o_chain.settings.eq(settings), self.o_chain.settings.running.eq(running)]
        period = Signal(period_bits(config), reset_less=True)
        words_left = Signal(config.address_bits + 1, reset_less=True)
        address = Signal(config.address_bits, reset_less=True)
        entries_left = Signal(config.tap_index_bits + 1, reset_less=True)
        entry = Signal(config.tap_index_bits, reset_less=True)
        lane = Signal(range(max(config.lanes, 2)), reset_less=True)
        last_lane = Signal(reset_less=True)
        # What the counters say next is worked out a cycle ahead.
        word_done, entry_done, byte_done = Signal(), Signal(), Signal()
        last_word = Signal(reset_less=True)
        last_entry = Signal(reset_less=True)
        m.d.sync += [last_word.eq(words_left == 1), last_entry.eq(entries_left == 1)]
        with m.If(word_done):
            m.d.sync += [words_left.eq(words_left - 1), address.eq(address + 1), last_word.eq(words_left == 2)]
        with m.If(entry_done):
            m.d.sync += [entries_left.eq(entries_left - 1), entry.eq(entry + 1), last_entry.eq(entries_left == 2)]
        with m.If(byte_done):
            m.d.sync += [lane.eq(lane + 1), last_lane.eq(lane == config.lanes - 2)]
            with m.If(last_lane):
                m.d.sync += [lane.eq(0), last_lane.eq(config.lanes == 1)]

        # The last PE may be far away: what it says takes several hops.
        done, byte_valid = Signal(BACK_HOPS), Signal(BACK_HOPS)
        bytes_back = [self.i_chain.byte]
        faults = [self.i_chain.fault]
        for hop in range(BACK_HOPS):
            bytes_back.append(Signal(signed(8), name=f"byte_{hop}", reset_less=True))
            faults.append(Signal(StreamFault(config), name=f"fault_{hop}", reset_less=True))
            m.d.sync += [bytes_back[-1].eq(bytes_back[-2]), faults[-1].eq(faults[-2])]
        if config.compact:
            faults.append(self.i_chain.fault)
        m.d.sync += [
            done.eq(Cat(self.i_chain.done, done)),
            byte_valid.eq(Cat(self.i_chain.byte_valid, byte_valid)),
        ]

        # The chain has no reset: after one, nothing is asked of it until idle beats have put it in order.
        flush_cycles = config.pes + write_cycles(config.lanes) + 2 * config.lanes + len(done)
        flushing = Signal(range(flush_cycles + 1), init=flush_cycles)
        flushed = Signal()

        # What STORE asked for and has not been taken yet fits the queue: the chain cannot wait.
        queue_depth = 1 << (promised_bytes(config) + 2 * config.lanes - 1).bit_length()
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=8, depth=queue_depth)
        m.submodules.came = came = OutputBuffer(signed(8))
        promised = Signal(range(queue_depth + 1))
        room = Signal()
        promise = Signal()  # a beat asks for a word
        idle, setting, loading, storing, tabulating = (
            Signal(name=name) for name in ("idle", "setting", "loading", "storing", "tabulating")
        )
        starting, stopping, reporting = (Signal(name=name) for name in ("starting", "stopping", "reporting"))
        ended = reporting  # a LOAD, a STORE or a MOVE has
        if config.compact:
            # Its last byte still needs the settings on its way to a feature memory.
            ended = Signal()
            on_the_way = Signal(held_cycles(config) - 1)
            m.d.sync += [ended.eq(0), on_the_way.eq(Cat(ended, on_the_way))]
        moving = Signal(reset_less=True)  # the bytes that come back are a MOVE's
        moved = Signal()  # one of them goes to all PEs
        drop = Signal()  # it leaves the queue
        m.d.comb += [
            queue.w_data.eq(bytes_back[-1]),
            queue.w_en.eq(byte_valid[-1] & flushed),
            came.i.payload.eq(queue.r_data),
            came.i.valid.eq(queue.r_rdy),
            came.flush.eq(~flushed),  # a byte from before a reset was promised to nobody
            queue.r_en.eq(came.i.ready),
            self.o_features.payload.eq(came.o.payload),
            self.o_features.valid.eq(came.o.valid & ~moving),
            came.o.ready.eq(Mux(moving, drop, self.o_features.ready)),
        ]

        wait = Signal(period_bits(config))  # cycles to the next word that is asked for

        # MOVE: bytes of the lanes that are asked for become LOAD beats, `lanes` each. A cycle that asks for the next word of the
        # emitter has no place for one: with words a period apart, all bytes of a word are through before the next one's come.
        source_lane = Signal(range(max(config.lanes, 2)), reset_less=True)
        last_source = Signal(reset_less=True)
        wanted = Signal(config.lanes, reset_less=True)  # a bit for each lane, that of the next byte lowest
        move_base = Signal(config.address_bits, reset_less=True)
        next_base = Signal(config.address_bits, reset_less=True)
        move_address = Signal(config.address_bits, reset_less=True)
        next_address = Signal(config.address_bits, reset_less=True)
        m.d.sync += next_base.eq(move_base + settings.output_stride)
        # A cycle ahead, too, where there is one between two words.
        ahead = m.d.sync if config.lanes > 1 and not config.compact else m.d.comb
        ahead += next_address.eq(move_address + settings.channels)
        pauses: Value = promise
        if config.single_port:
            # Nor has one that is so long before it that the byte would be written while the next word is read.
            pauses = promise | (wait == LOADED_CYCLES)
        m.d.comb += [
            moved.eq(came.o.valid & wanted[0]),
            drop.eq(came.o.valid & ~pauses & (~wanted[0] | last_lane)),
        ]
        with m.If(moved & ~pauses & last_lane):
            m.d.sync += move_address.eq(next_address)
        with m.If(drop):
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

        spacing = row_spacing(config.lanes)
        rested = Signal()  # wait is 0
        more = Signal()
        returned = Signal(reset_less=True)  # all that was promised has come, and is taken
        taken = Signal()
        m.d.sync += [
            # Two cycles late, which is early enough: promises are `spacing` cycles apart, and two of them fit.
            room.eq(promised <= queue_depth - 2 * config.lanes),
            promise.eq(storing & room & more & rested & ~promise),
            more.eq(words_left != 0),
            returned.eq(~more & (promised == 0)),
            taken.eq(came.o.valid & came.o.ready),
            promised.eq(promised + Mux(promise, config.lanes, 0) - taken),
            rested.eq(wait <= 2),
        ]
        with m.If(promise):
            m.d.sync += [wait.eq(Mux(moving, period, spacing) - 1), rested.eq(0)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)

        # To the chain: a reset clears what starts something. What means something in one kind of beat only, the others have, too:
        # first and end.emit are those of the MAC that asks for a word.
        beat = Signal(Beat(config))
        sent = Signal(Beat(config), reset_less=True)
        sent_op = Signal(BeatOp)
        tap = self.i_taps.payload
        moves_byte = moving & moved & ~pauses
        m.d.comb += [
            self.i_commands.ready.eq(setting),
            self.i_features.ready.eq(loading),
            self.i_taps.ready.eq(tabulating),
            byte_done.eq((loading & self.i_features.valid) | moves_byte),
            word_done.eq((loading & self.i_features.valid & last_lane) | promise),
            entry_done.eq(tabulating & self.i_taps.valid),
            beat.address.eq(Mux(tabulating, tap.address, Mux(moving & ~promise, move_address, address))),
            beat.weight.eq(Mux(loading, self.i_features.payload, Mux(moving & ~promise, came.o.payload, 1))),
            beat.lane_shift.eq(Mux(tabulating, tap.lane_shift, Neighbour.HERE)),
            beat.pe_shift.eq(Mux(tabulating, tap.pe_shift, Neighbour.HERE)),
            beat.beyond_right.eq(tap.beyond_right),
            beat.beyond_bottom.eq(tap.beyond_bottom),
            beat.first.eq(1),
            beat.last.eq(last_lane | promise),
            beat.end.offset.eq(entry),
            beat.end.emit.eq(1),
        ]
        with m.If(promise):
            m.d.comb += beat.op.eq(BeatOp.MAC)
        with m.Elif(byte_done):
            m.d.comb += beat.op.eq(BeatOp.LOAD)
        with m.Elif(entry_done):
            m.d.comb += beat.op.eq(BeatOp.TABLE)
        m.d.sync += [sent.eq(beat), sent_op.eq(beat.op)]
        m.d.comb += [
            self.o_chain.beat.eq(sent),
            self.o_chain.beat.op.eq(sent_op),
            self.o_chain.done.eq(running),
            self.o_chain.ends_group.eq(1),
        ]
        fault = Signal(StreamFault(config))
        cycles = Signal(CYCLE_BITS, reset_less=True)
        m.d.comb += [self.o_reports.payload.fault.eq(fault), self.o_reports.payload.cycles.eq(cycles)]

        # A bit for each state; one of them is set.
        with m.If(flushing != 0):
            m.d.sync += flushing.eq(flushing - 1)
            with m.If(flushing == 1):
                m.d.sync += [flushed.eq(1), idle.eq(1)]
        with m.If(idle & self.i_commands.valid):
            m.d.sync += [idle.eq(0), setting.eq(1)]
        with m.If(setting):
            m.d.sync += setting.eq(0)
            with m.Switch(self.i_commands.payload.op):
                with m.Case(CommandOp.LOAD):
                    m.d.sync += loading.eq(1)
                with m.Case(CommandOp.RUN):
                    m.d.sync += tabulating.eq(1)
                with m.Case(CommandOp.STORE, CommandOp.MOVE):
                    m.d.sync += storing.eq(1)
                with m.Case(CommandOp.CLEAR):
                    m.d.sync += [fault.eq(0), reporting.eq(1)]
        with m.If(loading & word_done & last_word):
            m.d.sync += [loading.eq(0), ended.eq(1)]
        with m.If(storing & returned & ~more):
            m.d.sync += [storing.eq(0), ended.eq(1)]
        with m.If(entry_done & last_entry):
            m.d.sync += [tabulating.eq(0), starting.eq(1)]
        with m.If(starting):
            m.d.sync += [starting.eq(0), running.eq(1)]
        with m.If(running & done[-1]):
            m.d.sync += [running.eq(0), stopping.eq(1)]
            with m.If(fault.kind == StreamErrorKind.NONE):
                m.d.sync += fault.eq(faults[-1])
        with m.If(stopping & ~done[-1]):
            # `running` fell along the chain, and `done` behind it.
            m.d.sync += [stopping.eq(0), reporting.eq(1)]
        if config.compact:
            with m.If(on_the_way[-1]):
                m.d.sync += reporting.eq(1)
        m.d.comb += self.o_reports.valid.eq(reporting)
        with m.If(~reporting):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(reporting & self.o_reports.ready):
            m.d.sync += [reporting.eq(0), idle.eq(1)]

        # While idle the counters follow the command that is offered; a cycle after it came it is taken, and its settings go out.
        offered = self.i_commands.payload
        with m.If(idle):
            m.d.sync += [
                words_left.eq(offered.words),
                address.eq(offered.address),
                entries_left.eq(offered.table_entries),
                entry.eq(0),
                lane.eq(0),
                last_lane.eq(config.lanes == 1),
                source_lane.eq(0),
                last_source.eq(config.lanes == 1),
                wanted.eq(Cat(offered.move_lanes > lane for lane in range(config.lanes)) << offered.first_lane),
                move_base.eq(offered.move_target),
                move_address.eq(offered.move_target),
                cycles.eq(0),
            ]
        is_run = offered.op == CommandOp.RUN
        settled: dict[str, Any] = {
            "loading": (offered.op == CommandOp.LOAD) | (offered.op == CommandOp.MOVE),
            "output_base": offered.address,
            "low": Mux(is_run, offered.low, ACTIVATION_MIN),
            "high": Mux(is_run, offered.high, ACTIVATION_MAX),
            "maximum": is_run & (offered.operation == Operation.MAX),
            "pool": is_run & (offered.operation == Operation.POOL),
            "full_lanes": Mux(is_run, offered.full_lanes, config.lanes),
            "full_groups": Mux(is_run, offered.full_groups, config.pes),
            "emitter": offered.pe,
            "single_group": offered.row_groups == 1,
            "last_but_one": offered.row_groups - 2,
        }
        for name in ("row_groups", "target", "tap_bits", "channels", "channel_bits", "columns", "fill"):
            settled[name] = offered[name]
        for name in ("turn_base", "single_pixel", "output_stride", "pad"):
            settled[name] = offered[name]
        follow = [settings[name].eq(value) for name, value in settled.items()]
        follow += [period.eq(offered.period), moving.eq(offered.op == CommandOp.MOVE)]
        if config.compact:
            # Between two commands they say nothing, to nobody: a report comes when all that a command began is over.
            m.d.comb += follow
        else:
            with m.If(setting):
                m.d.sync += follow
        return m
