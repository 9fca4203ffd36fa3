"""Compiles an ImageRunner to a program of this machine: Amaranth, Yosys' CXXRTL, g++."""

import shutil
import subprocess
from importlib import resources
from importlib.util import find_spec
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

TO_CPP = """read_verilog memory.v
read_rtlil top.il
hierarchy -top top
proc
pmuxtree
flatten
opt_expr
opt_merge
opt_clean
clean -purge
splitnets -driver
opt_clean
write_cxxrtl -g3 -header top.cc
"""
"""One flat module, its wires split where parts of them depend on each other: then one evaluation a cycle settles all."""

COMPILE = ("g++", "-std=c++17", "-O3", "-march=native", "-fno-exceptions")


def build(
    config: ArrayConfig, encodings: tuple[Encoding, ...] = ALL_ENCODINGS, folder: Path = BUILD_FOLDER
) -> NativeSimulation:
    """The whole-network top of this configuration as a program, built now unless it was built before.

    Raises:
        SimulationError: the compiler is not there or refused the program.
    """
    if shutil.which("g++") is None:
        raise SimulationError("the C++ compiler g++ is not installed: apt-get install g++")
    sources = [Path(str(file)) for file in resources.files(__package__).iterdir() if file.is_file()]
    depends_on = [repr(config), repr(encodings), files_version(*sorted(sources)), _compiler()]

    def make(part: Path) -> None:
        for name in ("main.cpp", "memory.v"):
            shutil.copy(Path(__file__).parent / name, part)
        top = ImageRunner(config, encodings=encodings)
        (part / "top.il").write_text(rtlil.convert(top, name="top", emit_src=False, platform=PlainMemories()))
        run_script(TO_CPP, part)
        log = part / "build.log"
        with log.open("w") as output:
            command = [*COMPILE, f"-I{_runtime()}", "main.cpp", "top.cc", "-o", "simulation"]
            process = subprocess.run(command, cwd=part, stdout=output, stderr=subprocess.STDOUT, check=False)
        if process.returncode:
            raise SimulationError(f"g++ refused the simulation (log: {log})")

    return NativeSimulation(config, built(folder, "\n".join(depends_on), make) / "simulation")


def _runtime() -> Path:
    """The folder of CXXRTL's headers, which come with Yosys."""
    spec = find_spec("pyosys")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "share" / "include" / "backends" / "cxxrtl" / "runtime"


def _compiler() -> str:
    """Version of the compiler, and what this machine's processor is for it."""
    command = ["g++", "-march=native", "-Q", "--version", "--help=target"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
