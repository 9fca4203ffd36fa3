"""A board on a serial line, simulated: what a host opens is a pseudo terminal, what is behind it is the gateware."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from amaranth.lib import wiring

from openwork_dv.building import BUILD_FOLDER, SimulationError
from openwork_dv.native.build import WriteVerilog, build_program, flat_verilog
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.shells.serial_shell import SerialShell
from openwork_hw.shells.uart import clocks_per_bit

SIMULATED_BAUD = 4800


@dataclass(frozen=True)
class LineCount:
    """Since the simulation's begin.

    Attributes:
        cycles: of the clock.
        quiet: those of them in which nothing had been on the line for 1,000 cycles: both sides wait, as for a slow host.
        to_board, from_board: bytes.
    """

    cycles: int
    quiet: int
    to_board: int
    from_board: int

    @property
    def busy(self) -> int:
        """Cycles in which somebody had something to say."""
        return self.cycles - self.quiet


class SimulatedBoard:
    """A chip on a serial line that runs in a process of its own, from when the `with` block begins to its end.

    The terminal does not care about rates, and the simulation carries a thousand bytes a second or ten thousand: a host that opens
    it at `SIMULATED_BAUD` waits long enough, and sends no more ahead than that.

    Attributes:
        port: path of the terminal that stands for its serial port.
    """

    port: str

    def __init__(
        self,
        config: ArrayConfig,
        *,
        clock_hz: int,
        baud: int,
        shell: Callable[..., wiring.Component] = SerialShell,
        folder: Path = BUILD_FOLDER,
        write_verilog: WriteVerilog = flat_verilog,
        **options: Any,
    ) -> None:
        """`shell`: makes the chip, which has the ports rx and tx; `options`: its own; `write_verilog`: what becomes of it.

        Raises:
            SimulationError: the simulation cannot be built.
        """
        self._clocks = clocks_per_bit(clock_hz, baud)
        name = f"serial {shell.__name__} {config!r} {clock_hz} {baud} {sorted(options.items())!r}"
        self._program = build_program(
            name,
            lambda: shell(config, clock_hz=clock_hz, baud=baud, **options),
            "serial_line.cpp",
            folder,
            write_verilog=write_verilog,
        )

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [str(self._program), str(self._clocks)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = self._answer().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def reset(self) -> None:
        """Reset the board; its memory keeps what it holds."""
        self._ask("reset")

    def count(self) -> LineCount:
        """How long it has run, and what has gone over the line."""
        return self._ask("count")

    def _ask(self, command: str) -> LineCount:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return LineCount(*map(int, self._answer().split()))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SimulationError(f"the simulated board stopped with exit status {self._process.wait()}")
        return line
