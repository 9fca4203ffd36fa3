"""One processing element against a few lines of plain integers."""

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from tests.slow import slow_but

from openwork_hw.arch.arithmetic import requantize_folded
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import write_cycles
from openwork_hw.array.change_delay import ChangeDelay
from openwork_hw.array.element import Element
from openwork_hw.array.payloads import BeatOp, Neighbour, RowEnd

PAD = -7
SETTINGS = {"pad": PAD, "low": -100, "high": 90}
ABOVE, BELOW = 50, -60  # the neighbours' words: lane number plus this


class Driver:
    """Speaks beats to an element and collects the bytes that it emits."""

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        self.dut = Element(config)
        self.emitted: list[int] = []
        self.whole = {"full_lanes": config.lanes, "full_groups": config.pes}

    async def beat(self, ctx: Any, **fields: Any) -> None:
        """Offer one beat for one cycle."""
        ctx.set(self.dut.beat, {"op": BeatOp.IDLE} | fields)
        *_, byte, valid = await ctx.tick().sample(self.dut.o_byte, self.dut.o_byte_valid)
        if valid:
            self.emitted.append(byte)
        ctx.set(self.dut.beat, {"op": BeatOp.IDLE})

    async def idle(self, ctx: Any, cycles: int) -> None:
        """Let `cycles` cycles pass."""
        for _ in range(cycles):
            await self.beat(ctx)

    async def load(self, ctx: Any, words: np.ndarray) -> None:
        """Write words [count, lanes] from address 0 on."""
        ctx.set(self.dut.settings, SETTINGS | {"loading": 1, "target": 3})
        ctx.set(self.dut.group, 3)
        await self.idle(ctx, 1)
        for address, word in enumerate(words):
            for lane, byte in enumerate(word):
                last = lane == self.config.lanes - 1
                await self.beat(ctx, op=BeatOp.LOAD, address=address, weight=int(byte), last=last)
        await self.idle(ctx, 2)

    async def read(self, ctx: Any, addresses: range) -> np.ndarray:
        """Read words back by multiplying by one: int8 [count, lanes]."""
        ctx.set(self.dut.settings, self.whole | {"emitter": 9, "low": -128, "high": 127})
        ctx.set(self.dut.index, 9)
        self.emitted.clear()
        await self.idle(ctx, 1)
        for address in addresses:
            await self.beat(ctx, op=BeatOp.MAC, address=address, weight=1, first=1, last=1, end={"emit": 1})
            await self.idle(ctx, self.config.lanes - 1)
        await self.idle(ctx, write_cycles(self.config) + 1)
        return np.array(self.emitted).reshape(-1, self.config.lanes)

    def run(self, bench: Any) -> None:
        """Simulate until the bench returns."""
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()


def operand(
    words: np.ndarray, address: int, lane: int, lane_shift: Neighbour, pe_shift: Neighbour, edges: tuple[int, int]
) -> int:
    """What a lane multiplies, worked out from the datasheet."""
    is_first, is_last = edges
    lanes = words.shape[1]
    source = {Neighbour.HERE: lane, Neighbour.BEFORE: lane - 1, Neighbour.AFTER: lane + 1, Neighbour.PAD: -1}[
        lane_shift
    ]
    if not 0 <= source < lanes or pe_shift == Neighbour.PAD:
        return PAD
    if pe_shift == Neighbour.BEFORE:
        return PAD if is_first else ABOVE + source
    if pe_shift == Neighbour.AFTER:
        return PAD if is_last else BELOW + source
    return int(words[address, source])


@pytest.mark.parametrize("single_port", [False, True])
@pytest.mark.parametrize("lanes", slow_but([1, 2, 3, 4, 7], 1, 3))
def test_rows_are_multiplied_shifted_requantized_and_written(lanes: int, single_port: bool) -> None:
    config = ArrayConfig(pes=1, lanes=lanes, feature_words=64, single_port=single_port)
    rng = np.random.default_rng(lanes)
    words = rng.integers(-128, 128, (32, lanes))
    driver = Driver(config)
    dut = driver.dut
    row_count = 24

    async def bench(ctx: Any) -> None:
        await driver.load(ctx, words)
        edges = (int(rng.integers(2)), int(rng.integers(2)))
        ctx.set(dut.settings, SETTINGS | driver.whole)
        ctx.set(dut.is_first, edges[0])
        ctx.set(dut.is_last, edges[1])
        for lane in range(lanes):
            ctx.set(dut.i_word_above[lane], ABOVE + lane)
            ctx.set(dut.i_word_below[lane], BELOW + lane)
        await driver.idle(ctx, 1)
        expected = np.zeros((row_count, lanes), dtype=np.int64)
        busy: set[int] = set()  # cycles in which the memory is written
        cycle = 0
        previous_last = -lanes
        for row in range(row_count):
            length = int(rng.integers(1, 12))
            sums = np.zeros(lanes, dtype=np.int64)
            offset, shift = int(rng.integers(-5000, 5000)), int(rng.integers(0, 9))
            for index in range(length):
                last = index == length - 1
                while rng.random() < 0.2 or cycle in busy or (last and cycle < previous_last + lanes):
                    await driver.beat(ctx, weight=99, address=1)  # idle, with leftovers on its wires
                    cycle += 1
                address, weight = int(rng.integers(32)), int(rng.choice([-128, 127, int(rng.integers(-128, 128))]))
                lane_shift, pe_shift = Neighbour(int(rng.integers(4))), Neighbour(int(rng.integers(4)))
                end = (
                    {"address": 32 + row, "offset": offset, "shift": shift, "write": 1}
                    if last
                    else {"address": 5, "write": 1}
                )
                await driver.beat(
                    ctx,
                    op=BeatOp.MAC,
                    address=address,
                    weight=weight,
                    lane_shift=lane_shift,
                    pe_shift=pe_shift,
                    first=index == 0,
                    last=last,
                    end=end,
                )
                for lane in range(lanes):
                    sums[lane] += weight * operand(words, address, lane, lane_shift, pe_shift, edges)
                if last:
                    previous_last = cycle
                    if single_port:
                        busy.add(cycle + write_cycles(driver.config))
                cycle += 1
            expected[row] = [requantize_folded(int(s), offset, shift, SETTINGS["low"], SETTINGS["high"]) for s in sums]
        await driver.idle(ctx, write_cycles(driver.config) + 2)
        assert (await driver.read(ctx, range(32, 32 + row_count)) == expected).all()
        assert (await driver.read(ctx, range(32)) == words).all()

    driver.run(bench)


def test_a_word_loaded_for_another_group_is_not_taken() -> None:
    driver = Driver(ArrayConfig(pes=1, lanes=3, feature_words=64))

    async def bench(ctx: Any) -> None:
        await driver.load(ctx, np.array([[1, 2, 3]]))
        ctx.set(driver.dut.group, 2)
        await driver.idle(ctx, 1)
        for byte in (7, 8, 9):
            await driver.beat(ctx, op=BeatOp.LOAD, address=0, weight=byte, last=byte == 9)
        assert (await driver.read(ctx, range(1))).tolist() == [[1, 2, 3]]

    driver.run(bench)


@pytest.mark.parametrize(
    ("use", "window", "spacing"), [(1, 1, 1), (5, 1, 1), (11, 7, 7), (11, 4, 4), (13, 1, 7), (3, 2, 9)]
)
def test_a_change_arrives_after_the_delay_for_the_whole_window(use: int, window: int, spacing: int) -> None:
    dut = ChangeDelay(RowEnd(ArrayConfig(pes=1, lanes=1)), use=use, window=window, spacing=spacing)
    rng = np.random.default_rng(use)
    changes: dict[int, int] = {}
    cycle = 0
    while cycle < 300:
        changes[cycle] = int(rng.integers(1 << 20))
        cycle += spacing + int(rng.integers(0, 4)) * int(rng.integers(0, 2))

    async def bench(ctx: Any) -> None:
        seen = []
        for now in range(300):
            ctx.set(dut.i_change, now in changes)
            ctx.set(dut.i.offset, changes.get(now, 5))
            seen.append(ctx.get(dut.o.offset))
            await ctx.tick()
        for start, value in changes.items():
            for now in range(start + use, min(start + use + window, 300)):
                assert seen[now] == value

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
