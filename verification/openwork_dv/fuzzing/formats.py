"""The formats that come from outside, each with trials: one mutated content, and what must come of it.

A trial raises an AssertionError where the outcome is wrong. Every other exception is a traceback that a user would have seen.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from safetensors.numpy import load, save

from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.faults import RunError
from openwork.files import decode_image, decode_network, encode_image, encode_network, read_array
from openwork.files.container import METADATA_KEY
from openwork.files.images import checksum as image_checksum
from openwork.files.networks import checksum as network_checksum
from openwork.image import Image
from openwork.network import IntegerNetwork
from openwork.simulator.image import run_image, run_instructions
from openwork_dv.fuzzing.onnx_files import mutated_onnx, small_onnx
from openwork_dv.fuzzing.programs import mutated_program, small_program, small_program_without_in_place
from openwork_dv.fuzzing.subjects import fetched_image, flash_image, small_image, small_networks, spilled_image
from openwork_dv.fuzzing.transfers import hostile_transfers, play, same_instructions
from openwork_dv.fuzzing.values import change_bytes, change_value
from openwork_dv.hostile import Anatomy, Part, hostile_words
from openwork_hw.arch.commands import StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.external_image import HEADER_WORDS as EXTERNAL_HEADER_WORDS
from openwork_hw.arch.external_image import check_external_words, external_words, read_external_words
from openwork_hw.arch.image import (
    HEADER_WORDS,
    CommandOp,
    ImageError,
    command_fields,
    encode_fields,
    encode_record,
    encode_tap,
)
from openwork_hw.arch.linear_image import check_linear_words, linear_words
from openwork_hw.arch.refusal import Refusal
from openwork_hw.arch.report import PassError

if TYPE_CHECKING:
    import torch

    from openwork.frontend.float_network import FloatNetwork

REFUSED, MALFORMED, TAKEN = "refused", "malformed stream", "taken"
"""What may come of a content: a sentence; a program with a stream that the array reports; what it means."""


class Format(Protocol):
    """One trial of a format."""

    def __call__(self, rng: Generator) -> str:
        """Mutate, read, use; the outcome."""


def refusal_or(action: Callable[[], Any]) -> Any:
    """What an action gives, or None where it refuses, in a sentence."""
    try:
        return action()
    except Refusal as refusal:
        assert len(str(refusal)) > 20, f"too short a sentence: {refusal}"
        assert "\n" not in str(refusal).strip(), f"more than one sentence: {refusal}"
        return None


def network_files(rng: Generator) -> str:
    """`.int8`: another graph or other arrays under a right checksum, or other bytes."""
    content = _network_contents()[int(rng.integers(len(small_networks())))]
    kind = rng.random()
    if kind < 0.15:
        content = change_bytes(content, rng)
    else:
        header, arrays = _header(content), dict(load(content))
        for _ in range(int(rng.choice([1, 1, 2]))):
            if kind < 0.8:
                change_value(header["graph"], rng)
            else:
                _change_array(arrays, rng)
        header["crc32"] = network_checksum(header["graph"], arrays)
        content = save(arrays, {METADATA_KEY: json.dumps(header)})
    network: IntegerNetwork | None = refusal_or(lambda: decode_network(content, "x.int8"))
    if network is None:
        return REFUSED
    assert encode_network(decode_network(encode_network(network))) == encode_network(network)
    return _check_means_the_same(network, rng)


def image_files(rng: Generator) -> str:
    """`.image`: another plan, another network, or other words under a right checksum, or other bytes."""
    content, kind = _image_content(), rng.random()
    if kind < 0.15:
        content = change_bytes(content, rng)
    else:
        header, arrays = _header(content), dict(load(content))
        plan = json.loads(header["plan"])
        if kind < 0.6:
            for _ in range(int(rng.choice([1, 1, 2]))):
                change_value(plan, rng)
        elif kind < 0.7:
            other = _network_contents()[int(rng.integers(len(small_networks())))]
            arrays["network"] = np.frombuffer(change_bytes(other, rng) if rng.random() < 0.5 else other, np.uint8)
        elif kind < 0.9:
            arrays["words"] = hostile_words(rng, small_image().words, _anatomy())[1]
        else:
            _change_array(arrays, rng)
        header["plan"] = json.dumps(plan)
        header["crc32"] = image_checksum(header["plan"], arrays)
        content = save(arrays, {METADATA_KEY: json.dumps(header)})
    image: Image | None = refusal_or(lambda: decode_image(content, "x.image"))
    if image is None:
        return REFUSED
    again = decode_image(encode_image(image))
    assert encode_image(again) == encode_image(image)
    inputs = rng.integers(-128, 128, image.network.input.shape).astype(np.int8)
    try:
        stored = run_image(image, inputs)
    except ImageError:
        return REFUSED
    except RunError:
        return MALFORMED
    image.outputs(stored)
    assert image.predicted_cycles >= image.compute_cycles > 0 and image.utilization >= 0
    return TAKEN


def program_words(rng: Generator, part: Part | None = None) -> str:
    """The words of an image, one part of them changed, under a right check sum: verified, then carried out."""
    anatomy = _anatomy() if part is None else Anatomy({part: _anatomy().places[part]})
    image = replace(small_image(), words=hostile_words(rng, small_image().words, anatomy)[1])
    inputs = rng.integers(-128, 128, image.network.input.shape).astype(np.int8)
    try:
        image.outputs(run_image(image, inputs))
    except ImageError as refusal:
        assert len(str(refusal)) > 20
        return REFUSED
    except RunError:
        return MALFORMED
    return TAKEN


def linear_images(rng: Generator) -> str:
    """The linear form of hostile words: none, or one that holds the very instructions, and any change in it is found."""
    _, words = hostile_words(rng, flash_image().words, _anatomy_of(flash_image))
    image = replace(flash_image(), words=words)
    linear = refusal_or(lambda: linear_words(words, image.config))
    if linear is None:
        return REFUSED
    check_linear_words(linear, image.config)
    _check_linear_program(linear, image)
    damaged = linear.copy()
    damaged[int(rng.integers(len(damaged)))] ^= np.uint32(1 << int(rng.integers(32)))
    assert not _is_whole(damaged, image.config), "damage is not found"
    return TAKEN


def external_images(rng: Generator) -> str:
    """Other transfers under right check sums, or the external form of hostile words: none, or one that means one program only.

    Whatever order transfers and commands come in, each command finds its own words, and nothing waits for ever.
    """
    subject = fetched_image if rng.random() < 0.5 else spilled_image
    image, size = subject(), subject().scratchpad_words
    kind = rng.random()
    if kind < 0.3:
        size = int(rng.integers(size // 2, 2 * size))
        words = hostile_words(rng, image.words, _anatomy_of(subject))[1]
        external = refusal_or(lambda: external_words(words, image.config, size))
        if external is None:
            return REFUSED
        expected = disassemble(words, image.config)
        assert same_instructions(read_external_words(external, image.config, size), expected), "another program"
        return TAKEN
    whole = _external_content(subject)
    if kind < 0.4:
        damaged = whole.copy()
        damaged[int(rng.integers(len(damaged)))] ^= np.uint32(1 << int(rng.integers(32)))
        assert refusal_or(lambda: read_external_words(damaged, image.config, size)) is None, "damage is not found"
        return REFUSED
    words = hostile_transfers(rng, whole[:EXTERNAL_HEADER_WORDS], check_external_words(whole, image.config, size))
    program = refusal_or(lambda: read_external_words(words, image.config, size))
    if program is None:
        return REFUSED
    play(rng, check_external_words(words, image.config, size), program, image.config, size)
    loaded = rng.integers(-128, 128, int(words[6])).astype(np.int8)
    if not any(isinstance(one.command, StoreCommand) for one in program):
        return TAKEN
    try:
        run_instructions(program, image.config, image.encoding, loaded)
    except ImageError:
        return REFUSED
    except PassError:
        return MALFORMED
    return TAKEN


def array_files(rng: Generator) -> str:
    """`.npy`: another header or other bytes; what is taken is what NumPy reads."""
    dtype = rng.choice(["<f4", "<f8", "|i1", ">i2", "<u4", "|b1", "<f2"])
    array = rng.integers(0, 2, rng.integers(1, 4, int(rng.integers(1, 5)))).astype(dtype)
    file = BytesIO()
    np.save(file, np.asfortranarray(array) if rng.random() < 0.3 else array)
    content = change_bytes(file.getvalue(), rng, limit=128 if rng.random() < 0.8 else None)
    if rng.random() < 0.3:
        content = change_bytes(content, rng, limit=128)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        path.write_bytes(content)
        found = refusal_or(lambda: read_array(path))
    if found is None:
        return REFUSED
    judge = np.load(BytesIO(content), allow_pickle=False)
    assert found.shape == judge.shape and found.dtype == judge.dtype.newbyteorder("=")
    assert found.tobytes() == np.ascontiguousarray(judge).astype(found.dtype).tobytes()
    return TAKEN


def program_files(rng: Generator) -> str:
    """`.pt2`: another archive, graph or weights; what is taken computes what PyTorch says that the graph means."""
    import torch

    from openwork.frontend import import_program
    from openwork.frontend.pt2 import read_program

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt2"
        path.write_bytes(mutated_program(_program_content(bool(rng.random() < 0.2)), rng))
        program = refusal_or(lambda: read_program(path))
    network = None if program is None else refusal_or(lambda: import_program(program))
    if network is None:
        return REFUSED
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 32)))
    batch = torch.randn(2, *network.shapes[network.input], generator=generator)
    with torch.no_grad():
        expected = program.module()(batch)
        (found,) = _meaning(network, batch)
        found = found.reshape(expected.shape)
    # Floating point, before quantization: batch norm is folded, so that the last bits differ.
    assert torch.allclose(found, expected, atol=1e-4, equal_nan=True), "the network is another one than the program"
    return TAKEN


def onnx_files(rng: Generator) -> str:
    """`.onnx`: other messages or bytes; what is taken computes what ONNX's reference makes of the file itself."""
    import torch
    from onnx.reference import ReferenceEvaluator

    from openwork.frontend.onnx.importer import import_onnx
    from openwork.frontend.onnx.model import model_of

    content = mutated_onnx(_onnx_content(bool(rng.random() < 0.3)), rng)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 32)))
    example = torch.randn(1, 3, 8, 8, generator=generator)
    model = refusal_or(lambda: model_of(content, "x.onnx"))
    network = None if model is None else refusal_or(lambda: import_onnx(model, example))
    if network is None:
        return REFUSED
    if network.given:  # the reference rounds what is quantized, and the importer has compared the two without
        return TAKEN
    with np.errstate(all="ignore"):
        expected = ReferenceEvaluator(content).run(None, {model.inputs[0].name: example.numpy()})
    for one, right in zip(_meaning(network, example), expected, strict=True):
        difference = one.reshape(right.shape).double() - torch.from_numpy(np.array(right)).double()
        assert not bool((difference.abs() > 1e-3).any()), "the network is another one than the model"
    return TAKEN


FORMATS: dict[str, Format] = {
    ".int8 files": network_files,
    ".image files": image_files,
    "linear images": linear_images,
    "external images": external_images,
    ".npy files": array_files,
    ".pt2 files": program_files,
    ".onnx files": onnx_files,
    "commands": partial(program_words, part=Part.COMMAND),
    "taps": partial(program_words, part=Part.TAP),
    "records": partial(program_words, part=Part.RECORD),
    "feeder regions": partial(program_words, part=Part.FEEDER),
    "weight streams": partial(program_words, part=Part.STREAM),
}
"""Trials by the name of what they mutate."""


def _meaning(network: "FloatNetwork", batch: "torch.Tensor") -> "list[torch.Tensor]":
    """What a network that was taken gives for a batch, with its tail."""
    from openwork.frontend.tail import run_tail

    results = network.results(batch)
    return results if network.tail is None else list(run_tail(network.tail, results).values())


def _check_means_the_same(network: IntegerNetwork, rng: Generator) -> str:
    """Golden model and image simulator agree about a network, where the array can hold it."""
    from openwork.golden import run_network

    try:
        image = compile_network(network, small_image().config)
    except CompileError:
        return TAKEN
    inputs = rng.integers(-128, 128, network.input.shape).astype(np.int8)
    assert (image.outputs(run_image(image, inputs)) == run_network(network, inputs[None])[0]).all(), "another output"
    return TAKEN


def _check_linear_program(linear: NDArray[np.uint32], image: Image) -> None:
    """The words between header and check sum are those of the image's instructions, in order."""
    expected: list[int] = []
    for instruction in image.instructions:
        expected += encode_fields(command_fields(instruction.command, image.config))
        expected += [encode_tap(entry) for entry in instruction.taps]
        for feeder in instruction.feeders:
            records = [word for record in feeder.records for word in encode_record(record)]
            expected += [len(feeder.records), *records, len(feeder.words), *feeder.words.tolist()]
    expected += encode_fields({"op": CommandOp.END})
    assert linear[HEADER_WORDS:-1].tolist() == expected, "another program"


def _is_whole(linear: NDArray[np.uint32], config: ArrayConfig) -> bool:
    """The words are a linear image."""
    try:
        check_linear_words(linear, config)
    except ImageError:
        return False
    return True


def _header(content: bytes) -> dict[str, Any]:
    """Our entries of a safetensors header."""
    outer = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    result: dict[str, Any] = json.loads(outer["__metadata__"][METADATA_KEY])
    return result


def _change_array(arrays: dict[str, NDArray[Any]], rng: Generator) -> None:
    """One of the arrays goes, has another name, type or size, or another value."""
    name = sorted(arrays)[int(rng.integers(len(arrays)))]
    array = arrays[name]
    match rng.integers(6):
        case 0:
            del arrays[name]
        case 1:
            arrays[f"{name}.more"] = array
        case 2:
            arrays[name] = array.astype(rng.choice(["int8", "int16", "uint8", "float32", "int64"]))
        case 3:
            arrays[name] = array.reshape(-1)[: int(rng.integers(array.size + 1))].copy()
        case _ if array.size:
            flat = bytearray(array.tobytes())
            flat[int(rng.integers(len(flat)))] ^= 1 << int(rng.integers(8))
            arrays[name] = np.frombuffer(bytes(flat), array.dtype).reshape(array.shape)


@cache
def _network_contents() -> tuple[bytes, ...]:
    return tuple(encode_network(network) for network in small_networks())


@cache
def _image_content() -> bytes:
    return encode_image(small_image())


@cache
def _external_content(subject: Callable[[], Image]) -> NDArray[np.uint32]:
    image = subject()
    return external_words(image.words, image.config, image.scratchpad_words)


@cache
def _program_content(in_place: bool) -> bytes:
    return small_program() if in_place else small_program_without_in_place()


@cache
def _onnx_content(quantized: bool) -> bytes:
    return small_onnx(quantized)


@cache
def _anatomy_of(image: Callable[[], Image]) -> Anatomy:
    return Anatomy.of(image())


def _anatomy() -> Anatomy:
    return _anatomy_of(small_image)
