"""Boards that are models, for the tests of the host."""

from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.network import compile_network
from openwork.host import Board, HostError
from openwork.host.selftest import random_network
from openwork.image import Image
from openwork.simulator.image import run_image
from openwork_dv.link import BoardModel, Faults, ModelLine
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.image import stored_words
from openwork_hw.arch.link import REPORT, Identity
from openwork_hw.arch.nonzeros import Encoding

SCRATCHPAD_WORDS = 600

IDENTITY = Identity(PRESETS["demo"], tuple(Encoding), 16384, 2048, 16384, 100_000_000)

EXTERNAL = replace(IDENTITY, scratchpad_words=SCRATCHPAD_WORDS)
"""A board that fetches its image from an external memory."""


def small_image(seed: int = 1, channels: int = 4, scratchpad_words: int = 0) -> Image:
    network = random_network(channels, 6, np.random.default_rng(seed))
    return compile_network(network, IDENTITY.config, scratchpad_words=scratchpad_words)


def inputs_of(image: Image, count: int, seed: int = 1) -> NDArray[np.int8]:
    shape = (count, *image.network.input.shape)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def results_of(image: Image, inputs: NDArray[np.int8], reports: bool = True) -> bytes:
    """What an array gives for one input, its answer left out."""
    outputs, given = run_image(image, inputs).tobytes(), bytearray()
    for command, words in zip(image.commands, stored_words(image.words, image.config), strict=True):
        given += outputs[: words * image.config.lanes]
        outputs = outputs[words * image.config.lanes :]
        if reports:
            given += REPORT.pack(command.predicted_cycles, 0, 0, 0, 0)
    return bytes(given)


class Desk:
    """A board model, and the cable between it and the host.

    Attributes:
        board: the model.
        faults, latency_s: of the cables from now on.
        lines: cables that have been plugged in so far.
        plugged: there is one to be had.
    """

    def __init__(self, image: Image, inputs: NDArray[np.int8], identity: Identity = IDENTITY, *, seed: int = 1) -> None:
        table = {image.load_bytes(one).tobytes(): results_of(image, one, identity.reports) for one in inputs}
        self.board = BoardModel(identity, table.__getitem__, run_s=1e-4)
        self.faults = Faults()
        self.latency_s = 0.0
        self.lines: list[ModelLine] = []
        self.plugged = True
        self._random = Random(seed)

    def connect(self) -> ModelLine:
        if not self.plugged:
            raise HostError("there is no port model: is the board plugged in?")
        self.lines.append(ModelLine(self.board, latency_s=self.latency_s, faults=self.faults, random=self._random))
        return self.lines[-1]

    def open(self) -> Board:
        return Board(self.connect, patience_s=3.0)


def smaller(**changes: object) -> Identity:
    return replace(IDENTITY, **changes)  # type: ignore[arg-type]
