"""The bus shell with the port names of the AXI standard, which other tools know."""

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from openwork_hw.shells.bus_shell import BusShell


class AxiTop(wiring.Component):
    """`BusShell` as a Verilog top: aclk, aresetn, s_axi_awaddr, s_axis_image_tdata and so on.

    Role
        The top that `openwork verilog --shell axi` writes.
    Function
        BusShell's.
    Ports
        aclk : in; the clock of all other ports
        aresetn : in; active low, taken over at the clock's rising edge
        PORT_SIGNAL : for each port of BusShell each of its signals; and interrupt
    Timing
        As BusShell's.
    Cost
        None.
    Limits
        As BusShell's.
    Verified by
        tests/cosim/test_bus_shell.py::test_no_path_leads_from_an_input_to_an_output
    """

    aclk: Signal
    aresetn: Signal

    def __init__(self, shell: BusShell) -> None:
        self._shell = shell
        self._ports = {
            "_".join(str(part) for part in path): (member, value)
            for path, member, value in shell.signature.flatten(shell)
        }
        super().__init__(
            {"aclk": In(1), "aresetn": In(1), **{name: member for name, (member, _) in self._ports.items()}}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.shell = self._shell
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]
        for name, (member, value) in self._ports.items():
            ours = getattr(self, name)
            m.d.comb += value.eq(ours) if member.flow is In else ours.eq(value)
        return m
