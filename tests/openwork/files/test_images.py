"""`.image` files: read back as written, and refused in a sentence when damaged."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from tests.openwork.compiler.test_network import classifier

from openwork.compiler.network import compile_network
from openwork.files import FileError, decode_image, encode_image, encode_network, read_image, write_image
from openwork.host.selftest import random_network
from openwork_hw.arch.config import LATER_SIZES, PRESETS
from openwork_hw.arch.image import ImageError
from openwork_hw.arch.nonzeros import Encoding


def test_an_image_is_read_as_it_was_written(tmp_path: Path) -> None:
    image = compile_network(classifier(), PRESETS["demo"])
    write_image(tmp_path / "a.image", image)
    found = read_image(tmp_path / "a.image")
    assert encode_image(found) == encode_image(image)
    compact = compile_network(random_network(1, 4, np.random.default_rng(1)), PRESETS["gw1nr-9"], Encoding.CSR)
    assert decode_image(encode_image(compact)).config.compact
    assert (found.config, found.places, found.commands) == (image.config, image.places, image.commands)


def test_the_bytes_are_those_of_the_document() -> None:
    """Built here by hand, so that a file of version 1 never becomes another one."""
    image = compile_network(classifier(), PRESETS["demo"])
    config = {
        name: size for name, size in vars(image.config).items() if name not in LATER_SIZES
    }  # which stands there where it is set
    sizes = {
        "encoding": "packed", "config": config, "places": [vars(place) for place in image.places],
        "commands": [[one.tensor, one.kind, one.predicted_cycles, one.table_entries] for one in image.commands],
        "stored": [["f", 7]], "orders": {},
    }  # fmt: skip
    arrays: dict[str, Any] = {"network": np.frombuffer(encode_network(image.network), np.uint8), "words": image.words}
    plan = json.dumps(sizes, sort_keys=True, separators=(",", ":"))
    checksum = zlib.crc32(plan.encode() + b"".join(name.encode() + array.tobytes() for name, array in arrays.items()))
    entries = {"format": "openwork image", "version": 1, "crc32": f"{checksum:08x}", "plan": plan}
    assert encode_image(image) == save(arrays, {"openwork": json.dumps(entries)})


def test_five_hundred_damaged_files_are_refused() -> None:
    content = bytearray(encode_image(compile_network(classifier(), PRESETS["demo"])))
    rng = np.random.default_rng(1)
    for _ in range(500):
        damaged = bytearray(content)
        if rng.random() < 0.7:
            damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        else:
            del damaged[rng.integers(len(content)) :]
        try:
            found = decode_image(bytes(damaged), "it")
        except (FileError, ImageError) as error:
            assert "it" in str(error) or "image" in str(error)
            continue
        assert encode_image(found) == bytes(content)  # a bit of the header's blanks, or of a key's order


def test_another_file_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "x.image").write_bytes(b"not an image")
    with pytest.raises(FileError, match=r"x\.image is not a whole \.image file"):
        read_image(tmp_path / "x.image")
