"""The LiteX example in the simulator, driven at its UART by the example's own host."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import FallingEdge, Timer
from numpy.typing import NDArray

from openwork.image import Image
from openwork_dv.bench.clocked import read_jobs, write_results

CLOCK_PERIOD_NS = 25
WRITE, READ = 1, 2
"""Commands of LiteX's bridge: a burst to or from ascending addresses."""


@dataclass(frozen=True)
class LitexJob:
    """An image and inputs for the system.

    Attributes:
        host: path of the example's host.
        csr: path of the map that LiteX wrote.
        bit_ns: of the UART.
        image, inputs: int8 [batch, channels, height, width].
    """

    host: Path
    csr: Path
    bit_ns: int
    image: Image
    inputs: NDArray[np.int8]


class Line:
    """A UART as the host sees it, and LiteX's bridge behind it: command, words, word address and words, highest byte first."""

    def __init__(self, top: Any, bit_ns: int) -> None:
        self._top = top
        self._bit_ns = bit_ns

    async def _send(self, content: bytes) -> None:
        for byte in content:
            for place in range(10):  # start, eight bits, stop
                self._top.serial_rx.value = (0x200 | byte << 1) >> place & 1
                await Timer(self._bit_ns, "ns")

    async def _receive(self, count: int) -> bytes:
        content = bytearray()
        for _ in range(count):
            if self._top.serial_tx.value == 1:
                await FallingEdge(self._top.serial_tx)
            await Timer(3 * self._bit_ns // 2, "ns")
            byte = 0
            for place in range(8):
                byte |= int(self._top.serial_tx.value) << place
                await Timer(self._bit_ns, "ns")
            content.append(byte)
        return bytes(content)

    @resume
    async def read(self, address: int, count: int) -> list[int]:
        """Words from an address on."""
        answer = cocotb.start_soon(self._receive(4 * count))  # it may come while the last stop bit still goes
        await self._send(bytes([READ, count]) + (address // 4).to_bytes(4, "big"))
        content = await answer
        return [int.from_bytes(content[at : at + 4], "big") for at in range(0, len(content), 4)]

    @resume
    async def write(self, address: int, words: list[int]) -> None:
        """Likewise."""
        content = b"".join(word.to_bytes(4, "big") for word in words)
        await self._send(bytes([WRITE, len(words)]) + (address // 4).to_bytes(4, "big") + content)


@cocotb.test()
async def run(top: Any) -> None:
    """Load the image, run every input."""
    job: LitexJob = read_jobs()
    specification = importlib.util.spec_from_file_location("host", job.host)
    assert specification is not None and specification.loader is not None
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)

    top.serial_rx.value = 1
    top.rst.value = 0
    Clock(top.clk25, CLOCK_PERIOD_NS, unit="ns", impl="gpi").start(start_high=False)
    await Timer(100 * CLOCK_PERIOD_NS, "ns")
    line = Line(top, job.bit_ns)
    host = await bridge(example.Host)(line.read, line.write, job.csr)
    await bridge(host.load)(job.image)
    write_results([await bridge(host.run)(job.image, one) for one in job.inputs])
