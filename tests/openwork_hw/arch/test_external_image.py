"""External images: what is cut into transfers is read back; each rule of the order has its sentence."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.openwork.compiler.test_network import classifier, flat

from openwork.compiler.network import compile_network
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.external_image import HEADER_WORDS, check_external_words, external_words, read_external_words
from openwork_hw.arch.image import ImageError, Instruction
from openwork_hw.arch.scratchpad import PROGRAM_SHARE
from openwork_hw.arch.transfers import Transfer, TransferKind

CONFIGS = [PRESETS["demo"], ArrayConfig(21, 7, group_sizes=(1, 7, 21), replicas=3)]


def smallest_scratchpad(words: NDArray[np.uint32], config: ArrayConfig) -> int:
    """Words of the smallest scratchpad that takes the image."""
    least, most = 1, 1 << 16
    while least < most:
        middle = (least + most) // 2
        try:
            external_words(words, config, middle)
        except ImageError:
            least = middle + 1
        else:
            most = middle
    return least


def as_words(instructions: tuple[Instruction, ...]) -> list[object]:
    return [
        (one.command, one.taps, [(feeder.words.tolist(), feeder.records) for feeder in one.feeders])
        for one in instructions
    ]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("build", [classifier, flat])
def test_what_is_cut_into_transfers_is_read_back(build: object, config: ArrayConfig) -> None:
    assert callable(build)
    words = compile_network(build(), config).words
    program = as_words(disassemble(words, config))
    smallest = smallest_scratchpad(words, config)
    for size in (smallest, smallest + 1, 2 * smallest, len(words), 1 << 16):
        external = external_words(words, config, size)
        assert as_words(read_external_words(external, config, size)) == program
        transfers = check_external_words(external, config, size)
        assert transfers[-1].words.tolist() == [words[-1]]
        assert all(one.address + len(one.words) <= size for one in transfers)
    # With room for all, nothing waits, and nothing comes twice.
    assert all(one.after == 0 for one in transfers[:-1])
    data = [one.words.tobytes() for one in transfers if one.kind is TransferKind.DATA]
    assert len(set(data)) == len(data)
    programs = [len(one.words) for one in transfers if one.kind is TransferKind.PROGRAM]
    assert max(programs) <= (1 << 16) // PROGRAM_SHARE


def test_words_may_go_when_the_last_command_that_uses_them_is_done() -> None:
    """Though commands behind it came with the same transfer."""
    config = PRESETS["demo"]
    words = compile_network(classifier(), config, watch=True).words
    program = as_words(disassemble(words, config))
    smallest = smallest_scratchpad(words, config)
    for size in range(smallest, len(words), 37):
        assert as_words(read_external_words(external_words(words, config, size), config, size)) == program


def test_a_command_that_uses_more_than_the_scratchpad_is_refused() -> None:
    config = PRESETS["demo"]
    words = compile_network(classifier(), config).words
    with pytest.raises(ImageError, match="compile the model for the board, which cuts its layers into smaller passes"):
        external_words(words, config, smallest_scratchpad(words, config) - 1)
    with pytest.raises(ImageError, match="a scratchpad has 1 to 65,536 words, not 0"):
        external_words(words, config, 0)


def test_any_changed_bit_is_found() -> None:
    config = PRESETS["demo"]
    words = compile_network(classifier(), config).words
    size = smallest_scratchpad(words, config)
    external = external_words(words, config, size)
    rng = np.random.default_rng(1)
    for _ in range(500):
        damaged = external.copy()
        match rng.integers(3):
            case 0:
                damaged[rng.integers(len(words))] ^= np.uint32(1 << rng.integers(32))
            case 1:
                damaged = damaged[: rng.integers(len(damaged))]
            case 2:
                damaged = np.concatenate([damaged, rng.integers(0, 1 << 32, 1 + rng.integers(9), np.uint32)])
        with pytest.raises(ImageError):
            check_external_words(damaged, config, size)


def rebuilt(external: NDArray[np.uint32], transfers: list[Transfer]) -> NDArray[np.uint32]:
    """The external image with other transfers and right check sums."""
    from zlib import crc32

    body = np.concatenate([transfer.encode() for transfer in transfers])
    head = external[:8].copy()
    head[3] = HEADER_WORDS + len(body)
    return np.concatenate([head, np.array([crc32(head.tobytes())], np.uint32), body])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda all: [replace(all[0], after=1), *all[1:]], "waits for 1 commands, and 0 come before"),
        (lambda all: [replace(all[0], address=65_535), *all[1:]], "transfer 0 of the external image reaches word"),
        (lambda all: [*all[:-2], all[-1]], "and its header says"),
        (lambda all: [*all[:-1], replace(all[0]), all[-1]], "comes after the end of the program"),
        (lambda all: [one for one in all if one.kind is not TransferKind.DATA], "and no transfer brings them"),
        (lambda all: [*(replace(one, after=0) for one in all[:-1]), all[-1]], "overwrites words that a command still needs"),
        (lambda all: [*(replace(one, kind=TransferKind(2)) for one in all[:-1]), all[-1]], "of the image means nothing"),
        (lambda all: [replace(all[0], words=all[0].words[:0]), *all[1:]], "carries nothing"),
        (lambda all: all[:-1], "it is not complete"),
        (lambda all: [*all[:-1], replace(all[-1], after=1000)], "the end of the external image waits for 1000 commands"),
    ],
)  # fmt: skip
def test_each_rule_of_the_order_has_its_sentence(change: object, sentence: str) -> None:
    config = PRESETS["demo"]
    words = compile_network(classifier(), config).words
    size = smallest_scratchpad(words, config)
    external = external_words(words, config, size)
    transfers = check_external_words(external, config, size)
    assert (rebuilt(external, transfers) == external).all()
    assert callable(change)
    with pytest.raises(ImageError, match=sentence):
        read_external_words(rebuilt(external, change(transfers)), config, size)


def test_another_array_or_a_smaller_scratchpad_is_refused() -> None:
    config = PRESETS["demo"]
    words = compile_network(flat(), config).words
    external = external_words(words, config, 4096)
    with pytest.raises(ImageError, match="another array"):
        check_external_words(external, ArrayConfig(4, 4, replicas=4, feature_words=4096), 4096)
    with pytest.raises(ImageError, match="a scratchpad of 4,096 words, and there are 2,048"):
        check_external_words(external, config, 2048)
    with pytest.raises(ImageError, match="do not begin as one"):
        check_external_words(words, config, 4096)
