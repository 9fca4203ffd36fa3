"""LinearRunner: a linear image runs, and a program that makes no sense ends, whatever its words say; then the next one runs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from numpy.typing import NDArray
from tests.slow import slow_but

from openwork.activation import Table
from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.host.selftest import random_network
from openwork.image import Image
from openwork.network import LayerStep
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import COMMAND_WORDS, HEADER_WORDS, CommandOp, ImageStatus, encode_fields
from openwork_hw.arch.linear_image import check_sum, linear_words
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.run_control import Request
from openwork_hw.linear_runner import LinearRunner

CONFIG = ArrayConfig(1, 2, feature_words=64, row_buffer_nonzeros=16, tap_entries=64, sum_bits=24)
IMAGE = compile_network(random_network(1, 2, np.random.default_rng(1)), CONFIG, Encoding.CSR)
LINEAR = linear_words(IMAGE.words, CONFIG)
INPUTS = np.random.default_rng(1).integers(-128, 128, IMAGE.network.input.shape).astype(np.int8)
EXPECTED = run_network(IMAGE.network, INPUTS[None])[0]
WATCHDOG_BITS = 10
MOST_CYCLES_BITS = 13
WORD_CYCLES = 18
"""From a word's first bits to when it is offered."""
LOADS = sum(command.kind == "LOAD" for command in IMAGE.commands)
FIRST_RUN = HEADER_WORDS + COMMAND_WORDS * LOADS
RECORD_COUNT = FIRST_RUN + COMMAND_WORDS + IMAGE.commands[LOADS].table_entries


def answers(*images: NDArray[np.uint32], image: Image = IMAGE) -> list[tuple[int, int, bytes]]:
    """For each image a CHECK and a RUN: status of the check, status of the run, bytes of the STORE commands.

    The memory behind an image repeats it, as a flash of that size would.
    """
    runner = LinearRunner(
        image.config,
        encodings=(Encoding.CSR,),
        memory_words=1 << 12,
        watchdog_bits=WATCHDOG_BITS,
        most_cycles_bits=MOST_CYCLES_BITS,
    )
    found: list[tuple[int, int, bytes]] = []

    async def bench(ctx: Any) -> None:
        at, bits = 0, WORD_CYCLES
        for words in images:
            statuses, given = [], bytearray()
            for request in (Request.CHECK, Request.RUN):
                features = list(image.load_bytes(INPUTS)) if request is Request.RUN else []
                ctx.set(runner.i_requests.payload, request)
                ctx.set(runner.i_requests.valid, 1)
                ctx.set(runner.o_answers.ready, 1)
                ctx.set(runner.o_features.ready, 1)
                ctx.set(runner.o_starts.ready, 1)
                while True:
                    # A word's bits go to the check sum before the word is offered.
                    word = int(words[at % len(words)])
                    ctx.set(runner.i_bits_valid, bits < 16 and not ctx.get(runner.o_starts.valid))
                    ctx.set(runner.i_bits, word >> 30 - 2 * min(bits, 15) & 3)
                    ctx.set(runner.i_words.valid, bits == WORD_CYCLES and not ctx.get(runner.o_starts.valid))
                    ctx.set(runner.i_words.payload, word)
                    ctx.set(runner.i_features.valid, bool(features))
                    if features:
                        ctx.set(runner.i_features.payload, int(features[0]))
                    if ctx.get(runner.i_requests.valid) and ctx.get(runner.i_requests.ready):
                        asked = True
                    else:
                        asked = False
                    taken = ctx.get(runner.i_words.valid) and ctx.get(runner.i_words.ready)
                    starts = ctx.get(runner.o_starts.valid)
                    start = ctx.get(runner.o_starts.payload)
                    if features and ctx.get(runner.i_features.ready):
                        features.pop(0)
                    if ctx.get(runner.o_features.valid):
                        given.append(ctx.get(runner.o_features.payload) & 255)
                    answered = ctx.get(runner.o_answers.valid)
                    if answered:
                        statuses.append(int(ctx.get(runner.o_answers.payload.status)))
                    await ctx.tick()
                    if asked:
                        ctx.set(runner.i_requests.valid, 0)
                    if starts:
                        at, bits = start, 0
                    elif taken:
                        at, bits = at + 1, 0
                    elif bits < WORD_CYCLES:
                        bits += 1
                    if answered:
                        break
            found.append((statuses[0], statuses[1], bytes(given)))

    simulator = Simulator(runner)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def sealed(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    result = words.copy()
    result[-1] = check_sum(result[:-1])
    return result


def with_word(place: int, value: int) -> NDArray[np.uint32]:
    words = LINEAR.copy()
    words[place] = value
    return sealed(words)


def without_end() -> NDArray[np.uint32]:
    """The program goes on with the header of the image behind it, and so on for ever."""
    words = LINEAR.copy()
    words[-1 - COMMAND_WORDS : -1] = encode_fields({"op": CommandOp.STORE, "row_groups": 1, "words": 1})
    return sealed(words)


GOOD = (ImageStatus.GOOD, ImageStatus.GOOD)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(with_word(FIRST_RUN, int(LINEAR[FIRST_RUN]) & ~7 | 5), id="a command that there is not"),
        pytest.param(with_word(RECORD_COUNT, 0), id="no records", marks=pytest.mark.slow),
        pytest.param(with_word(RECORD_COUNT, 1000), id="more records than rows", marks=pytest.mark.slow),
        pytest.param(without_end(), id="no end", marks=pytest.mark.slow),
    ],
)
def test_a_program_that_makes_no_sense_ends_and_the_next_one_is_right(words: NDArray[np.uint32]) -> None:
    (check, run, _), (*good, given) = answers(words, LINEAR)
    assert check == ImageStatus.GOOD
    assert run in (ImageStatus.TIMED_OUT, ImageStatus.FAULT)
    assert tuple(good) == GOOD
    assert (IMAGE.outputs(np.frombuffer(given, np.int8)) == EXPECTED).all()


@pytest.mark.parametrize("compact", slow_but([False, True], True))
def test_an_activation_table_comes_in_its_place(compact: bool) -> None:
    """Its words follow its command, and those of a pass come behind them."""
    rng = np.random.default_rng(8)
    steps = tuple(
        replace(step, layer=replace(step.layer, activation=Table(tuple(rng.integers(-128, 128, 256).tolist()))))
        if isinstance(step, LayerStep)
        else step
        for step in IMAGE.network.steps
    )
    network = replace(IMAGE.network, steps=steps)
    config = replace(CONFIG, activation_tables=True, compact=compact)
    image = compile_network(network, config, Encoding.CSR)
    assert any(command.kind == "TABLE" for command in image.commands)
    ((checked, ran, given),) = answers(linear_words(image.words, config), image=image)
    assert (checked, ran) == (ImageStatus.GOOD, ImageStatus.GOOD)
    found = image.outputs(np.frombuffer(given, np.int8))
    assert np.array_equal(found, run_network(network, INPUTS[None])[0])
