"""Turns commands into beats and settings for the chain."""

from typing import Any

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import CommandOp
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.array.payloads import Beat, BeatOp, Link, Neighbour, Settings, StreamFault, TapEntryLayout
from openwork_hw.sequencing.command_counters import CommandCounters
from openwork_hw.sequencing.command_states import CommandStates
from openwork_hw.sequencing.map_engine import MapEngine
from openwork_hw.sequencing.move_lanes import MoveLanes
from openwork_hw.sequencing.payloads import CYCLE_BITS, CommandLayout, Report, map_ports, period_bits
from openwork_hw.sequencing.return_path import ReturnPath
from openwork_hw.sequencing.word_asker import WordAsker


class Sequencer(wiring.Component):
    """Carry out commands one after the other.

    Role
        The head of the `Chain` in an `Accelerator`: it turns commands into beats and settings.
    Function
        LOAD: `words` x lanes bytes of i_features become LOAD beats for every PE of group `target`, from `address` on.
        RUN: `table_entries` entries of i_taps become TABLE beats. Then settings.running is high until the chain is done.
        STORE: every word of PE `pe` is read by one MAC beat with weight 1 and an identity requantization. The bytes that the PE
        emits go to o_features.
        MOVE: words are read as for STORE. The bytes of the wanted lanes come back as LOAD beats, once per lane.
        TABLE: the bytes of i_table become LOAD beats that write the activation tables.
        CLEAR: the fault of earlier commands is forgotten.
        A LOAD or STORE that is `external` is handed to a `MapEngine`, which moves maps beside the commands that follow. A command
        that `waits` begins when nothing moves; so does every STORE and MOVE that is not external.
        Each command is answered with one report.
    Ports
        i_commands : in, stream of CommandLayout(config)
        i_taps : in, stream of TapEntryLayout(config)
        i_features : in, stream of signed 8, lane 0 of a word first
        i_table : in, stream of signed 8, what becomes of -128 first; in an array with activation tables only
        o_features : out, stream of signed 8, lane 0 of a word first
        i_maps, o_maps : in, out, stream of signed 8; bytes of maps, from the external memory and to it
        maps_busy, maps_move : out; maps are moved; a byte of a map moves; these four in an array with map stations only
        o_reports : out, stream of Report(config)
        o_chain : out, Link(config), to the first PE
        i_chain : in, Link(config), from the last PE
    Timing
        LOAD, STORE and TABLE move at most one byte per cycle. The cycles of a report are counted from the cycle in which the
        command is taken to the cycle before the report is offered. The first command is taken when a reset has passed along the
        chain. No combinational path.
    Cost
        A queue as long as the way along the chain and back.
    Limits
        Commands are not checked: software checks them (`arch.commands.check_command`). A reset lasts two cycles or more. A
        compact array keeps no copy of a command, so the command stays at i_commands until its report is taken.
    """

    i_commands: stream.Interface
    i_taps: stream.Interface
    i_features: stream.Interface
    i_table: stream.Interface
    o_features: stream.Interface
    i_maps: stream.Interface
    o_maps: stream.Interface
    maps_busy: Value
    maps_move: Value
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
            | ({"i_table": In(stream.Signature(signed(8)))} if config.activation_tables else {})
            | (map_ports() if config.map_stations else {})
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        m.submodules.states = states = CommandStates(config)
        m.submodules.counters = counters = CommandCounters(config)
        m.submodules.back = back = ReturnPath(config)
        m.submodules.asker = asker = WordAsker(config)
        m.submodules.move = move = MoveLanes(config)
        offered, came, chain = self.i_commands.payload, back.o, self.i_chain
        settings, moving, period = self._settings(m, states)
        m.d.comb += [self.o_chain.settings.eq(settings), self.o_chain.settings.running.eq(states.running)]

        # While idle the counters follow the command that is offered; a cycle after it came it is taken, and its settings go out.
        m.d.comb += [
            counters.i.eq(offered),
            counters.follow.eq(states.idle),
            move.i.eq(offered),
            move.follow.eq(states.idle),
            move.word_step.eq(settings.output_stride),
            move.lane_step.eq(settings.channels),
            move.valid.eq(came.valid),
            move.pauses.eq(asker.pauses),
            move.last_lane.eq(counters.last_lane),
            asker.asks.eq(states.storing),
            asker.moving.eq(moving),
            asker.period.eq(period),
            asker.more.eq(counters.more),
            asker.taken.eq(came.valid & came.ready),
            back.i_byte.eq(chain.byte),
            back.i_byte_valid.eq(chain.byte_valid),
            back.i_done.eq(chain.done),
            back.i_fault.eq(chain.fault),
            back.flushed.eq(states.flushed),
            came.ready.eq(Mux(moving, move.drop, self.o_features.ready)),
            self.o_features.payload.eq(came.payload),
            self.o_features.valid.eq(came.valid & ~moving),
            self.i_commands.ready.eq(states.setting),
            self.i_features.ready.eq(states.loading),
            self.i_taps.ready.eq(states.tabulating),
        ]
        feature_comes, entry_comes = states.loading & self.i_features.valid, states.tabulating & self.i_taps.valid
        if config.activation_tables:
            entry_comes = entry_comes | (states.filling & self.i_table.valid)
            m.d.comb += self.i_table.ready.eq(states.filling)
        moves_byte = moving & move.moved & ~asker.pauses
        m.d.comb += [
            counters.byte_done.eq(feature_comes | moves_byte),
            counters.word_done.eq((feature_comes & counters.last_lane) | asker.promise),
            counters.entry_done.eq(entry_comes),
            states.offered.eq(self.i_commands.valid),
            states.op.eq(offered.op),
            states.words_done.eq(counters.word_done & counters.last_word),
            states.entries_done.eq(entry_comes & counters.last_entry),
            states.returned.eq(asker.returned),
            states.chain_done.eq(back.done),
            states.reported.eq(self.o_reports.ready),
        ]
        self._send(m, states, counters, asker, move, came, moving, moves_byte)
        if config.map_stations:
            self._move_maps(m, states, asker, came)

        fault = Signal(StreamFault(config))
        cycles = Signal(CYCLE_BITS, reset_less=True)
        m.d.comb += [
            self.o_reports.valid.eq(states.reporting),
            self.o_reports.payload.fault.eq(fault),
            self.o_reports.payload.cycles.eq(cycles),
        ]
        with m.If(states.setting & (offered.op == CommandOp.CLEAR)):
            m.d.sync += fault.eq(0)
        with m.If(states.running & back.done & (fault.kind == StreamErrorKind.NONE)):
            m.d.sync += fault.eq(back.fault)
        with m.If(~states.reporting):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(states.idle):
            m.d.sync += cycles.eq(0)
        return m

    def _move_maps(self, m: Module, states: CommandStates, asker: WordAsker, came: Any) -> None:
        """Hand over what is for an external memory, and let commands wait for maps. Bytes that come back belong to one of two."""
        offered = self.i_commands.payload
        m.submodules.maps = maps = MapEngine(self._config)
        wiring.connect(m, wiring.flipped(self.i_maps), maps.i_bytes)
        wiring.connect(m, maps.o_bytes, wiring.flipped(self.o_maps))
        order, waits = maps.i.payload, Signal()
        stores = offered.op == CommandOp.STORE
        m.d.comb += [
            order.store.eq(stores),
            order.left.eq(Mux(stores, offered.pe, offered.target)),
            order.step.eq(Mux(stores, self._config.pes - 1, offered.row_groups - 1)),
            order.address.eq(offered.address),
            order.words.eq(offered.words),
            maps.i.valid.eq(states.setting & offered.external),
            self.maps_busy.eq(maps.busy),
            self.maps_move.eq(maps.moves),
            self.o_chain.maps.eq(maps.o_beat),
            waits.eq(offered.waits | (~offered.external & (stores | (offered.op == CommandOp.MOVE)))),
            states.external.eq(offered.external),
            states.offered.eq(self.i_commands.valid & ~(waits & maps.busy) & ~(offered.external & ~maps.i.ready)),
            maps.i_back.payload.eq(came.payload),
            maps.i_back.valid.eq(came.valid),
        ]
        with m.If(maps.storing):
            m.d.comb += [came.ready.eq(maps.i_back.ready), self.o_features.valid.eq(0), asker.taken.eq(0)]

    def _send(
        self,
        m: Module,
        states: CommandStates,
        counters: CommandCounters,
        asker: WordAsker,
        move: MoveLanes,
        came: Any,
        moving: Signal,
        moves_byte: Any,
    ) -> None:
        """A beat to the chain. A reset clears what starts something.

        What means something in one kind of beat only, the others have, too: first and end.emit are those of the MAC that asks for a
        word.
        """
        config = self._config
        beat = Signal(Beat(config))
        sent = Signal(Beat(config), reset_less=True)
        sent_op = Signal(BeatOp)
        tap = self.i_taps.payload
        moves = moving & ~asker.promise
        m.d.comb += [
            beat.address.eq(Mux(states.tabulating, tap.address, Mux(moves, move.address, counters.address))),
            beat.weight.eq(Mux(states.loading, self.i_features.payload, Mux(moves, came.payload, 1))),
            beat.lane_shift.eq(Mux(states.tabulating, tap.lane_shift, Neighbour.HERE)),
            beat.pe_shift.eq(Mux(states.tabulating, tap.pe_shift, Neighbour.HERE)),
            beat.beyond_right.eq(tap.beyond_right),
            beat.beyond_bottom.eq(tap.beyond_bottom),
            beat.first.eq(1),
            beat.last.eq(counters.last_lane | asker.promise),
            beat.end.offset.eq(counters.entry),
            beat.end.emit.eq(1),
        ]
        if config.activation_tables:
            with m.If(states.filling):  # a feature word has no part in it
                m.d.comb += [beat.weight.eq(self.i_table.payload), beat.last.eq(asker.promise)]
        with m.If(asker.promise):
            m.d.comb += beat.op.eq(BeatOp.MAC)
        with m.Elif(counters.byte_done):
            m.d.comb += beat.op.eq(BeatOp.LOAD)
        with m.Elif(counters.entry_done):
            m.d.comb += beat.op.eq(BeatOp.TABLE)
            if config.activation_tables:
                with m.If(states.filling):
                    m.d.comb += beat.op.eq(BeatOp.LOAD)
        m.d.sync += [sent.eq(beat), sent_op.eq(beat.op)]
        m.d.comb += [
            self.o_chain.beat.eq(sent),
            self.o_chain.beat.op.eq(sent_op),
            self.o_chain.done.eq(states.running),
            self.o_chain.ends_group.eq(1),
        ]

    def _settings(self, m: Module, states: CommandStates) -> tuple[data.View, Signal, Signal]:
        """What the chain sees of the command: its settings; whether it is a MOVE, and the MOVE's period.

        In a compact array between two commands they say nothing, to nobody: a report comes when all that a command began is over.
        """
        config, offered = self._config, self.i_commands.payload
        settings = Signal(Settings(config))
        moving = Signal(reset_less=True)
        period = Signal(period_bits(config), reset_less=True)
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
        if config.activation_tables:
            settled["tabled"] = offered.tabled
        for name in ("turn_base", "single_pixel", "output_stride", "pad"):
            settled[name] = offered[name]
        follow = [settings[name].eq(value) for name, value in settled.items()]
        follow += [period.eq(offered.period), moving.eq(offered.op == CommandOp.MOVE)]
        if config.compact:
            m.d.comb += follow
        else:
            with m.If(states.setting):
                m.d.sync += follow
        return settings, moving, period
