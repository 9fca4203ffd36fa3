"""A model of an SDR SDRAM chip for every simulator: Amaranth's, those under cocotb, and compiled programs."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from openwork_dv.native.memories import LOADED
from openwork_dv.sdram.checker import SdramChecker
from openwork_dv.sdram.violations import VIOLATIONS
from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.sdram import Command, SdramConfig
from openwork_hw.memory.payloads import SdramPins

FLOATING = 0xA5
"""Each byte of data pins that nobody drives."""

TIME_BITS = 32


class SdramModel(wiring.Component):
    """Behave as an SDR SDRAM chip does, and say by name what is done to it that its data sheet forbids.

    Role
        Every simulation of gateware with an SDRAM has it in place of the chip.
    Function
        Holds words; reads and writes them in open rows, byte by byte where the data masks say so. A row that has been neither
        refreshed nor opened for the chip's `retention` is inverted when that happens at last. REFRESH counts through the rows: as
        many REFRESH commands as the chip's `refreshes` reach every row of every bank once.
    Ports
        pins : in, SdramPins(chip); what the controller sees of undriven data pins is FLOATING in each byte
        violations : out, a bit per entry of VIOLATIONS: what happened in the cycle before
        seen : out, likewise: what has happened since the begin
        count : out, 32: cycles with a violation
    Timing
        A word is on the pins in the CAS latency's cycle after its READ, and in no other one.
    Cost
        All words of the chip, and the time of each row's last refresh.
    Limits
        As the checker's. Times are counted from the start-up's end and modulo 2^32 cycles. Amaranth lists the words of a memory
        one by one, so that simulators other than compiled programs want a chip of few rows.
    """

    pins: wiring.PureInterface
    violations: Signal
    seen: Signal
    count: Signal

    def __init__(self, config: SdramConfig) -> None:
        chip = config.chip
        if chip.refreshes not in {(1 << chip.row_bits) << more for more in range(chip.bank_bits + 1)}:
            raise ConfigError(
                f"{chip.refreshes} refreshes do not go over {1 << chip.row_bits} rows of {1 << chip.bank_bits} banks evenly"
            )
        self._config = config
        super().__init__(
            {
                "pins": In(SdramPins(chip)),
                "violations": Out(len(VIOLATIONS)),
                "seen": Out(len(VIOLATIONS)),
                "count": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        chip, pins = self._config.chip, self.pins
        m.submodules.checker = checker = SdramChecker(self._config)
        for name in ("cke", "cs_n", "ras_n", "cas_n", "we_n", "ba", "a", "dqm", "dq_o", "dq_oe"):
            m.d.comb += getattr(checker.pins, name).eq(getattr(pins, name))
        lost, inverted = self._rows(m, checker)

        # The row that is open in each bank.
        rows = [Signal(chip.row_bits, name=f"row_{bank}") for bank in range(1 << chip.bank_bits)]
        row = Signal(chip.row_bits)
        with m.Switch(pins.ba):
            for bank, of_bank in enumerate(rows):
                with m.Case(bank):
                    m.d.comb += row.eq(of_bank)
                    with m.If(checker.command == Command.ACTIVATE):
                        m.d.sync += of_bank.eq(pins.a)

        # A memory per byte, since each has its own mask; compiled programs have plain memories for them.
        address = Cat(pins.a[: chip.column_bits], pins.ba, row)
        flips = inverted.replicate(8)
        flipped = Signal()
        m.d.sync += flipped.eq(inverted)
        masks = [Signal.like(pins.dqm, name=f"masks_{age}") for age in (1, 2)]
        m.d.sync += [masks[0].eq(pins.dqm), masks[1].eq(masks[0])]
        for byte in range(chip.data_bits // 8):
            m.submodules[f"bytes_{byte}"] = words = memory.Memory(
                shape=8, depth=1 << chip.address_bits, init=[], attrs={LOADED: f"sdram_{byte}"}
            )
            write, read = words.write_port(), words.read_port()
            second, third = Signal(8, name=f"second_{byte}"), Signal(8, name=f"third_{byte}")
            driven = checker.drives & ~masks[1][byte]
            m.d.comb += [
                write.addr.eq(address),
                write.data.eq(pins.dq_o.word_select(byte, 8) ^ flips),
                write.en.eq((checker.command == Command.WRITE) & pins.dq_oe & ~pins.dqm[byte]),
                read.addr.eq(address),
                pins.dq_i.word_select(byte, 8).eq(Mux(driven, Mux(checker.cas3, third, second), FLOATING)),
            ]
            m.d.sync += [second.eq(read.data ^ flipped.replicate(8)), third.eq(second)]

        found = Signal(len(VIOLATIONS))
        m.d.comb += found.eq(checker.violations | lost << list(VIOLATIONS).index("retention"))
        m.d.sync += [
            self.violations.eq(found),
            self.seen.eq(self.seen | found),
            self.count.eq(self.count + found.any()),
        ]
        return m

    def _rows(self, m: Module, checker: SdramChecker) -> tuple[Value, Value]:
        """Keep each row's time and whether its bits are inverted: whether a row loses its content now, and the open row's bit."""
        config, chip = self._config, self._config.chip
        now = Signal(TIME_BITS)
        with m.If(checker.ready):
            m.d.sync += now.eq(now + 1)
        refreshes = checker.command == Command.REFRESH
        turn_bits = (chip.refreshes >> chip.row_bits).bit_length() - 1  # REFRESHes for one row of all banks
        turn = Signal(range(chip.refreshes))
        with m.If(refreshes):
            m.d.sync += turn.eq(turn + 1)
        lost, inverted = [], []
        for bank in range(1 << chip.bank_bits):
            m.submodules[f"times_{bank}"] = times = memory.Memory(
                shape=TIME_BITS + 1, depth=1 << chip.row_bits, init=[]
            )
            read, write = times.read_port(domain="comb"), times.write_port()
            refreshed = refreshes & (turn[:turn_bits] == bank % (1 << turn_bits))
            activated = (checker.command == Command.ACTIVATE) & (checker.bank == bank)
            late = Signal(name=f"late_{bank}")
            row = Mux(refreshes, turn[turn_bits:], checker.pins.a[: chip.row_bits])
            flipped = read.data[TIME_BITS] ^ late
            of_open = Signal(name=f"inverted_{bank}")
            m.d.comb += [
                read.addr.eq(row),
                late.eq((refreshed | activated) & ((now - read.data[:TIME_BITS])[:TIME_BITS] > config.retention)),
                write.addr.eq(row),
                write.en.eq(refreshed | activated),
                write.data.eq(Cat(now, flipped)),
            ]
            with m.If(activated):
                m.d.sync += of_open.eq(flipped)
            lost.append(late)
            inverted.append((checker.bank == bank) & of_open)
        return Cat(lost).any(), Cat(inverted).any()
