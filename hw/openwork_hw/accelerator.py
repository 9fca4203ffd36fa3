"""The array: commands and streams come in, outputs and reports go out. Wiring only, in the order of the data."""

from amaranth.hdl import Elaboratable, Module, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.array.chain import Chain
from openwork_hw.array.payloads import RowRecordLayout, TapEntryLayout
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.sequencer import Sequencer
from openwork_hw.sequencing.payloads import CommandLayout, Report, map_ports


class Accelerator(wiring.Component):
    """Run layers of a sparse network, pass by pass, on features that stay in the array.

    Role
        The array without an image memory, for designs that make commands and streams themselves. `ImageRunner` and
        `LinearRunner` drive it.
    Function
        Commands do what `Sequencer` says. The weights and records of a RUN come through the ports of the PEs that lead a group:
        stream s goes to PE s * row_groups, and its port has the index of this PE in config.feeders.
    Ports
        i_commands : in, stream of CommandLayout(config)
        i_taps : in, stream of TapEntryLayout(config)
        i_features : in, stream of signed 8
        i_table : in, stream of signed 8: activation tables; in an array with activation tables only
        i_words : in, one stream of WeightWord per PE of config.feeders
        i_records : in, one stream of RowRecordLayout(config) per PE of config.feeders
        o_features : out, stream of signed 8
        i_maps, o_maps, maps_busy, maps_move : as Sequencer's; in an array with map stations only
        o_reports : out, stream of Report(config)
    Timing
        One clock. `openwork.compiler.predict` predicts the cycles of a RUN exactly, if no input stalls.
    Cost
        config.macs multipliers; see `openwork synth`.
    Limits
        Those of its parts. A command of a compact array stays at i_commands until its report is taken.
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    i_commands: stream.Interface
    i_taps: stream.Interface
    i_features: stream.Interface
    i_table: stream.Interface
    i_words: list[stream.Interface]
    i_records: list[stream.Interface]
    o_features: stream.Interface
    i_maps: stream.Interface
    o_maps: stream.Interface
    maps_busy: Value
    maps_move: Value
    o_reports: stream.Interface

    def __init__(self, config: ArrayConfig, *, encodings: tuple[Encoding, ...] | None = None) -> None:
        """`encodings`: weight streams that are decoded; all that an array of this configuration can decode where it is left out."""
        self._config = config
        self._encodings = chosen_encodings(config, encodings)
        super().__init__(
            {
                "i_commands": In(stream.Signature(CommandLayout(config))),
                "i_taps": In(stream.Signature(TapEntryLayout(config))),
                "i_features": In(stream.Signature(signed(8))),
                "i_words": In(stream.Signature(WeightWord)).array(len(config.feeders)),
                "i_records": In(stream.Signature(RowRecordLayout(config))).array(len(config.feeders)),
                "o_features": Out(stream.Signature(signed(8))),
                "o_reports": Out(stream.Signature(Report(config))),
            }
            | ({"i_table": In(stream.Signature(signed(8)))} if config.activation_tables else {})
            | (map_ports() if config.map_stations else {})
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.sequencer = sequencer = Sequencer(self._config)
        m.submodules.chain = chain = Chain(self._config, encodings=self._encodings)

        wiring.connect(m, wiring.flipped(self.i_commands), sequencer.i_commands)
        wiring.connect(m, wiring.flipped(self.i_taps), sequencer.i_taps)
        wiring.connect(m, wiring.flipped(self.i_features), sequencer.i_features)
        if self._config.activation_tables:
            wiring.connect(m, wiring.flipped(self.i_table), sequencer.i_table)
        wiring.connect(m, sequencer.o_chain, chain.i)
        for feeder in range(len(self._config.feeders)):
            wiring.connect(m, wiring.flipped(self.i_words[feeder]), chain.i_words[feeder])
            wiring.connect(m, wiring.flipped(self.i_records[feeder]), chain.i_records[feeder])
        wiring.connect(m, chain.o, sequencer.i_chain)
        wiring.connect(m, sequencer.o_features, wiring.flipped(self.o_features))
        if self._config.map_stations:
            wiring.connect(m, wiring.flipped(self.i_maps), sequencer.i_maps)
            wiring.connect(m, sequencer.o_maps, wiring.flipped(self.o_maps))
            m.d.comb += [self.maps_busy.eq(sequencer.maps_busy), self.maps_move.eq(sequencer.maps_move)]
        wiring.connect(m, sequencer.o_reports, wiring.flipped(self.o_reports))
        return m
