"""An SDRAM chip's pins on a board with an ECP5."""

from amaranth.build import Platform
from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import io, wiring

from openwork_hw.arch.config import ConfigError

OUTPUTS = {
    "clk_en": "cke",
    "cs": "cs_n",
    "ras": "ras_n",
    "cas": "cas_n",
    "we": "we_n",
    "ba": "ba",
    "a": "a",
    "dqm": "dqm",
}
"""Names that a platform's resource `sdram` has for pins that we drive, and ours."""

TIED = ("clk_en", "cs", "dqm")
"""Pins that a board may have tied to what always selects the whole word."""

RESOURCE = "sdram"
"""Our pins' names in a netlist begin with it."""


def connect_sdram(m: Module, platform: Platform, pins: wiring.PureInterface) -> None:
    """Connect a controller's `SdramPins(chip)` to a board's resource `sdram`, and send the chip its clock.

    Each pin has a plain buffer. The registers of the pins are those of `SdramPort`, with nothing between them and the buffers;
    `pin_registers` puts them into the cells at the pins. The chip's clock is the domain `sdram`, sent by a cell that is like
    the registers of the other pins: the chip sees its clock as long after its inputs change as the domain's edges are after
    those of `sync`, whatever the way to a pin takes.

    Raises:
        ConfigError: the board has another number of pins than the chip.
    """
    has = [subsignal.name for subsignal in platform.lookup(RESOURCE, 0).ios]
    resource = platform.request(RESOURCE, 0, dir=dict.fromkeys(has, "-"))
    outputs = {theirs: ours for theirs, ours in OUTPUTS.items() if theirs in has or theirs not in TIED}
    for theirs, ours in {**outputs, "dq": "dq_o"}.items():
        port, value = getattr(resource, theirs), Value.cast(getattr(pins, ours))
        if len(port) != len(value):
            raise ConfigError(f"the board has {len(port)} pins {theirs} to its SDRAM chip, and the chip {len(value)}")
    for theirs, ours in outputs.items():
        # The controller's registers hold the pins' own levels.
        port = getattr(resource, theirs)
        m.submodules[f"sdram_{ours}"] = out = io.Buffer("o", ~port if any(port.invert) else port)
        m.d.comb += out.o.eq(getattr(pins, ours))

    m.submodules.sdram_dq = data = io.Buffer("io", resource.dq)
    m.d.comb += [data.o.eq(pins.dq_o), data.oe.eq(pins.dq_oe), pins.dq_i.eq(data.i)]

    sent = Signal()
    m.submodules.sdram_clk_cell = Instance(
        "ODDRX1F", i_SCLK=ClockSignal("sdram"), i_RST=Const(0), i_D0=Const(1), i_D1=Const(0), o_Q=sent
    )
    m.submodules.sdram_clk = clk = io.Buffer("o", resource.clk)
    m.d.comb += clk.o.eq(sent)
