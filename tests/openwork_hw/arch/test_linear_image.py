"""Linear images: what an image holds, in the order in which it is needed; what is damaged is refused."""

from dataclasses import replace

import numpy as np
import pytest
from tests.netlist.networks import small_network

from openwork.compiler.network import compile_network
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.image import COMMAND_WORDS, HEADER_WORDS, ImageError, encode_record, encode_tap
from openwork_hw.arch.linear_image import check_linear_words, linear_words
from openwork_hw.arch.nonzeros import Encoding

CONFIG = PRESETS["ice40-up5k-flash"]
IMAGE = compile_network(small_network(), CONFIG, Encoding.CSR)


def test_every_instruction_is_there_in_order() -> None:
    words = linear_words(IMAGE.words, CONFIG)
    check_linear_words(words, CONFIG)
    at = HEADER_WORDS

    def take(count: int) -> list[int]:
        nonlocal at
        at += count
        return words[at - count : at].tolist()

    program = int(IMAGE.words[4])
    for instruction in disassemble(IMAGE.words, CONFIG):
        assert take(COMMAND_WORDS) == IMAGE.words[program : program + COMMAND_WORDS].tolist()
        program += COMMAND_WORDS
        assert take(len(instruction.taps)) == [encode_tap(entry) for entry in instruction.taps]
        for feeder in instruction.feeders:
            program += 4 + len(instruction.taps)
            assert take(1) == [len(feeder.records)]
            assert take(2 * len(feeder.records)) == [word for one in feeder.records for word in encode_record(one)]
            assert take(1) == [len(feeder.words)]
            assert take(len(feeder.words)) == feeder.words.tolist()
    assert take(COMMAND_WORDS)[0] & 7 == 7
    assert at == len(words) - 1 and words[4] == IMAGE.words[-1]


def test_any_changed_bit_is_found() -> None:
    words = linear_words(IMAGE.words, CONFIG)
    rng = np.random.default_rng(1)
    for place in {0, 1, 2, 3, len(words) - 1, *rng.integers(0, len(words), 50).tolist()}:
        damaged = words.copy()
        damaged[place] ^= 1 << int(rng.integers(32))
        with pytest.raises(ImageError):
            check_linear_words(damaged, CONFIG)
    with pytest.raises(ImageError, match="and there are"):
        check_linear_words(np.append(words, np.uint32(0)), CONFIG)
    with pytest.raises(ImageError, match="another array"):
        check_linear_words(words, replace(CONFIG, lanes=2))


def test_an_array_with_two_streams_has_none() -> None:
    with pytest.raises(ImageError, match="one weight stream, not 2"):
        linear_words(IMAGE.words, ArrayConfig(pes=2, lanes=4))
