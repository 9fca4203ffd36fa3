"""Builds a component's Verilog with Icarus or Verilator and runs a cocotb bench on it; what was built once is kept."""

import logging
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import cocotb_tools.config
from amaranth.back import rtlil
from amaranth.lib import wiring
from cocotb_tools.runner import Icarus, Runner, get_runner

from openwork_dv.building import BUILD_FOLDER, SimulationError, built, files_version
from openwork_dv.held_commands import HeldCommands
from openwork_dv.jobs import Job, JobResult
from openwork_dv.native.build import compile_program, tools, verilate
from openwork_dv.waves import DUMP, DUMP_MODULE, bench_waves, write_view
from openwork_dv.waves import FOLDER as WAVES
from openwork_fpga.yosys import run_script
from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image_runner import ImageRunner
from openwork_hw.shells.axi_top import AxiTop
from openwork_hw.shells.bus_shell import BusShell

TO_VERILOG = """read_rtlil top.il
proc
pmuxtree
flatten
opt_expr
opt_merge
opt_clean
memory_collect
clean -purge
write_verilog -noattr top.v
"""
"""One flat module of plain assignments: Icarus simulates it twice as fast as the hierarchy with its processes.

The passes of `opt` one by one, without `opt_dff`: it stops at two flip-flops that are constant from different initial values.
"""


TOP_PORTS = ("clk", "rst", "i_*", "o_*")
"""cocotb sees these of a Verilator model; what can be seen is not optimized."""

BLOCK_PORTS = ("aclk", "aresetn", "interrupt", "s_*", "m_*")
"""Likewise, of a block with the names of the AXI standard."""


class Simulator(Enum):
    """What runs under cocotb."""

    ICARUS = "icarus"
    """Knows undefined values, and is there in seconds."""
    VERILATOR = "verilator"
    """Some seven times as fast, for long campaigns; takes half a minute and more to build. Undefined values begin at random."""


@dataclass(frozen=True)
class Simulation:
    """A compiled component, ready to run benches.

    Attributes:
        folder: holds the compiled simulation.
        simulator: that it is compiled for.
        top: name of the top module.
    """

    folder: Path
    simulator: Simulator = Simulator.ICARUS
    top: str = "top"

    def run(self, bench: str, jobs: Any) -> Any:
        """Run `openwork_dv.bench.<bench>`: what it reads are `jobs`, what it writes comes back.

        If the environment variable OPENWORK_WAVES names a folder, the waves of the run and a saved view are written there.

        Raises:
            SimulationError: the simulator or the bench stopped.
        """
        waves = bench_waves(bench)
        scratch = Path(tempfile.mkdtemp(dir=self.folder, prefix="run-"))
        (scratch / "jobs").write_bytes(pickle.dumps(jobs))
        results, log = scratch / "results", scratch / "log"
        plusargs = (
            ["+verilator+rand+reset+2"]
            if self.simulator is Simulator.VERILATOR
            else [f"+waves={waves}"]
            if waves
            else []
        )
        with suppress(SystemExit):  # the runner's way to say that the bench failed: no results then
            _runner(self.simulator, waves=waves is not None).test(
                test_module=f"openwork_dv.bench.{bench}",
                hdl_toplevel=self.top,
                hdl_toplevel_lang="verilog",
                build_dir=self.folder,
                test_dir=scratch,
                results_xml=str(scratch / "results.xml"),
                log_file=log,
                plusargs=plusargs,
                test_args=[]
                if waves is None or self.simulator is Simulator.ICARUS
                else ["--trace", "--trace-file", str(waves)],
                extra_env={"OPENWORK_JOBS": str(scratch / "jobs"), "OPENWORK_RESULTS": str(results)},
            )
        if waves is not None and waves.exists():
            write_view(waves)
        if not results.exists():
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            complaint = next(
                (line.strip() for line in reversed(lines) if "Error" in line or "rror:" in line), "no reason"
            )
            raise SimulationError(f"the bench {bench} stopped: {complaint} (log: {log})")
        found = pickle.loads(results.read_bytes())
        shutil.rmtree(scratch)
        return found


def accelerator(
    config: ArrayConfig,
    folder: Path = BUILD_FOLDER,
    simulator: Simulator = Simulator.ICARUS,
) -> Simulation:
    """The whole core of this configuration, compiled; a compact one behind something that holds its commands."""
    if config.compact:
        return build(f"held accelerator {config!r}", lambda: HeldCommands(config), folder, simulator)
    return build(f"accelerator {config!r}", lambda: Accelerator(config), folder, simulator)


def run_jobs(
    config: ArrayConfig,
    jobs: Sequence[Job],
    folder: Path = BUILD_FOLDER,
    simulator: Simulator = Simulator.ICARUS,
) -> list[JobResult]:
    """Run jobs on the whole core, one after the other in one simulation."""
    return run_on(accelerator(config, folder, simulator), config, jobs)


def run_on(simulation: Simulation, config: ArrayConfig, jobs: Sequence[Job]) -> list[JobResult]:
    """Run jobs on a core of this configuration that is compiled already."""
    results: list[JobResult] = simulation.run("accelerator", (len(config.feeders), list(jobs)))
    return results


def image_runner(config: ArrayConfig, encodings: tuple[Encoding, ...], folder: Path = BUILD_FOLDER) -> Simulation:
    """The whole-network top of this configuration, compiled."""
    return build(f"image_runner {config!r} {encodings!r}", lambda: ImageRunner(config, encodings=encodings), folder)


def bus_shell(
    config: ArrayConfig, encodings: tuple[Encoding, ...], image_words: int, folder: Path = BUILD_FOLDER
) -> Simulation:
    """The bus shell around this configuration, compiled, with the port names that its Verilog has."""
    return build(
        f"bus_shell {config!r} {encodings!r} {image_words}",
        lambda: AxiTop(BusShell(config, encodings=encodings, image_words=image_words)),
        folder,
    )


def written(
    verilog: Path, folder: Path = BUILD_FOLDER, simulator: Simulator = Simulator.ICARUS, *, language: str = "2012"
) -> Simulation:
    """A file that `openwork_fpga.verilog` wrote, compiled as it is, with the models that lie beside it.

    Args:
        language: the year of the Verilog standard that Icarus reads it by.

    Raises:
        SimulationError: the simulator is not there or refused the Verilog.
    """
    _require(simulator)
    name = verilog.stem
    cells = verilog.with_name(f"{name}_cells.v")
    sources = [path.absolute() for path in (verilog, cells) if path.exists()]

    def make(part: Path) -> None:
        if simulator is Simulator.ICARUS:
            _compile_icarus(part, sources, name, f"-g{language}")
        else:
            _compile_verilator(part, sources, name)

    depends_on = [name, files_version(*sources), language]
    depends_on += [_verilated_with()] if simulator is Simulator.VERILATOR else []
    return Simulation(built(folder, " ".join(depends_on), make), simulator, name)


def build(
    name: str,
    component: Callable[[], wiring.Component],
    folder: Path = BUILD_FOLDER,
    simulator: Simulator = Simulator.ICARUS,
) -> Simulation:
    """Write a component's Verilog and compile it, unless the same name was built from the same gateware before.

    Raises:
        SimulationError: the simulator is not there or refused the Verilog.
    """
    _require(simulator)
    if simulator is Simulator.VERILATOR:
        name = f"{name} {_ports_file('top')} {_verilated_with()}"

    def make(part: Path) -> None:
        (part / "top.il").write_text(rtlil.convert(component(), name="top", emit_src=False))
        if simulator is Simulator.ICARUS:
            compile_design(part)
        else:
            run_script(TO_VERILOG, part)
            _compile_verilator(part, [part / "top.v"], "top")

    return Simulation(built(folder, name, make), simulator)


def compile_design(folder: Path) -> None:
    """Write the design in the folder's `top.il` as Verilog and compile it, for `Simulation(folder)`.

    Raises:
        SimulationError: Icarus refused the Verilog.
    """
    run_script(TO_VERILOG, folder)
    _compile_icarus(folder, [folder / "top.v"], "top")


def _require(simulator: Simulator) -> None:
    if simulator is Simulator.ICARUS and shutil.which("iverilog") is None:
        raise SimulationError("Icarus Verilog is not installed: apt-get install iverilog")


def _compile_icarus(folder: Path, sources: Sequence[Path], top: str, *options: str) -> None:
    log = folder / "build.log"
    dump = folder / f"{DUMP_MODULE}.v"
    dump.write_text(DUMP.format(module=DUMP_MODULE, top=top))
    try:
        _runner(Simulator.ICARUS).build(
            sources=[*sources, dump],
            hdl_toplevel=top,
            build_dir=folder,
            build_args=["-s", DUMP_MODULE, *options],
            timescale=("1ns", "1ps"),
            log_file=log,
        )
    except (RuntimeError, SystemExit):
        raise SimulationError(f"Icarus refused the Verilog (log: {log})") from None


def _compile_verilator(folder: Path, sources: Sequence[Path], top: str) -> None:
    """cocotb's own main program around a model of which the ports can be seen.

    It is compiled for short runs: a bench spends its time in Python, and a faster model gains it little.
    """
    (folder / "ports.vlt").write_text(_ports_file(top))
    waves = bool(os.environ.get(WAVES))
    options = ("--vpi", "--timescale", "1ns/1ps", "--x-initial", "unique", "--top-module", top)
    verilate(folder, *options, *(["--trace-vcd"] if waves else []), "ports.vlt", *map(str, sources))
    libraries = cocotb_tools.config.libs_dir
    compile_program(
        folder,
        [cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"],
        ["verilated_vpi.cpp", *(["verilated_vcd_c.cpp"] if waves else [])],
        defines=[f"-DVM_TRACE={int(waves)}"],
        link=[f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator"],
        program=top,
        short_runs=True,
    )


def _ports_file(top: str) -> str:
    """Verilator's configuration file that lets cocotb see a module's ports."""
    lines = [f'public_flat_rw -module "{top}" -var "{name}"' for name in (*TOP_PORTS, *BLOCK_PORTS)]
    return "\n".join(["`verilator_config", *lines, ""])


def _verilated_with() -> str:
    """What a verilated program depends on besides its sources: the tools; the library of cocotb, of which it holds the path;
    and whether waves are asked for, which makes a slower model."""
    return f"{tools()} {cocotb_tools.config.libs_dir} {'waves' if os.environ.get(WAVES) else ''}"


class _VcdIcarus(Icarus):
    """Icarus with waves as VCD; cocotb's own runner has it write none, or its own format."""

    def _test_command(self) -> list[list[str]]:
        return [["-vcd" if word == "-none" else word for word in command] for command in super()._test_command()]


def _runner(simulator: Simulator, *, waves: bool = False) -> Runner:
    """cocotb's runner, which says nothing that is not in the log."""
    runner = _VcdIcarus() if waves and simulator is Simulator.ICARUS else get_runner(simulator.value)
    runner.log.setLevel(logging.CRITICAL + 1)
    return runner
