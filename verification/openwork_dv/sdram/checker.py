"""Everything of an SDRAM chip but its content: which commands its data sheet allows, and when its data pins are driven."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_dv.sdram.bank import SdramBank, count_from
from openwork_dv.sdram.violations import VIOLATIONS
from openwork_hw.arch.sdram import MODE_CAS_BIT, PRECHARGE_BIT, Command, SdramConfig
from openwork_hw.memory.payloads import SdramPins


class SdramChecker(wiring.Component):
    """Watch the pins of an SDRAM chip, and say by name what breaks its data sheet's rules.

    Role
        Simulations have it inside the model of a chip, proofs alone: a proof needs no content.
    Function
        Decodes commands, follows the four banks and the start-up, and compares every interval with the chip's.
    Ports
        pins : in, SdramPins(chip)
        command : out, Command; NONE where the chip is not selected
        bank, closes_all : out; the command's bank, and whether PRECHARGE means all of them
        drives : out; the chip drives the data pins in this cycle
        cas3 : out; the mode register asks for a CAS latency of 3 and not 2
        ready : out; the chip has been started
        violations : out, a bit per entry of VIOLATIONS; combinational. `retention` stays 0: it is the chip's to say
    Timing
        A READ's word is on the pins CAS latency cycles after its command.
    Cost
        -
    Limits
        Bursts of one word; no power-down, no self refresh.
    """

    pins: wiring.PureInterface
    command: Signal
    bank: Signal
    closes_all: Signal
    drives: Signal
    cas3: Signal
    ready: Signal
    violations: Signal

    def __init__(self, config: SdramConfig) -> None:
        self._config = config
        chip = config.chip
        super().__init__(
            {
                "pins": In(SdramPins(chip)),
                "command": Out(3),
                "bank": Out(chip.bank_bits),
                "closes_all": Out(1),
                "drives": Out(1),
                "cas3": Out(1),
                "ready": Out(1),
                "violations": Out(len(VIOLATIONS)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, pins = self._config, self.pins
        m.d.comb += [
            self.command.eq(Mux(pins.cs_n, Command.NONE, Cat(pins.we_n, pins.cas_n, pins.ras_n))),
            self.bank.eq(pins.ba),
            self.closes_all.eq(pins.a[PRECHARGE_BIT]),
        ]
        is_ = {command: self.command == command for command in Command}
        comes = ~is_[Command.NONE]
        broken: dict[str, Value] = {}

        banks = []
        for number in range(1 << config.chip.bank_bits):
            m.submodules[f"bank_{number}"] = bank = SdramBank(config)
            mine = self.bank == number
            m.d.comb += [
                bank.activate.eq(is_[Command.ACTIVATE] & mine),
                bank.read.eq(is_[Command.READ] & mine),
                bank.write.eq(is_[Command.WRITE] & mine),
                bank.precharge.eq(is_[Command.PRECHARGE] & (mine | self.closes_all)),
                bank.closes.eq(self.closes_all),
                bank.refresh.eq(is_[Command.REFRESH]),
                bank.all_banks.eq(is_[Command.REFRESH] | is_[Command.MODE]),
            ]
            banks.append(bank)
        for name in SdramBank.FLAGS:
            broken[name] = Cat(getattr(bank, name) for bank in banks).any()

        activated = count_from(m, is_[Command.ACTIVATE], config.trrd, "activated")
        refreshed = count_from(m, is_[Command.REFRESH], config.trfc, "refreshed")
        told = count_from(m, is_[Command.MODE], config.tmrd, "told")
        broken["trrd"] = is_[Command.ACTIVATE] & (activated < config.trrd)
        broken["trfc"] = comes & (refreshed < config.trfc)
        broken["tmrd"] = comes & (told < config.tmrd)
        broken |= self._start(m, is_)

        # The words that READs of the cycles before put on the pins, the latest one lowest; the last one is about to go.
        coming = Signal(4)
        m.d.sync += coming.eq(Cat(is_[Command.READ], coming))
        letting_go = Signal()
        m.d.comb += self.drives.eq(Mux(self.cas3, coming[2], coming[1]))
        m.d.comb += letting_go.eq(Mux(self.cas3, coming[3], coming[2]) & ~self.drives)
        broken["contention"] = pins.dq_oe & self.drives
        broken["turnaround"] = pins.dq_oe & letting_go
        broken["undriven"] = is_[Command.WRITE] & ~pins.dq_oe & ~pins.dqm.all()
        m.d.comb += self.violations.eq(Cat(broken.get(name, 0) for name in VIOLATIONS))
        return m

    def _start(self, m: Module, is_: dict[Command, Value]) -> dict[str, Value]:
        """Follow the start-up and the mode register."""
        config, pins = self._config, self.pins
        powered = Signal(range(config.startup + 1))
        precharged, mode_set, mode_known = Signal(), Signal(), Signal()
        refreshes = Signal(range(config.chip.startup_refreshes + 1))
        # The pause is one with the clock enabled.
        with m.If(pins.cke & (powered != config.startup)):
            m.d.sync += powered.eq(powered + 1)
        with m.If(is_[Command.PRECHARGE] & self.closes_all):
            m.d.sync += precharged.eq(1)
        with m.If(is_[Command.REFRESH] & precharged & (refreshes != config.chip.startup_refreshes)):
            m.d.sync += refreshes.eq(refreshes + 1)
        latencies = (2, 3) if config.cas == 2 else (3,)
        with m.If(is_[Command.MODE]):
            m.d.sync += [
                mode_set.eq(1),
                mode_known.eq(Cat(pins.a == latency << MODE_CAS_BIT for latency in latencies).any()),
                self.cas3.eq(pins.a[MODE_CAS_BIT]),
            ]
        enough = refreshes == config.chip.startup_refreshes
        m.d.comb += self.ready.eq(mode_set & enough)
        orders = is_[Command.REFRESH] | is_[Command.MODE] | is_[Command.ACTIVATE]
        comes = ~is_[Command.NONE]
        return {
            "startup": comes & (powered != config.startup),
            "precharge": orders & ~precharged,
            "refreshes": is_[Command.ACTIVATE] & ~enough,
            "mode": is_[Command.ACTIVATE] & ~(mode_set & mode_known),
            "command": (self.command == 6) | (~pins.cke & (precharged | comes)),
        }
