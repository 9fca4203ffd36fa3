"""Images: what is assembled is disassembled; nothing damaged passes the check."""

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier, flat

from openwork.compiler.network import compile_network
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.image import ImageError, assemble, check_image

CONFIGS = [PRESETS["demo"], ArrayConfig(21, 7, group_sizes=(1, 7, 21), replicas=3)]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("build", [classifier, flat])
def test_assembling_what_was_disassembled_gives_the_same_words(build: object, config: ArrayConfig) -> None:
    assert callable(build)
    words = compile_network(build(), config).words
    assert (assemble(disassemble(words, config), config) == words).all()


def test_five_hundred_damaged_images_are_refused() -> None:
    config = PRESETS["demo"]
    words = compile_network(classifier(), config).words
    rng = np.random.default_rng(1)
    for _ in range(500):
        damaged = words.copy()
        match rng.integers(4):
            case 0:
                damaged[rng.integers(len(words))] ^= np.uint32(1 << rng.integers(32))
            case 1:
                damaged = damaged[: rng.integers(len(words))]
            case 2:
                damaged = np.concatenate([damaged, rng.integers(0, 1 << 32, 1 + rng.integers(9), np.uint32)])
            case 3:
                place = rng.integers(len(words) - 1)
                damaged = np.concatenate([damaged[:place], damaged[place + 1 :], damaged[-1:]])
                if (damaged == words).all():
                    continue
        with pytest.raises(ImageError):
            check_image(damaged, config)


def test_an_image_for_another_array_is_refused() -> None:
    words = compile_network(flat(), PRESETS["demo"]).words
    with pytest.raises(ImageError, match="another array"):
        check_image(words, ArrayConfig(4, 4, replicas=4, feature_words=4096))
