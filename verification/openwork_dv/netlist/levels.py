"""How near to the metal a simulated design is: each level is a function that writes one as Verilog."""

import json
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path
from shutil import which

from amaranth.back import rtlil
from amaranth.lib import wiring

from openwork_dv.building import SimulationError
from openwork_dv.netlist.routed import synthesized_cells
from openwork_fpga import implement, nextpnr
from openwork_fpga.devices import DEVICES, Device
from openwork_fpga.families import ECP5, GOWIN, ICE40, Family
from openwork_fpga.tools import run_tool
from openwork_fpga.yosys import run_script

MODELS = Path(str(resources.files("openwork_hw.primitives") / "models"))

OWN_MODELS = {
    "ecp5": ("DP16KD", "MULT18X18D"),
    "gowin": ("SDPB", "SDPX9B", "MULT9X9"),
    "ice40": ("SB_SPRAM256KA",),
}
"""Cells that Yosys has no behaviour of, or none that can be one flat module, by its name of the family; the simulator gets our
models of them."""

BEHAVIOUR = """read_json {netlist}
delete =A:blackbox
read_verilog -overwrite +/{family}/cells_sim.v
{models}
hierarchy -check -top top
proc
flatten
opt_expr
opt_merge
opt_clean -purge
write_verilog -noattr top.v
"""
"""A netlist's cells become what they do, one flat module; cells without behaviour stay."""

HX8K = Device(
    name="ice40hx8k",
    family=ICE40,
    package="ct256",
    speed="hx",
    preset="",
    flags=("--hx8k", "--package", "ct256"),
    target_mhz=24,
)
"""A part of iCE40 without multipliers: icebox_vlog knows all that is in its bitstreams."""

HX8K_PINS = "set_io clk J3\nset_io rst R9\nset_io rx B10\nset_io tx B12\n"
"""Where a SerialShell's ports are, those of the line as on the part's own evaluation board."""

KEEP_FLASH = """read_rtlil design.il
proc
flatten top.flash
select top.flash
write_verilog -noattr -selected flash.v
select -clear
blackbox top.flash
write_rtlil design.il
"""
"""What stands for a board's flash memory is not of the part: it stays as it was written."""

ICE40_CELLS = """hierarchy -check -top top
proc
opt_expr -mux_undef
opt_merge
memory_share -nosat
flatten
opt_expr
opt_merge
opt_clean -purge
memory_collect
setundef -zero
write_verilog -noattr top.v
"""
"""Cells of iCE40 become what they do. A block memory's model writes each bit by itself: unless those writes are made one, the
simulation takes five times as long. What is never written is x, which Verilator refuses."""

READ_BACK = f"""read_verilog chip.v
read_verilog -DNO_ICE40_DEFAULT_ASSIGNMENTS +/ice40/cells_sim.v
{ICE40_CELLS}"""

UP5K_BEHAVIOUR = f"""read_json {{netlist}}
delete =A:blackbox
read_verilog -overwrite +/{{family}}/cells_sim.v
read_verilog flash.v
{{models}}
{ICE40_CELLS}"""


def ecp5_synthesized(top: wiring.Component, folder: Path) -> None:
    """top.v: the netlist that Yosys makes for ECP5."""
    _synthesize(top, ECP5, folder)
    _behaviour(folder, "ecp5", "netlist.json", ())


def ecp5_routed(top: wiring.Component, folder: Path) -> None:
    """top.v: the netlist as nextpnr placed and routed it on an LFE5U-25F."""
    _synthesize(top, ECP5, folder)
    device = replace(DEVICES["lfe5u-25f"], options=("--router", "router2"), target_mhz=12)
    nextpnr.route(device, folder, "netlist.json", 1, ("--write", "routed.json"))
    cells = synthesized_cells(json.loads((folder / "routed.json").read_text()))
    (folder / "cells.json").write_text(json.dumps(cells))
    _behaviour(folder, "ecp5", "cells.json", ("TRELLIS_COMB", "TRELLIS_RAMW", "TRELLIS_IO", "DCCA"))


def gowin_synthesized(top: wiring.Component, folder: Path) -> None:
    """top.v: the netlist that Yosys makes for Gowin's GW1N."""
    _synthesize(top, GOWIN, folder)
    _behaviour(folder, "gowin", "netlist.json", ())


def up5k_synthesized(top: wiring.Component, folder: Path) -> None:
    """top.v: the netlist that Yosys makes for an iCE40 UP5K of a FlashBoard's shell, with its flash memory as it was written."""
    (folder / "design.il").write_text(rtlil.convert(top, name="top", emit_src=False))
    run_script(KEEP_FLASH, folder, "keep_flash")
    implement.synthesize(ICE40, folder, None)
    _behaviour(folder, "ice40", "netlist.json", (), UP5K_BEHAVIOUR)


def ice40_bitstream(top: wiring.Component, folder: Path) -> None:
    """top.v: what icebox_vlog reads out of the bitstream of an iCE40 HX8K.

    Raises:
        SimulationError: icebox_vlog is not installed.
    """
    if which("icebox_vlog") is None:
        raise SimulationError("icebox_vlog is not installed: apt-get install fpga-icestorm fpga-icestorm-chipdb")
    _synthesize(top, ICE40, folder)
    (folder / "pins.pcf").write_text(HX8K_PINS)
    nextpnr.route(HX8K, folder, "netlist.json", 1, ("--asc", "routed.asc", "--pcf", "pins.pcf"))
    run_tool("yowasp-icepack", ["routed.asc", "top.bin"], folder)
    run_tool("yowasp-iceunpack", ["top.bin", "back.asc"], folder)
    with (folder / "chip.v").open("w") as verilog:
        command = ["icebox_vlog", "-s", "-n", "top", "-p", "pins.pcf", "back.asc"]
        done = subprocess.run(command, cwd=folder, stdout=verilog, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SimulationError(f"icebox_vlog stopped: {done.stderr.strip().splitlines()[-1]}")
    run_script(READ_BACK, folder, "read_back")


def _synthesize(top: wiring.Component, family: Family, folder: Path) -> None:
    (folder / "design.il").write_text(rtlil.convert(top, name="top", emit_src=False))
    implement.synthesize(family, folder, None)


def _behaviour(folder: Path, family: str, netlist: str, own: tuple[str, ...], script: str = BEHAVIOUR) -> None:
    """`own`: cells whose model is ours, besides those that the simulator gets."""
    models = [f"read_verilog -overwrite -lib {MODELS / name}.v" for name in OWN_MODELS[family]]
    models += [f"read_verilog -overwrite {MODELS / name}.v" for name in own]
    run_script(script.format(family=family, netlist=netlist, models="\n".join(models)), folder, "behaviour")
    with (folder / "top.v").open("a") as verilog:
        for name in OWN_MODELS[family]:
            verilog.write((MODELS / f"{name}.v").read_text())
