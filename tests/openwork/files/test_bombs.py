"""Small files that ask for much: refused at once, with the step, the need and the limit, before anything is allocated."""

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from openwork import limits
from openwork.files import FileError, decode_network
from openwork.files.networks import FORMAT, VERSION, checksum

Graph = dict[str, Any]
Arrays = dict[str, Any]


def file_of(graph: Graph, arrays: Arrays) -> bytes:
    """A `.int8` file whose checksum is right."""
    header = {"format": FORMAT, "version": VERSION, "crc32": checksum(graph, arrays), "graph": graph}
    return save(arrays, {"openwork": json.dumps(header)})


def tensor(name: str, *shape: int) -> Graph:
    return {"name": name, "shape": list(shape), "scale": 1.0, "zero_point": 0}


def step(kind: str, source: str, output: str, **entries: Any) -> Graph:
    return {"kind": kind, "inputs": [source], "output": output} | entries


def layer(source: str, output: str, *weights: int, **entries: Any) -> Graph:
    numbers = {"stride": 1, "padding": [0] * 4, "dilation": 1, "groups": 1, "pad_value": 0, "low": -128, "high": 127}
    return step("layer", source, output, weights=list(weights), **(numbers | entries))


def empty(output: str, rows: int) -> Arrays:
    """What a layer of zeros stores."""
    return {
        f"{output}.bias": np.zeros(rows, np.int32),
        f"{output}.shift": np.zeros(rows, np.uint8),
        f"{output}.values": np.zeros(0, np.int8),
        f"{output}.columns": np.zeros(0, np.int32),
        f"{output}.row_starts": np.zeros(rows + 1, np.int32),
    }


def network(tensors: list[Graph], steps: list[Graph], **arrays: Any) -> bytes:
    return file_of({"tensors": tensors, "steps": steps, "outputs": [tensors[-1]["name"]]}, arrays)


def upsampled(factor: int) -> bytes:
    return network(
        [tensor("x", 64, 1, 1), tensor("up", 64, factor, factor)], [step("upsample", "x", "up", factor=factor)]
    )


def cubed() -> bytes:
    side = 1 << 24
    return network([tensor("x", side, side, side), tensor("y", side, side, side)],
                   [step("reshape", "x", "y", shape=[side] * 3)])  # fmt: skip


def zeros() -> bytes:
    """65,535 x 16,384 weights, not one of them stored."""
    return network(
        [tensor("x", 16384, 1, 1), tensor("fc", 65535, 1, 1)],
        [layer("x", "fc", 65535, 16384, 1, 1)],
        **empty("fc", 65535),
    )


def padded() -> bytes:
    """A map of one pixel, padded to 131,073 x 131,073, of which a stride takes few."""
    return network(
        [tensor("x", 1, 1, 1), tensor("y", 1, 3, 3)],
        [layer("x", "y", 1, 1, 1, 1, stride=65535, padding=[1 << 16] * 4)],
        **empty("y", 1),
    )


def pooled() -> bytes:
    """Every pixel the largest of a window as large as half the map."""
    return network(
        [tensor("x", 1, 4095, 4095), tensor("y", 1, 2048, 2048)],
        [step("max_pool", "x", "y", kernel=[2048, 2048], stride=1, padding=[0] * 4)],
    )


def many() -> bytes:
    """Maps that are small enough each."""
    sides = [tensor(f"t{number}", 1, 1 << 14, 1 << 14) for number in range(10)]
    shape = [1, 1 << 14, 1 << 14]
    return network(sides, [step("reshape", f"t{number}", f"t{number + 1}", shape=shape) for number in range(9)])


def long() -> bytes:
    names = [f"t{number}" for number in range(limits.MAX_STEPS + 2)]
    steps = [step("reshape", one, other, shape=[1, 1, 1]) for one, other in pairwise(names)]
    return network([tensor(name, 1, 1, 1) for name in names], steps)


BOMBS: list[tuple[Callable[[], bytes], str]] = [
    (lambda: upsampled(16384), r"step 'up' needs 17,179,869,184 operands for one input, and the limit is 536,870,912"),
    (cubed, r"the input 'x' needs 4,722,366,482,869,645,213,696 bytes, and the limit is 2,147,483,648"),
    (
        zeros,
        r"step 'fc' the network, in a file of [\d,]+ bytes, needs 1,073,725,440 bytes of weights, zeros included, and",
    ),
    (padded, r"step 'y' needs 17,180,131,329 operands"),
    (pooled, r"step 'y' needs 17,592,186,044,416 operands"),
    (
        many,
        r"with step 't8' the network needs 2,415,919,104 bytes of maps for one input, and the limit is 2,147,483,648",
    ),
    (long, r"the network needs 16,385 steps, and the limit is 16,384"),
]


@pytest.mark.parametrize(("bomb", "reason"), BOMBS)
def test_a_small_file_that_asks_for_much_is_refused_at_once(bomb: Callable[[], bytes], reason: str) -> None:
    content = bomb()
    began = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileError, match=rf"x\.int8 holds a network that is too large: .*{reason}"):
        decode_network(content, "x.int8")
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 18  # 256 MiB, in KiB


def test_the_largest_network_of_the_record_is_far_below_the_limits() -> None:
    """ResNet-50, 224 x 224: see `openwork.limits`."""
    for need, limit in (
        (25_500_000, limits.FREE_WEIGHTS),
        (11_100_000, limits.MAX_MAPS),
        (1_843_968, limits.MAX_OPERANDS),
        (4_100_000_000, limits.MAX_PRODUCTS),
        (4_718_592, limits.MAX_MATRIX),
        (75, limits.MAX_STEPS),
    ):
        assert 2 * need < limit


def test_weights_at_the_limit_of_a_small_file_are_read() -> None:
    """67 million zeros; one row more is too many."""
    rows = limits.FREE_WEIGHTS // 16384
    for count in (rows, rows + 1):
        content = network(
            [tensor("x", 16384, 1, 1), tensor("fc", count, 1, 1)],
            [layer("x", "fc", count, 16384, 1, 1)],
            **empty("fc", count),
        )
        if count == rows:
            assert decode_network(content).layers[0].weights.size == limits.FREE_WEIGHTS
        else:
            with pytest.raises(FileError, match="and the limit is 67,108,864"):
                decode_network(content)


HOSTILE_COMPILES = [
    # A layer of many groups, whose matrix has the zeros of all other groups.
    (lambda: network([tensor("x", 65535, 1, 2), tensor("y", 65535, 1, 2)],
                     [layer("x", "y", 65535, 1, 1, 1, groups=65535)], **empty("y", 65535)),
     "the matrix of step 'y' needs 4,294,836,225 entries"),
    (lambda: network([tensor("x", 65536, 1, 2), tensor("y", 65536, 1, 2)],
                     [step("max_pool", "x", "y", kernel=[1, 1], stride=1, padding=[0] * 4)]),
     "the matrix of step 'y' needs 4,294,967,296 entries"),
    (lambda: network([tensor("x", 65536, 1, 2), tensor("y", 65536, 2, 4)], [step("upsample", "x", "y", factor=2)]),
     "the matrix of step 'y' needs 4,294,967,296 entries"),
    # A block that would have to be as large as a tap is far.
    (lambda: network([tensor("x", 1, 9, 9), tensor("y", 1, 9, 9)],
                     [layer("x", "y", 1, 1, 2, 2, dilation=65535, padding=[65535, 65535, 0, 0])],
                     **(empty("y", 1) | {"y.values": np.array([1, 1], np.int8), "y.columns": np.array([0, 3], np.int32),
                                         "y.row_starts": np.array([0, 2], np.int32)})),
     "operands"),
    (lambda: network([tensor("x", 1, 1, 1), tensor("y", 1, 4096, 4096)], [step("upsample", "x", "y", factor=4096)]),
     ""),
    (lambda: network([tensor("x", 1, 4096, 4096), tensor("y", 1, 4096, 4096)],
                     [step("max_pool", "x", "y", kernel=[1, 2], stride=1, padding=[0, 0, 0, 1])]),
     r"needs [\d,]+ feature words in each PE"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "reason"), HOSTILE_COMPILES)
def test_what_the_compiler_could_never_end_is_refused(make: Callable[[], bytes], reason: str, tmp_path: Path) -> None:
    (tmp_path / "x.int8").write_bytes(make())
    command = [sys.executable, "-m", "openwork", "compile", "x.int8", "-o", "x.image"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("openwork: ") and result.stderr.count("\n") == 1
    assert re.search(reason, result.stderr)
