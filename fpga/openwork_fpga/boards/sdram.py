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
    for theirs, ours in OUTPUTS.items():
        if theirs in TIED and theirs not in has:
            continue
        # The controller's registers hold the pins' own levels.
        port, level = getattr(resource, theirs), Value.cast(getattr(pins, ours))
        _same_width(theirs, port, level)
        m.submodules[f"sdram_{ours}"] = out = io.Buffer("o", ~port if any(port.invert) else port)
        m.d.comb += out.o.eq(level)

    _same_width("dq", resource.dq, Value.cast(pins.dq_o))
    m.submodules.sdram_dq = data = io.Buffer("io", resource.dq)
    m.d.comb += [data.o.eq(pins.dq_o), data.oe.eq(pins.dq_oe), pins.dq_i.eq(data.i)]

    sent = Signal()
    m.submodules.sdram_clk_cell = Instance(
        "ODDRX1F", i_SCLK=ClockSignal("sdram"), i_RST=Const(0), i_D0=Const(1), i_D1=Const(0), o_Q=sent
    )
    m.submodules.sdram_clk = clk = io.Buffer("o", resource.clk)
    m.d.comb += clk.o.eq(sent)


def _same_width(name: str, port: io.PortLike, value: Value) -> None:
    if len(port) != len(value):
        raise ConfigError(f"the board has {len(port)} pins {name} to its SDRAM chip, and the chip {len(value)}")
