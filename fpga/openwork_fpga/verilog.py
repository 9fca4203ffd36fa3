"""Amaranth components as Verilog files that simulators and synthesizers take as they are."""

import os
import re
import tempfile
import warnings
from importlib import resources
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import UnusedElaboratable
from amaranth.lib import wiring

from openwork_fpga.families import KEEP_COPIES
from openwork_fpga.verilog_names import VerilogError, module_name
from openwork_fpga.verilog_text import MODELS, TIMESCALE, About, compact_memories, heading, waivers
from openwork_fpga.yosys import run_script
from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import ArrayConfig, ConfigError
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image_runner import ImageRunner
from openwork_hw.shells.axi_top import AxiTop
from openwork_hw.shells.bus_shell import BusShell

TO_VERILOG = f"""read_rtlil verilog.il
proc
{KEEP_COPIES}pmuxtree
opt_expr -fine
opt_merge
opt_expr -fine
opt_clean -purge
memory_collect
write_verilog -norename verilog.v
"""
"""Assignments and flip-flops, no `always @*`: Icarus never runs such a block of constants, and with -g2012 no such block before
one of its inputs changes. Names of structures' fields that nothing uses are left out."""


OPEN_PINS = {"MULT18X18D": [f"C{bit}" for bit in range(18)]}
"""Inputs of a part's cells that the gateware leaves open. The text says 0, as Yosys does for the multipliers that it makes:
simulators warn of open inputs."""

MOST_FEATURE_BYTES = 1 << 23
"""Of all PEs: more than the largest part here holds, and little enough to be written in a minute or two."""


def write_verilog(config: ArrayConfig, path: Path, encodings: tuple[Encoding, ...] | None = None) -> None:
    """Write the accelerator of `config`, which decodes `encodings`, as one Verilog file.

    The top module has the file's name, and the ports of `Accelerator`, parts joined by ``__``: ``i_words__0__valid``.
    Beside it are NAME.vlt, Verilator's configuration for it, and where our models of a part's cells are needed to simulate it,
    NAME_cells.v. The files are complete or not there: they are written beside their place and then moved.

    Raises:
        VerilogError: the file's name is no Verilog name.
    """
    about = About("the array alone", config, chosen_encodings(config, encodings), (), "openwork")
    write_component(Accelerator(config, encodings=encodings), path, about)


def write_image_runner(config: ArrayConfig, path: Path, encodings: tuple[Encoding, ...] | None = None) -> None:
    """Write the array that runs whole networks out of a memory outside, as `write_verilog` writes the array alone.

    The ports are those of `ImageRunner`: ``i_requests__payload``, ``o_memory_requests__0__valid`` and so on.

    Raises:
        VerilogError: the file's name is no Verilog name.
    """
    what = "the array, which runs images out of a memory outside"
    about = About(what, config, chosen_encodings(config, encodings), ("--shell", "memory"), "openwork_memory")
    write_component(ImageRunner(config, encodings=encodings), path, about)


def write_bus_shell(config: ArrayConfig, path: Path, encodings: tuple[Encoding, ...] | None, image_words: int) -> None:
    """Write the array as a block with AXI4-Lite registers, AXI4-Stream data and an image memory of `image_words`.

    The ports are those of `AxiTop`: ``aclk``, ``s_axi_awaddr``, ``s_axis_image_tdata`` and so on.

    Raises:
        VerilogError: the file's name is no Verilog name.
        ConfigError: the image memory is too large.
    """
    what = f"the array behind AXI4-Lite registers and AXI4-Stream data, with an image memory of {image_words:,} words"
    about = About(
        what,
        config,
        chosen_encodings(config, encodings),
        ("--shell", "axi", "--image-words", str(image_words)),
        "openwork_axi",
    )
    write_component(AxiTop(BusShell(config, encodings=encodings, image_words=image_words)), path, about)


def write_component(component: wiring.Component, path: Path, about: About) -> None:
    """Write a component as `write_verilog` writes the accelerator.

    Raises:
        VerilogError: the file's name is no Verilog name, or that of a cell that the component is made of.
        ConfigError: the array has more feature memory than can be written, or a size that the part's cells do not have.
    """
    name = module_name(path.stem)
    if path.suffix != ".v":
        raise VerilogError(f"a Verilog file is called NAME.v, not {path.name}")
    feature_bytes = about.config.pes * about.config.lanes * about.config.feature_words
    if feature_bytes > MOST_FEATURE_BYTES:
        raise ConfigError(
            f"the PEs' feature memories need {feature_bytes // 1024:,} KiB, and Verilog is written of up to "
            f"{MOST_FEATURE_BYTES // 1024:,} KiB: choose fewer PEs, lanes or feature_words"
        )
    try:
        # Without source positions: they would carry this machine's paths.
        design = rtlil.convert(component, name=name, emit_src=False)
    except ConfigError:
        # Amaranth warns of what was made and is not used, which is no news after a refusal.
        warnings.simplefilter("ignore", UnusedElaboratable)
        raise
    if re.search(rf"^ +cell \\{name} ", design, re.MULTILINE):
        raise VerilogError(
            f"{name!r} is a cell of the part that the array is made of: choose another name for the module"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{name}-") as scratch:
        folder = Path(scratch)
        (folder / "design.il").write_text(design)
        text = verilog_text(folder)
        ports = re.findall(r"^  (?:input|output) .*?(\w+);$", text.partition("endmodule")[0], re.MULTILINE)
        files = {
            f"{name}.vlt": waivers(about, name, ports),
            f"{name}.v": heading(about, component, name) + text,
        }
        if cells := MODELS.get(about.config.technology):
            files = {f"{name}_cells.v": cell_models(cells), **files}
        for file, content in files.items():
            (folder / file).write_text(content)
        for file in files:
            os.replace(folder / file, path.parent / file)


def verilog_text(folder: Path) -> str:
    """The Verilog of the folder's design.il, without a heading.

    Raises:
        ToolError: Yosys stopped.
    """
    design = (folder / "design.il").read_text()
    for cell, pins in OPEN_PINS.items():
        zeros = "".join(f"    connect \\{pin} 1'0\n" for pin in pins)
        # Its backslashes are doubled: they are no escapes of the pattern language.
        zeros = zeros.replace("\\", r"\\")
        design = re.sub(rf"^  cell \\{cell} .*\n", rf"\g<0>{zeros}", design, flags=re.MULTILINE)
    (folder / "verilog.il").write_text(design)
    run_script(TO_VERILOG, folder, "verilog")
    # The first line is a comment about the Yosys that wrote it, with paths of the machine that it was made on.
    _, _, text = (folder / "verilog.v").read_text().partition("\n")
    return compact_memories(text)


def cell_models(cells: tuple[str, ...]) -> str:
    """What a part's cells do, for simulation: synthesizers know them."""
    models = resources.files("openwork_hw.primitives") / "models"
    head = "// Models of the part's cells, for simulation only.\n//\n// SPDX-License-Identifier: Apache-2.0\n\n"
    return head + TIMESCALE + "".join(f"\n{(models / f'{cell}.v').read_text()}" for cell in cells)
