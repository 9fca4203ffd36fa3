"""The array: a chain of PEs."""

from itertools import pairwise

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import COPY_HOPS
from openwork_hw.array.activation_table import ActivationTable
from openwork_hw.array.payloads import Copy, Link, RowRecordLayout
from openwork_hw.array.processing_element import ProcessingElement
from openwork_hw.decoder.payloads import WeightWord


class Chain(wiring.Component):
    """Connect `pes` PEs in a row. Everything moves on by one PE per cycle.

    Role
        The whole array but for the `Sequencer`: an `Accelerator` consists of these two.
    Function
        PE i has number i mod row_groups in its group. While settings.running is high, the first PE of each group takes the
        beats of its own feeder, and every other PE takes the beats of the PE before. Otherwise all PEs take what comes in at `i`
        and pass it on.
    Ports
        i : in, Link(config); group is 0
        o : out, Link(config)
        i_words : in, one stream of WeightWord per PE of config.feeders; only those of groups' first PEs are read
        i_records : in, one stream of RowRecordLayout(config) per PE of config.feeders, likewise
    Timing
        A beat is in the registers of PE i i + 1 cycles after it was offered. Bytes, `done` and faults go the same way.
    Cost
        One element per PE, one feeder per PE of config.feeders; with activation tables, one ActivationTable per two PEs.
    Limits
        None.
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    i: wiring.PureInterface
    o: wiring.PureInterface
    i_words: list[stream.Interface]
    i_records: list[stream.Interface]

    def __init__(self, config: ArrayConfig, *, encodings: tuple[Encoding, ...]) -> None:
        self._config = config
        self._encodings = encodings
        feeders = len(config.feeders)
        super().__init__(
            {
                "i": In(Link(config)),
                "o": Out(Link(config)),
                "i_words": In(stream.Signature(WeightWord)).array(feeders),
                "i_records": In(stream.Signature(RowRecordLayout(config))).array(feeders),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        pes = [ProcessingElement(config, number=n, encodings=self._encodings) for n in range(config.pes)]
        for number, pe in enumerate(pes):
            m.submodules[f"pe_{number}"] = pe

        wiring.connect(m, wiring.flipped(self.i), pes[0].i)
        for above, below in pairwise(pes):
            wiring.connect(m, above.o, below.i)
            m.d.comb += [
                below.i_word_above.eq(above.o_word_old),
                above.i_word_below.eq(below.o_word_own),
                below.i_total.eq(above.o_total),
            ]
        wiring.connect(m, pes[-1].o, wiring.flipped(self.o))

        # Two neighbours share the memory of a table; the first of the two writes the table.
        for first in range(0, config.pes, 2) if config.activation_tables else ():
            users = pes[first : first + 2]
            m.submodules[f"table_{first}"] = table = ActivationTable(len(users), config.technology)
            m.d.comb += table.i_write.eq(users[0].o_table_write)
            for place, pe in enumerate(users):
                m.d.comb += [table.i[place].eq(pe.o_look_up), pe.i_looked_up.eq(table.o[place])]

        # PEs with the same place in their groups hold the same part of the map; they may be right across the part.
        for choice, size in enumerate(config.copied_groups):
            for number, pe in enumerate(pes):
                for distance in range(1, config.pes // size):
                    other = pes[(number + distance * size) % config.pes]
                    copy = other.o_copy
                    for hop in range(COPY_HOPS - 2):  # besides that where it leaves and that where it arrives
                        name = f"copy_{choice}_{number}_{distance}_{hop}"
                        late = Signal(Copy(config), name=name, reset_less=True)
                        m.d.sync += late.eq(copy)
                        copy = late
                    m.d.comb += pe.i_copies[choice][distance - 1].eq(copy)

        for place, number in enumerate(config.feeders):
            wiring.connect(m, wiring.flipped(self.i_words[place]), pes[number].i_words)
            wiring.connect(m, wiring.flipped(self.i_records[place]), pes[number].i_records)
        return m
