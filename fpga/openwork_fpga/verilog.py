"""Amaranth components as Verilog files."""

import os
import re
import tempfile
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from openwork_fpga.yosys import run_script
from openwork_hw.accelerator import ALL_ENCODINGS, Accelerator
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.refusal import Refusal
from openwork_hw.shells.axi_top import AxiTop
from openwork_hw.shells.bus_shell import BusShell


class VerilogError(Refusal):
    """A file that cannot hold a Verilog module of its own name."""


def write_verilog(config: ArrayConfig, path: Path, encodings: tuple[Encoding, ...] = ALL_ENCODINGS) -> None:
    """Write the accelerator of `config`, which decodes `encodings`, as one Verilog file.

    The top module has the file's name, and the ports of `Accelerator`, parts joined by ``__``: ``i_words__0__valid``.
    The file is complete or not there: it is written beside its place and then moved.

    Raises:
        VerilogError: the file's name is no Verilog name.
    """
    write_component(Accelerator(config, encodings=encodings), path)


def write_bus_shell(config: ArrayConfig, path: Path, encodings: tuple[Encoding, ...], image_words: int) -> None:
    """Write the array as a block with AXI4-Lite registers, AXI4-Stream data and an image memory of `image_words`.

    The ports are those of `AxiTop`: ``aclk``, ``s_axi_awaddr``, ``s_axis_image_tdata`` and so on.

    Raises:
        VerilogError: the file's name is no Verilog name.
    """
    write_component(AxiTop(BusShell(config, encodings=encodings, image_words=image_words)), path)


def write_component(component: wiring.Component, path: Path) -> None:
    """Write any component as `write_verilog` writes the accelerator."""
    name = path.stem
    if path.suffix != ".v" or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise VerilogError(f"a Verilog file is called NAME.v, NAME of letters, digits and _, not {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{name}-") as scratch:
        folder = Path(scratch)
        # Without source positions: they would carry this machine's paths.
        (folder / "design.il").write_text(rtlil.convert(component, name=name, emit_src=False))
        run_script(
            "read_rtlil design.il\nproc -nomux -norom\nmemory_collect\nwrite_verilog -norename design.v\n", folder
        )
        os.replace(folder / "design.v", path)
