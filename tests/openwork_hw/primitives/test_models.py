"""Our models of device cells, where synthesis is what puts the cells there."""

import random
from collections.abc import Callable
from pathlib import Path

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from tests.openwork_hw.primitives.conftest import MODELS

SYNTHESIZED = f"""read_rtlil dut.il
synth_ecp5 -top dut
read_verilog -overwrite +/ecp5/cells_sim.v
read_verilog -overwrite -lib {MODELS}/DP16KD.v
hierarchy -top dut
proc
flatten
write_verilog -noattr dut.v
"""


class Table(wiring.Component):
    """A memory with contents from the start."""

    address: Signal
    value: Signal

    def __init__(self, words: list[int], width: int) -> None:
        self._words = words
        self._width = width
        super().__init__({"address": In(range(len(words))), "value": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self._width, depth=len(self._words), init=self._words)
        read = words.read_port()
        m.d.comb += [read.addr.eq(self.address), self.value.eq(read.data)]
        return m


def test_a_block_memory_holds_its_contents_from_the_start(
    run_icarus: Callable[..., dict[str, list[int | None]]], tmp_path: Path
) -> None:
    generator = random.Random("contents")
    for width, depth in ((32, 1024), (9, 2048), (8, 4096)):
        words = [generator.getrandbits(width) for _ in range(depth)]
        addresses = [0, depth - 1, *(generator.randrange(depth) for _ in range(200))]
        values = run_icarus(Table(words, width), {"address": addresses}, SYNTHESIZED)["value"]
        assert "DP16KD" in (tmp_path / "dut.v").read_text()
        assert values[1:] == [words[address] for address in addresses[:-1]]
