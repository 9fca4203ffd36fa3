"""The registers between a controller and an SDRAM chip's pins."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.sdram import Command, SdramConfig
from openwork_hw.memory.payloads import SdramPins


class SdramPort(wiring.Component):
    """Put commands and words on an SDRAM chip's pins, and catch the words that it reads.

    Role
        Every pin has one register and nothing behind it, so that the registers can lie at the pins.
    Function
        pins[t+1] = what is given in t; a WRITE drives the data pins for that one cycle. A READ of t has its word on `o_word` in
        t + read_latency.
    Ports
        command : in, Command; bank, address, i_word : in; what goes with it
        masked : in; the data masks
        o_word, o_valid : out; a word that was read
        busy : out; a READ in this cycle or shortly before still needs the data pins: no WRITE may be given
        pins : out, SdramPins(chip)
    Timing
        A command per cycle. No combinational path.
    Cost
        Registers.
    Limits
        The chip's clock rises with ours, or so close to it that its word of CAS latency n is there n cycles after its command.
    """

    command: Signal
    bank: Signal
    address: Signal
    i_word: Signal
    masked: Signal
    o_word: Signal
    o_valid: Signal
    busy: Signal
    pins: wiring.PureInterface

    def __init__(self, config: SdramConfig) -> None:
        self._config = config
        chip = config.chip
        super().__init__(
            {
                "command": In(Command, init=Command.NONE),
                "bank": In(chip.bank_bits),
                "address": In(chip.address_pins),
                "i_word": In(chip.data_bits),
                "masked": In(1),
                "o_word": Out(chip.data_bits),
                "o_valid": Out(1),
                "busy": Out(1),
                "pins": Out(SdramPins(chip)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        pins, chip = self.pins, self._config.chip
        command = Signal(3, init=Command.NONE)
        bank, address = Signal(chip.bank_bits), Signal(chip.address_pins)
        masks = Signal(chip.data_bits // 8, init=-1)
        driven, caught = Signal(chip.data_bits, reset_less=True), Signal(chip.data_bits, reset_less=True)
        released = Signal(init=1)  # as pads have it: an inverter would be logic between a register and a pin
        m.d.sync += [
            command.eq(self.command),
            bank.eq(self.bank),
            address.eq(self.address),
            masks.eq(self.masked.replicate(len(masks))),
            driven.eq(self.i_word),
            released.eq(self.command != Command.WRITE),
            caught.eq(pins.dq_i),
        ]
        m.d.comb += [
            pins.cke.eq(1),
            pins.cs_n.eq(0),
            Cat(pins.we_n, pins.cas_n, pins.ras_n).eq(command),
            pins.ba.eq(bank),
            pins.a.eq(address),
            pins.dqm.eq(masks),
            pins.dq_o.eq(driven),
            pins.dq_oe.eq(~released),
            self.o_word.eq(caught),
        ]
        # Reads whose word is not there yet, the latest one lowest.
        coming = Signal(self._config.read_latency)
        m.d.sync += coming.eq(Cat(self.command == Command.READ, coming))
        m.d.comb += [self.o_valid.eq(coming[-1]), self.busy.eq(coming[:-1].any())]
        return m
