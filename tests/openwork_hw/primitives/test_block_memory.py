"""BlockMemory: every width mode of every device behaves as the plain version, and as a table in Python."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.back import rtlil

from openwork_fpga import yosys
from openwork_hw.arch.config import ConfigError, Technology
from openwork_hw.primitives.block_memory import BlockMemory

CASES = [
    *((Technology.GENERIC, 19, 100),),
    *((Technology.ECP5, width, depth) for width, depth in [(36, 512), (37, 300), (1, 2)]),
    *((Technology.ECP5, width, depth) for width, depth in [(19, 1024), (17, 2048), (5, 4096), (3, 8192), (2, 16384)]),
    *((Technology.ICE40, width, depth) for width, depth in [(17, 256), (9, 512), (5, 1000), (3, 2048), (1, 2)]),
    *((Technology.GOWIN, width, depth) for width, depth in [(36, 512), (37, 300), (1, 2)]),
    *((Technology.GOWIN, width, depth) for width, depth in [(19, 1024), (17, 2048), (5, 4096), (3, 8192), (2, 16384)]),
]


@pytest.mark.parametrize(("technology", "width", "depth"), CASES)
def test_reads_what_was_written(
    run_icarus: Callable[..., dict[str, list[int | None]]], technology: Technology, width: int, depth: int
) -> None:
    generator = random.Random(f"{technology} {width} {depth}")
    start = [] if technology is Technology.ICE40 else [generator.getrandbits(width) for _ in range(depth - 1)]
    memory = BlockMemory(width, depth, technology, start)
    # A few addresses met often, the first and the last among them.
    addresses = [0, depth - 1, *(generator.randrange(depth) for _ in range(6))]
    cycles = 400
    stimulus: dict[str, list[int]] = {"write_enable": [], "write_address": [], "write_data": [], "read_address": []}
    words = dict(enumerate(start))
    expected: list[int] = []
    for _ in range(cycles):
        enable, write = generator.randrange(2), generator.choice(addresses)
        read = generator.choice([address for address in addresses if not enable or address != write])
        value = generator.getrandbits(width)
        for name, number in zip(stimulus, (enable, write, value, read), strict=True):
            stimulus[name].append(number)
        expected.append(words.get(read, 0))
        if enable:
            words[write] = value
    read_data = run_icarus(memory, stimulus)["read_data"]
    delay = BlockMemory.latency_cycles
    assert read_data[delay:] == expected[:-delay]


@pytest.mark.parametrize(
    ("technology", "width", "depth"),
    [
        (Technology.GENERIC, 19, 100),
        *((Technology.ECP5, width, depth) for width, depth in [(37, 300), (19, 1024), (56, 2048), (5, 4096)]),
    ],
)
def test_reads_back_through_the_port_that_writes(
    run_icarus: Callable[..., dict[str, list[int | None]]], technology: Technology, width: int, depth: int
) -> None:
    generator = random.Random(f"{technology} {width} {depth}")
    memory = BlockMemory(width, depth, technology, reads_back=True)
    addresses = [0, depth - 1, *(generator.randrange(depth) for _ in range(6))]
    stimulus: dict[str, list[int]] = {"write_enable": [], "write_address": [], "write_data": [], "read_address": []}
    words: dict[int, int] = {}
    expected: dict[str, list[int | None]] = {"read_data": [], "back_data": []}
    for _ in range(400):
        enable, place = generator.randrange(2), generator.choice(addresses)
        read = generator.choice([address for address in addresses if not enable or address != place])
        value = generator.getrandbits(width)
        for name, number in zip(stimulus, (enable, place, value, read), strict=True):
            stimulus[name].append(number)
        expected["read_data"].append(words.get(read, 0))
        expected["back_data"].append(None if enable else words.get(place, 0))
        if enable:
            words[place] = value
    found = run_icarus(memory, stimulus)
    delay = BlockMemory.latency_cycles
    for name, values in expected.items():
        told = found[name][delay:]
        assert all(want in (None, got) for want, got in zip(values[:-delay], told, strict=True)), name


def test_a_port_that_cannot_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="the write port of a block memory of gowin does not read"):
        BlockMemory(8, 64, Technology.GOWIN, reads_back=True)


@pytest.mark.parametrize("technology", [Technology.ECP5, Technology.GOWIN])
@pytest.mark.parametrize(("width", "depth"), [(1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512)])
def test_starts_as_a_memory_that_yosys_makes(tmp_path: Path, technology: Technology, width: int, depth: int) -> None:
    """The places of bits in a memory are Yosys's, whose memories have been seen on real parts."""
    generator = random.Random(width)
    start = [generator.getrandbits(width) for _ in range(depth)]
    values = {}
    for name, made_for in (("ours", technology), ("theirs", Technology.GENERIC)):
        memory = BlockMemory(width, depth, made_for, start)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "design.il").write_text(rtlil.convert(memory, name="top", emit_src=False))
        yosys.run_script(f"read_rtlil design.il\nsynth_{technology} -top top -json netlist.json\n", folder)
        cells = json.loads((folder / "netlist.json").read_text())["modules"]["top"]["cells"].values()
        (values[name],) = [cell["parameters"] for cell in cells if cell["type"].startswith(("DP", "SDP"))]
    names = [name for name in values["ours"] if name.startswith("INIT")]
    assert len(names) == 64
    assert {name: values["ours"][name] for name in names} == {name: values["theirs"][name] for name in names}


@pytest.mark.parametrize(
    ("technology", "depth"), [(Technology.ECP5, 16385), (Technology.ICE40, 2049), (Technology.GOWIN, 16385)]
)
def test_refuses_what_the_device_cannot_hold(technology: Technology, depth: int) -> None:
    with pytest.raises(ConfigError, match=f"at most {depth - 1} words, not {depth}"):
        BlockMemory(8, depth, technology)


@pytest.mark.parametrize(("technology", "words"), [(Technology.ECP5, 17), (Technology.ICE40, 1)])
def test_refuses_a_start_that_it_cannot_hold(technology: Technology, words: int) -> None:
    with pytest.raises(ConfigError, match=f"with 16 words does not start with {words} of them"):
        BlockMemory(8, 16, technology, [1] * words)


def test_refuses_a_memory_without_bits() -> None:
    with pytest.raises(ConfigError, match="at least one word of one bit"):
        BlockMemory(0, 16, Technology.GENERIC)
