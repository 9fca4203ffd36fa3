"""The row buffer: order of the replay, spacing, starvation, and every fault it reports."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from tests.slow import slow_but

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.arch.timing import write_cycles
from openwork_hw.array.row_buffer import RowBuffer

CONFIG = ArrayConfig(pes=1, lanes=3, feature_words=256, row_buffer_nonzeros=16, tap_entries=64)


@dataclass(frozen=True)
class Row:
    """A row as the test feeds it: its nonzeros, the number its record carries and the one its nonzeros name."""

    nonzeros: tuple[tuple[int, int, int], ...]
    number: int
    named: int


def random_rows(rng: np.random.Generator, count: int, longest: int) -> list[Row]:
    """Rows of 1 to `longest` nonzeros (tap, channel, value)."""
    rows = []
    for number in rng.permutation(count):
        length = int(rng.integers(1, longest + 1))
        nonzeros = tuple((int(rng.integers(4)), int(rng.integers(100)), int(rng.integers(256))) for _ in range(length))
        rows.append(Row(nonzeros, int(number), int(number)))
    return rows


def replay(
    rows: list[Row],
    hold: int,
    *,
    config: ArrayConfig = CONFIG,
    stall: float = 0.0,
    records: int | None = None,
    seed: int = 0,
    passes: int = 1,
) -> tuple[list[list[tuple[int, ...]]], list[int], int, int]:
    """Run the rows `passes` times; returns beats of each pass, the cycles of the last pass's beats, error and position.

    `records` is the number of records sent, if not one for each row.
    """
    dut = RowBuffer(config)
    beats: list[list[tuple[int, ...]]] = []
    cycles: list[int] = []
    result = [0, 0]
    record_count = len(rows) if records is None else records

    async def feed_nonzeros(ctx: Any) -> None:
        rng = np.random.default_rng(seed + 1)
        for _ in range(passes):
            await ctx.tick().until(dut.clear)
            for index, row in enumerate(rows):
                for position, (tap, channel, value) in enumerate(row.nonzeros):
                    while rng.random() < stall:
                        await ctx.tick()
                    last = position == len(row.nonzeros) - 1
                    payload = {"row": row.named, "tap": tap, "channel": channel, "value": value, "last": last}
                    ctx.set(dut.i.payload, payload | {"final": last and index == len(rows) - 1})
                    ctx.set(dut.i.valid, 1)
                    ctx.set(dut.i_position, index)
                    await ctx.tick().until(dut.i.ready)
                    ctx.set(dut.i.valid, 0)

    async def feed_records(ctx: Any) -> None:
        rng = np.random.default_rng(seed + 2)
        for _ in range(passes):
            for index in range(record_count):
                while rng.random() < stall:
                    await ctx.tick()
                row = rows[min(index, len(rows) - 1)]
                fields = {"row": row.number, "offset": row.number * 3 - 50, "shift": row.number % 8, "write": 1}
                ctx.set(dut.i_records.payload, fields | {"last": index == record_count - 1})
                ctx.set(dut.i_records.valid, 1)
                await ctx.tick().until(dut.i_records.ready)
                ctx.set(dut.i_records.valid, 0)

    async def watch(ctx: Any) -> None:
        ctx.set(dut.settings.turn_base, max(hold - 2, 0) << 2)
        ctx.set(dut.settings.single_pixel, hold == 1)
        ctx.set(dut.settings.tap_bits, 2)
        ctx.set(dut.settings.output_base, 10)
        ctx.set(dut.settings.output_stride, 5)
        ctx.set(dut.i_check_rows, 1)
        for _ in range(passes):
            beats.append([])
            cycles.clear()
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            idle = 0
            for cycle in range(100_000):
                *_, out, done = await ctx.tick().sample(dut.o, dut.done)
                idle = 0 if out.valid or not done else idle + 1
                if out.valid:
                    end = (out.end.address, out.end.offset, out.end.shift) if out.last else ()
                    beats[-1].append((out.table_base | out.tap, out.channel, out.value, out.first, out.last, *end))
                    cycles.append(cycle)
                if idle == 10:
                    break
            else:
                raise AssertionError("the row buffer is not done after 100,000 cycles")
        result[:] = [ctx.get(dut.error), ctx.get(dut.position)]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed_nonzeros, background=True)
    simulator.add_testbench(feed_records, background=True)
    simulator.add_testbench(watch)
    simulator.run()
    return beats, cycles, result[0], result[1]


def expected_beats(rows: list[Row], hold: int) -> list[tuple[int, ...]]:
    """What the datasheet's formula says."""
    beats: list[tuple[int, ...]] = []
    for row in rows:
        for pixel in range(hold):
            for index, (tap, channel, value) in enumerate(row.nonzeros):
                last = index == len(row.nonzeros) - 1
                end = ((10 + 5 * pixel + row.number) % 256, row.number * 3 - 50, row.number % 8) if last else ()
                beats.append((pixel << 2 | tap, channel, value, int(index == 0), int(last), *end))
    return beats


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("hold", slow_but([1, 2, 7, 16], 1, 2))
def test_rows_are_replayed_pixel_by_pixel(hold: int, stall: float) -> None:
    rng = np.random.default_rng(hold)
    rows = random_rows(rng, 25, longest=16)
    beats, _, error, _ = replay(rows, hold, stall=stall, passes=2)
    assert beats == [expected_beats(rows, hold)] * 2
    assert error == StreamErrorKind.NONE


def test_a_row_longer_than_the_ring_streams_through_when_hold_is_one() -> None:
    rows = random_rows(np.random.default_rng(5), 4, longest=100)
    assert max(len(row.nonzeros) for row in rows) > CONFIG.row_buffer_nonzeros
    beats, _, error, _ = replay(rows, 1)
    assert beats == [expected_beats(rows, 1)]
    assert error == StreamErrorKind.NONE


@pytest.mark.parametrize("lanes", slow_but([1, 2, 3, 8], 1, 3))
@pytest.mark.parametrize("hold", slow_but([1, 3, 16], 1, 3))
def test_a_row_takes_its_nonzeros_or_the_lanes_without_a_bubble(lanes: int, hold: int) -> None:
    config = replace(CONFIG, lanes=lanes)
    rows = random_rows(np.random.default_rng(lanes), 60, longest=12)
    _, cycles, _, _ = replay(rows, hold, config=config)
    segments = [len(row.nonzeros) for row in rows for _ in range(hold)]
    # The first segment has no one before it to keep distance from.
    assert cycles[-1] - cycles[0] == segments[0] - 1 + sum(max(n, config.row_spacing) for n in segments[1:])


def test_one_port_leaves_a_hole_for_every_write() -> None:
    config = replace(CONFIG, single_port=True)
    rows = random_rows(np.random.default_rng(3), 40, longest=12)
    beats, cycles, _, _ = replay(rows, 5, config=config)
    assert beats == [expected_beats(rows, 5)]
    lasts = {cycle for beat, cycle in zip(beats[0], cycles, strict=True) if beat[4]}
    assert not {cycle + write_cycles(config) for cycle in lasts} & set(cycles)


def test_a_row_that_its_record_does_not_name_is_a_row_fault() -> None:
    rows = random_rows(np.random.default_rng(1), 9, longest=5)
    rows[6] = replace(rows[6], named=rows[2].number)
    beats, _, error, position = replay(rows, 2)
    assert (error, position) == (StreamErrorKind.ROW, 6)
    assert beats[0] == expected_beats(rows[:6], 2)[: len(beats[0])]


@pytest.mark.parametrize("records", [4, 12])
def test_records_that_end_early_or_late_are_a_records_fault(records: int) -> None:
    rows = random_rows(np.random.default_rng(2), 9, longest=5)
    _, _, error, position = replay(rows, 1, records=records)
    assert (error, position) == (StreamErrorKind.RECORDS, min(records, len(rows)) - 1)


def test_a_replayed_row_longer_than_the_ring_is_a_fault_and_not_a_hang() -> None:
    rows = random_rows(np.random.default_rng(4), 6, longest=9)
    rows[3] = replace(rows[3], nonzeros=((1, 2, 3),) * (CONFIG.row_buffer_nonzeros + 1))
    _, _, error, position = replay(rows, 2)
    assert (error, position) == (StreamErrorKind.ROW_TOO_LONG, 3)
