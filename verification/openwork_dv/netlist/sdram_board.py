"""A board with an SDRAM chip, in time: the synthesized netlist of its tester, the pads, and the model of the chip, in Icarus."""

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from amaranth.back import rtlil

from openwork_dv.building import SimulationError
from openwork_dv.sdram.chip import SdramModel
from openwork_dv.sdram.violations import VIOLATIONS, violated
from openwork_fpga.boards import sdram_timing as timing
from openwork_fpga.boards.bitstream import write_netlist
from openwork_fpga.boards.board import Board
from openwork_fpga.boards.pll import ecp5_pll
from openwork_fpga.verilog import verilog_text
from openwork_fpga.yosys import run_script
from openwork_hw.shells.uart import clocks_per_bit

HERE = Path(__file__).parent

BEHAVIOUR = f"""read_json netlist.json
delete =A:blackbox
read_verilog -overwrite +/ecp5/cells_sim.v
read_verilog -overwrite -lib {HERE / "sdram_pads.v"}
hierarchy -check -top top
proc
flatten
opt_expr
opt_merge
opt_clean -purge
write_verilog -noattr top.v
"""
"""Logic becomes what it does; pads, the PLL and the clock's cell stay."""


@dataclass(frozen=True)
class Corner:
    """How fast the part and the board are.

    Attributes:
        out_ns: from our clock to a pin.
    """

    out_ns: float


SLOW, FAST = Corner(timing.OUT_MOST_NS), Corner(timing.OUT_LEAST_NS)


@dataclass(frozen=True)
class Heard:
    """What came of a run.

    Attributes:
        said: the bytes on the serial line.
        violations: rules of the chip's data sheet that were broken, by name.
        missed: how often the chip got something that changed too near to its clock.
        contended: how often both sides drove the data pins.
        refreshes: REFRESH commands.
    """

    said: str
    violations: list[str]
    missed: int
    contended: int
    refreshes: int


def write_board(board: Board, folder: Path) -> None:
    """Write top.v, the netlist of the board's SdramTester, and chip.v, the model of its chip, into a folder.

    Raises:
        SimulationError: the board has no SDRAM chip.
    """
    config = board.sdram_config
    if config is None:
        raise SimulationError(f"{board.name} has no SDRAM chip")
    for part in ("board", "chip"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "chip" / "design.il").write_text(rtlil.convert(SdramModel(config), name="sdram_chip", emit_src=False))
    (folder / "chip.v").write_text(verilog_text(folder / "chip"))
    write_netlist(board, folder / "board", tester=True)
    run_script(BEHAVIOUR, folder / "board", "behaviour")
    shutil.copy(folder / "board" / "top.v", folder / "top.v")


def listen(board: Board, folder: Path, corner: Corner, *, bytes_: int, phase: float | None = None) -> Heard:
    """Run what `write_board` wrote until the tester has said so many bytes, or four times as long as they take on the line.

    Args:
        phase: another phase of the chip's clock than the board's, in degrees.

    Raises:
        SimulationError: Icarus Verilog is not installed, or stopped.
    """
    if shutil.which("iverilog") is None:
        raise SimulationError("Icarus Verilog is not installed: apt-get install iverilog")
    if phase is not None:
        board = replace(board, sdram_phase=phase)
    pll = ecp5_pll(25, board.clock_mhz)
    coarse, fine = pll.delay(board.sdram_phase)
    text = (folder / "top.v").read_text()
    for name, value in (("CPHASE", pll.output_divider // 2 + coarse), ("FPHASE", fine)):
        text, times = re.subn(rf"(\.CLKOS_{name}\()[^)]*\)", rf"\g<1>{value})", text)
        if times != 1:
            raise SimulationError(f"the netlist sets CLKOS_{name} {times} times")
    (folder / "phased.v").write_text(text)

    def ps(nanoseconds: float) -> int:
        return round(1000 * nanoseconds)

    bit_ns = clocks_per_bit(board.clock_mhz * 1e6, board.baud) * 1e3 / board.clock_mhz
    macros = {
        "OUT_PS": ps(corner.out_ns + timing.TRACE_NS),
        "ACCESS_PS": ps(timing.ACCESS_NS[2] + timing.TRACE_NS + timing.IN_SETUP_NS),
        "KEPT_PS": ps(timing.KEPT_NS + timing.TRACE_NS - timing.IN_HOLD_NS),
        "SETUP_PS": ps(timing.CHIP_SETUP_NS),
        "HOLD_PS": ps(timing.CHIP_HOLD_NS),
        "RULES": len(VIOLATIONS),
        "BYTES": bytes_,
        "BIT_PS": ps(bit_ns),
        "PATIENCE_PS": ps(100_000 + 80 * bytes_ * bit_ns),
    }
    files = [str(HERE / "sdram_bench.v"), str(HERE / "sdram_pads.v"), "phased.v", "chip.v"]
    defines = [f"-D{name}={value}" for name, value in macros.items()]
    _run(["iverilog", "-g2012", "-s", "bench", "-o", "bench.vvp", *defines, *files], folder)
    found = dict(re.findall(r"^(\w+) (.*)$", _run(["vvp", "-n", "bench.vvp"], folder), re.MULTILINE))
    return Heard(
        found["said"].strip(),
        violated(int(found["seen"])),
        *(int(found[name]) for name in ("missed", "contended", "refreshes")),
    )


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SimulationError(f"{command[0]} stopped: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout
