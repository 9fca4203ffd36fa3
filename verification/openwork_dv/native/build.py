"""Compiles an ImageRunner to a program of this machine: Amaranth, Yosys, Verilator, g++."""

import os
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

from amaranth.back import rtlil

from openwork_dv.building import BUILD_FOLDER, SimulationError, built, files_version
from openwork_dv.native.memories import PlainMemories
from openwork_dv.native.simulation import NativeSimulation
from openwork_fpga.yosys import run_script
from openwork_hw.accelerator import ALL_ENCODINGS
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image_runner import ImageRunner

TO_VERILOG = """read_verilog memory.v
read_rtlil top.il
hierarchy -top top
proc
pmuxtree
flatten
opt_expr
opt_merge
opt_clean
{hide}
clean -purge
write_verilog -noattr top.v
"""
"""One flat module. Wires without a name of their own may be optimized away, which halves the time to build and to run."""

VERILATE = ("--cc", "--exe", "--build", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal")
COMPILE = ("-CFLAGS", "-std=c++17 -O3 -march=native", "-MAKEFLAGS", "OPT_FAST=-O3 OPT_SLOW=-O1 OPT_GLOBAL=-O3")


def build(
    config: ArrayConfig,
    encodings: tuple[Encoding, ...] = ALL_ENCODINGS,
    folder: Path = BUILD_FOLDER,
    *,
    waves: bool = False,
) -> NativeSimulation:
    """The whole-network top of this configuration as a program, built now unless it was built before.

    Args:
        waves: it can record waves, of all wires by their own names; it is slower then.

    Raises:
        SimulationError: Verilator or the compiler is not there, or refused the program.
    """
    for tool, package in (("verilator", "verilator"), ("g++", "g++"), ("make", "make")):
        if shutil.which(tool) is None:
            raise SimulationError(f"{tool} is not installed, which compiles the gateware: apt-get install {package}")
    sources = [Path(str(file)) for file in resources.files(__package__).iterdir() if file.is_file()]
    depends_on = [repr(config), repr(encodings), repr(waves), files_version(*sorted(sources)), _tools()]

    def make(part: Path) -> None:
        for name in ("main.cpp", "memory.v"):
            shutil.copy(Path(__file__).parent / name, part)
        top = ImageRunner(config, encodings=encodings)
        (part / "top.il").write_text(rtlil.convert(top, name="top", emit_src=False, platform=PlainMemories()))
        run_script(TO_VERILOG.format(hide="" if waves else "rename -hide w:*"), part)
        (part / "ports.h").write_text(_ports((part / "top.v").read_text()))
        log = part / "build.log"
        command = ["verilator", *VERILATE, *COMPILE, "--top-module", "top", "--prefix", "Vtop", "--Mdir", "objects"]
        command += ["-j", str(len(os.sched_getaffinity(0))), *(["--trace"] if waves else []), "top.v", "main.cpp"]
        with log.open("w") as output:
            process = subprocess.run(command, cwd=part, stdout=output, stderr=subprocess.STDOUT, check=False)
        if process.returncode:
            raise SimulationError(f"Verilator or g++ refused the simulation (log: {log})")
        (part / "objects" / "Vtop").rename(part / "simulation")
        shutil.rmtree(part / "objects")

    return NativeSimulation(config, built(folder, "\n".join(depends_on), make) / "simulation")


def _ports(verilog: str) -> str:
    """A C macro that lists the ports of the top: the name of each, and Verilator's for it, in which two underscores are escaped."""
    names = re.findall(r"^  (?:input|output) (?:signed )?(?:\[\d+:\d+\] )?(\w+);$", verilog, re.MULTILINE)
    lines = [f'PORT("{name}", {name.replace("__", "___05F")})' for name in names]
    return "#define PORTS \\\n" + " \\\n".join(f"    {line}" for line in lines) + "\n"


def _tools() -> str:
    """Versions of Verilator and the compiler, and what this machine's processor is for it."""
    commands = (["verilator", "--version"], ["g++", "-march=native", "-Q", "--version", "--help=target"])
    return "".join(subprocess.run(one, capture_output=True, text=True, check=True).stdout for one in commands)
