"""The self-test of a board: its memory, and each of its decoders on a random layer."""

from collections.abc import Iterator
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.host.board import Board, Progress, memory_words
from openwork.host.checks import Check
from openwork.host.line import HostError
from openwork.host.memory_test import memory_checks
from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, one_layer_network
from openwork.simulator.image import run_image
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import HEADER_WORDS, MAGIC, VERSION, ImageStatus
from openwork_hw.arch.nonzeros import Encoding

LAYERS = ((16, 12), (8, 8), (4, 6), (2, 4))
"""Channels, and height and width, of the layers to try. The first layer that the array can hold is run."""

INPUTS = 4


def selftest(board: Board, seed: int, progress: Progress | None = None, *, everything: bool = False) -> Iterator[Check]:
    """Make one check after the other. The former content of the memory is lost.

    Args:
        seed: seed of the random words, layers and inputs.
        everything: whether to test every word of an external memory, which takes minutes.

    Raises:
        HostError: the connection to the board is lost.
    """
    rng = np.random.default_rng(seed)
    identity = board.identity
    yield Check("link", True, f"{identity.config}, {identity.clock_hz / 1e6:g} MHz")
    if identity.linear:
        status = board.check()
        found = f"the flash holds {'a sound' if status is ImageStatus.GOOD else 'no'} image: {status.name.lower()}"
        yield Check("memory", status is ImageStatus.GOOD, found)
        return
    if not identity.writable:
        yield Check("memory", True, f"{identity.memory_words:,} words, which the link cannot write: not tested")
        return
    if identity.scratchpad_words:
        for check in memory_checks(board, rng, everything=everything, progress=progress):
            yield check
            if not check.passed:
                return
    else:
        yield _memory(board, rng, progress)
    for encoding in identity.encodings:
        yield _decoder(board, encoding, rng, progress)


def _memory(board: Board, rng: np.random.Generator, progress: Progress | None) -> Check:
    """Write random bits and then their complement into every word. The check sum of the array says whether they are right."""
    words = board.identity.memory_words
    bits = rng.integers(0, 1 << 32, words, dtype=np.uint32)
    for pattern in (bits, ~bits):
        content = memory_image(pattern, board.identity.config)
        status = board.store(content, progress)
        if status is not ImageStatus.GOOD:
            return Check("memory", False, f"{words:,} words: {status.name.lower()}{_where(board, content)}")
    return Check("memory", True, f"{words:,} words, each bit as 0 and 1")


def memory_image(pattern: NDArray[np.uint32], config: ArrayConfig) -> NDArray[np.uint32]:
    """The pattern, changed as little as possible so that the array's check accepts it as an image; uint32 [words]."""
    content = pattern.copy()
    content[:5] = MAGIC, VERSION, config.fingerprint, len(content), HEADER_WORDS
    content[-1] = crc32(content[:-1].astype("<u4").tobytes())
    return content


def _where(board: Board, content: NDArray[np.uint32]) -> str:
    if not board.identity.peek:
        return ""
    wrong = np.flatnonzero(board.peek(0, len(content)) != content)
    return f", {len(wrong):,} words are wrong, the first at {wrong[0]}" if len(wrong) else ", but reads back right"


def _decoder(board: Board, encoding: Encoding, rng: np.random.Generator, progress: Progress | None) -> Check:
    name = f"decoder {encoding.name.lower()}"
    image = _random_image(board, encoding, rng)
    if image is None:
        return Check(name, False, "the array can hold none of the test's layers")
    shape = image.network.input.shape
    inputs = rng.integers(-128, 128, (INPUTS, *shape)).astype(np.int8)
    board.load(image, progress)
    found = [result.outputs for result in board.results(inputs)]
    expected = [run_image(image, one) for one in inputs]
    wrong = sum(int((one != other).sum()) for one, other in zip(found, expected, strict=True))
    values = sum(one.size for one in expected)
    return Check(
        name, not wrong, f"{shape[0]} channels of {shape[1]} x {shape[2]}: {wrong} of {values:,} outputs differ"
    )


def _random_image(board: Board, encoding: Encoding, rng: np.random.Generator) -> Image | None:
    identity = board.identity
    for channels, side in LAYERS:
        try:
            image = compile_network(
                random_network(channels, side, rng),
                identity.config,
                encoding,
                scratchpad_words=identity.scratchpad_words,
            )
            if len(memory_words(image, identity)) <= identity.memory_words:
                return image
        except (CompileError, HostError):
            continue
    return None


def random_network(channels: int, side: int, rng: np.random.Generator) -> IntegerNetwork:
    """A convolution of 3 x 3 pixels in which two of three weights are zero."""
    shape = (channels, side, side)
    weights = rng.integers(-128, 128, (channels, channels, 3, 3)).astype(np.int8)
    weights[rng.random(weights.shape) < 2 / 3] = 0
    layer = IntegerLayer(
        "convolution",
        weights,
        bias=rng.integers(-1000, 1000, channels),
        shift=np.full(channels, 9),
        input_zero_point=3,
        output_zero_point=-7,
        activation=Clip(),
        input_shape=shape,
        padding=(1, 1, 1, 1),
    )
    return one_layer_network(layer)
