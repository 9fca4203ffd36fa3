"""Compiled networks as `.image` files: the array's words, the network, where everything lies (`docs/formats.md`)."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from openwork.files.agreement import disagreements
from openwork.files.container import METADATA_KEY, decode_entries, open_container
from openwork.files.networks import decode_network, encode_network
from openwork.files.plan import Header, Plan
from openwork.files.whole import FileError, read_whole, write_whole
from openwork.image import CommandPlan, Image
from openwork.places import Place
from openwork_hw.arch.config import LATER_SIZES, ArrayConfig, ConfigError
from openwork_hw.arch.image import ImageError
from openwork_hw.arch.nonzeros import Encoding

FORMAT = "openwork image"
VERSION = 1

ARRAYS = {"network": np.dtype(np.uint8), "words": np.dtype("<u4")}
"""The arrays of a file, each in one row."""


def encode_image(image: Image) -> bytes:
    """The content of a `.image` file; equal images give equal bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "network": np.frombuffer(encode_network(image.network), np.uint8),
        "words": image.words,
    }
    plan: dict[str, Any] = {
        "config": {name: size for name, size in asdict(image.config).items() if name not in LATER_SIZES or size},
        "encoding": image.encoding.name.lower(),
        "places": [asdict(place) for place in image.places],
        "commands": [[one.tensor, one.kind, one.predicted_cycles, one.table_entries] for one in image.commands],
        "stored": [list(one) for one in image.stored],
        "orders": {name: list(order) for name, order in image.orders.items()},
    }
    if image.scratchpad_words:
        plan["scratchpad_words"] = image.scratchpad_words
    if image.spilled:
        plan["spilled"] = list(image.spilled)
    text = json.dumps(plan, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    header = {"format": FORMAT, "version": VERSION, "crc32": checksum(text, arrays), "plan": text}
    return save(arrays, {METADATA_KEY: json.dumps(header, ensure_ascii=False)})


def decode_image(content: bytes, name: str = "the content") -> Image:
    """The image in the content of a `.image` file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        FileError: the file is not whole, or of another format or version.
        ImageError: the words are not an image for the array that the file names, or hold a program that it would not carry out.
    """
    arrays, entries = open_container(content, name, suffix=".image", file_format=FORMAT, version=VERSION)
    header = decode_entries(entries, Header, name, "an image")
    if header.crc32 != checksum(header.plan, arrays):
        raise FileError(f"{name} is damaged: its checksum does not match its content")
    for array, dtype in ARRAYS.items():
        if array not in arrays or arrays[array].dtype != dtype or arrays[array].ndim != 1:
            raise FileError(
                f"{name} holds an image that means nothing: {array!r} must be an array of {dtype}, in one row"
            )
    if arrays.keys() - ARRAYS:
        raise FileError(f"{name} holds an image that means nothing: no one reads {sorted(arrays.keys() - ARRAYS)[:5]}")
    try:
        values = msgspec.json.decode(header.plan)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{name} holds an image that means nothing: its plan is no JSON: {error}") from None
    plan = decode_entries(values, Plan, name, "a plan")
    try:
        config = ArrayConfig(**msgspec.structs.asdict(plan.config))
    except ConfigError as error:
        raise FileError(f"{name} holds an image for an array that cannot be: {error}") from None
    image = Image(
        decode_network(arrays["network"].tobytes(), f"the network in {name}"),
        config,
        Encoding[plan.encoding.upper()],
        tuple(Place(**msgspec.structs.asdict(place)) for place in plan.places),
        tuple(CommandPlan(*one) for one in plan.commands),
        plan.stored,
        plan.orders,
        arrays["words"],
        plan.scratchpad_words,
        plan.spilled,
    )
    try:
        _ = image.instructions  # which are verified when they are read
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    for reason in disagreements(image):
        raise FileError(f"{name} holds an image that means nothing: {reason}")
    return image


def read_image(path: Path) -> Image:
    """The image in a `.image` file.

    Raises:
        FileError: there is no such file, or see `decode_image`.
    """
    return decode_image(read_whole(path), str(path))


def write_image(path: Path, image: Image) -> None:
    """Write a `.image` file, as a whole or not at all."""
    write_whole(path, encode_image(image))


def checksum(plan: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """CRC-32 of the plan's text, and then of every tensor's name and bytes in order of their names."""
    checksum = zlib.crc32(plan.encode())
    for name in sorted(arrays):
        checksum = zlib.crc32(arrays[name].tobytes(), zlib.crc32(name.encode(), checksum))
    return f"{checksum:08x}"
