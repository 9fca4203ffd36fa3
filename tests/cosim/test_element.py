"""One element's Verilog alone under cocotb: random beats with random gaps against the requantization formula."""

from collections.abc import Mapping

import numpy as np
import pytest

from openwork_dv.jobs import ElementJob
from openwork_dv.packing import pack
from openwork_dv.runner import build
from openwork_hw.arch.arithmetic import requantize_folded
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.element import Element
from openwork_hw.array.payloads import Beat, BeatOp, Neighbour, RowEnd, Settings

CONFIG = ArrayConfig(1, 5, feature_words=64, sum_bits=24)
ROWS, PAD, LOW, HIGH = 30, 9, -120, 110
DRAIN = 60
"""Cycles after which an element has written or emitted everything."""
WHOLE = {"full_lanes": CONFIG.lanes, "full_groups": 1}


def load(words: np.ndarray) -> list[Mapping[str, int]]:
    cycles: list[Mapping[str, int]] = [{"settings": pack(Settings(CONFIG), loading=1), "is_first": 1, "is_last": 1}]
    for address, word in enumerate(words):
        for lane, byte in enumerate(word):
            last = lane == CONFIG.lanes - 1
            cycles.append({"beat": pack(Beat(CONFIG), op=BeatOp.LOAD, address=address, weight=int(byte), last=last)})
    return [*cycles, {"beat": 0}, {}]


def store(addresses: range) -> list[Mapping[str, int]]:
    cycles: list[Mapping[str, int]] = [{"settings": pack(Settings(CONFIG), low=-128, high=127, **WHOLE)}]
    end = pack(RowEnd(CONFIG), emit=1)
    for address in addresses:
        beat = pack(Beat(CONFIG), op=BeatOp.MAC, address=address, weight=1, first=1, last=1, end=end)
        cycles += [{"beat": beat}, *({"beat": 0} for _ in range(CONFIG.lanes - 1))]
    return [*cycles, *({} for _ in range(DRAIN))]


@pytest.mark.parametrize("gaps", [0.0, 0.3, 0.9])
def test_rows_with_gaps_give_the_formula(gaps: float, seed: int) -> None:
    """The group's only PE: everything above, below, left and right of it is padding."""
    rng = np.random.default_rng([seed, int(10 * gaps)])
    words = rng.choice([-128, 127, 0, 55], (32, CONFIG.lanes))
    cycles: list[Mapping[str, int]] = [{"settings": pack(Settings(CONFIG), pad=PAD, low=LOW, high=HIGH, **WHOLE)}]
    expected = []
    since_last = CONFIG.lanes
    for row in range(ROWS):
        sums = np.zeros(CONFIG.lanes, dtype=np.int64)
        offset, shift = int(rng.integers(-9000, 9000)), int(rng.integers(0, 10))
        length = int(rng.integers(1, 9))
        for index in range(length):
            last = index == length - 1
            while rng.random() < gaps or (last and since_last < CONFIG.lanes - 1):
                cycles.append({"beat": pack(Beat(CONFIG), weight=77)})  # idle, with leftovers on its wires
                since_last += 1
            address, weight = int(rng.integers(32)), int(rng.integers(-128, 128))
            lane_shift, pe_shift = (Neighbour(int(rng.integers(4))) for _ in range(2))
            end = pack(RowEnd(CONFIG), address=32 + row, offset=offset, shift=shift, write=1)
            beat = pack(
                Beat(CONFIG),
                op=BeatOp.MAC,
                address=address,
                weight=weight,
                lane_shift=lane_shift,
                pe_shift=pe_shift,
                first=index == 0,
                last=last,
                end=end,
            )
            cycles.append({"beat": beat})
            since_last = 0 if last else since_last + 1
            shifted = words[address] if pe_shift == Neighbour.HERE else np.full(CONFIG.lanes, PAD)
            bordered = np.concatenate([[PAD], shifted, [PAD]])
            starts = {Neighbour.BEFORE: 0, Neighbour.HERE: 1, Neighbour.AFTER: 2}
            start = starts.get(lane_shift)
            operands = np.full(CONFIG.lanes, PAD) if start is None else bordered[start : start + CONFIG.lanes]
            sums += weight * operands
        expected.append([requantize_folded(int(total), offset, shift, LOW, HIGH) for total in sums])
    cycles += [{"beat": 0}, *({} for _ in range(DRAIN))]
    job = ElementJob([*load(words), *cycles, *store(range(32 + ROWS))])
    emitted = build(f"element {CONFIG!r}", lambda: Element(CONFIG)).run("element", [job])[0]
    found = np.array(emitted, dtype=np.uint8).view(np.int8).reshape(-1, CONFIG.lanes)
    assert np.array_equal(found[:32], words)
    assert np.array_equal(found[32:], expected)
