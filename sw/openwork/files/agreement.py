"""What the parts of an image must have in common: the network, the array, the plan, and the words."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.places import Place
from openwork.image import Image
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import COMMAND_FIELDS, COMMAND_WORDS, FEEDER_WORDS, CommandOp


def disagreements(image: Image) -> Iterator[str]:
    """Where the parts of an image contradict each other, each in a sentence without its end.

    The words are those of an image for its array; what their program does, `openwork_hw.arch.image` verifies.
    """
    yield from _of_places(image)
    yield from _of_commands(image)
    yield from _of_stored(image)


def _of_places(image: Image) -> Iterator[str]:
    """Places against the network and the array."""
    network, config = image.network, image.config
    names = [place.tensor for place in image.places]
    own = [place.tensor for place in image.places if not place.step]
    if own != [tensor.name for tensor in network.tensors] or names[: len(own)] != own:
        yield f"its places are of the tensors {own[:5]}, and the network's are {[one.name for one in network.tensors][:5]}"
        return
    if len(set(names)) < len(names):
        yield "two of its places have one name"
    makers = {step.output for step in network.steps}
    for place in image.places:
        what = f"the place of {place.tensor!r}"
        if place.step and place.step not in makers:
            yield f"{what} belongs to step {place.step!r}, which the network does not have"
        if not place.step and place.shape != network.tensor(place.tensor).shape:
            yield f"{what} has the shape {list(place.shape)}, and the tensor {list(network.tensor(place.tensor).shape)}"
        yield from (f"{what} {reason}" for reason in _of_place(place, config))
    if len({place.row_groups for place in image.places if not place.step}) > 1:
        yield "its maps are not all divided into as many row groups"


def _of_place(place: Place, config: ArrayConfig) -> Iterator[str]:
    """One place against the array."""
    _, height, width = place.shape
    if place.lanes != config.lanes or place.row_groups not in config.row_groups:
        yield f"has {place.lanes} lanes and {place.row_groups} row groups, and the array {config.lanes} and {config.row_groups}"
    if place.base + place.words > config.feature_words:
        yield f"ends at word {place.base + place.words}, and a PE has {config.feature_words}"
    if place.vector and (height, width, *place.block) != (1, 1, 1, 1):
        yield f"is that of a vector, and has {height} x {width} pixels in blocks of {place.block[0]} x {place.block[1]}"
    if not place.vector and (place.row_groups * place.block[0] < height or place.lanes * place.block[1] < width):
        yield f"has blocks of {place.block[0]} x {place.block[1]} pixels, which do not cover {height} x {width}"


def _of_commands(image: Image) -> Iterator[str]:
    """The plan's commands against the words' and the network."""
    network = image.network
    made = {step.output for step in network.steps}
    if int(image.words[5]) != len(image.commands):
        yield f"its plan has {len(image.commands)} commands, and its words {int(image.words[5])}"
        return
    loaded = stored = 0
    program = islice(_program(image.words, image.config), len(image.commands))
    for number, (command, (op, words, entries)) in enumerate(zip(image.commands, program, strict=False)):
        what = f"command {number}"
        if command.kind != CommandOp(op).name:
            yield f"{what} of its plan is {command.kind}, and of its words {CommandOp(op).name}"
        if command.table_entries != entries:
            yield f"{what} of its plan has {command.table_entries} tap table entries, and of its words {entries}"
        if (command.tensor != network.input.name) if command.kind == "LOAD" else (command.tensor not in made):
            yield f"{what} of its plan is for {command.tensor!r}, which is not what a {command.kind} is for"
        if command.kind in ("RUN", "MOVE") and not command.predicted_cycles:
            yield f"{what} of its plan takes no cycle"
        loaded += words if op == CommandOp.LOAD else 0
        stored += words if op == CommandOp.STORE else 0
    lanes, place = image.config.lanes, image.places[0]
    groups = sum(command.kind == "LOAD" for command in image.commands)
    if groups != (1 if place.vector else place.row_groups) or loaded != groups * place.words:
        yield f"its {groups} LOAD commands take {loaded} feature words, and its input has {place.row_groups} x {place.words}"
    if [loaded * lanes, stored * lanes] != image.words[6:8].tolist():
        yield f"its commands load {loaded * lanes} bytes and store {stored * lanes}, and its words say {image.words[6:8]}"
    if not any(command.kind in ("RUN", "MOVE") for command in image.commands):
        yield "no command of its plan computes anything"


def _of_stored(image: Image) -> Iterator[str]:
    """What comes back, against the commands, the places and the network."""
    places = {place.tensor: place for place in image.places if not place.step}
    unknown = {*dict(image.stored), *image.orders} - {step.output for step in image.network.steps}
    if unknown:
        yield f"its plan stores or orders {sorted(unknown)[:5]}, which no step makes"
        return
    lacking = set(image.network.outputs) - dict(image.stored).keys()
    if lacking:
        yield f"its plan does not store {sorted(lacking)[:5]}, outputs of the network"
    for name, words in image.stored:
        place = places[name]
        if words != (place.words if place.vector else place.used_groups * place.words):
            yield f"its plan stores {words} feature words of {name!r}, which has {place.used_groups} x {place.words}"
    for name, order in image.orders.items():
        if not places[name].vector or sorted(order) != list(range(places[name].words)):
            yield f"its order of {name!r} is not one of {places[name].words} channels of a vector"
    # Of each tensor that is stored, as many words as its STORE commands have.
    stores = [
        (command.tensor, words)
        for command, (_, words, _) in zip(image.commands, _program(image.words, image.config), strict=False)
        if command.kind == "STORE"
    ]
    at = 0
    for name, words in image.stored:
        while words > 0 and at < len(stores) and stores[at][0] == name:
            words -= stores[at][1]
            at += 1
        if words:
            yield f"its plan stores {name!r}, and its STORE commands store something else"
            return
    if at < len(stores):
        yield f"its program stores {stores[at][0]!r}, and its plan does not"


def _program(words: NDArray[np.uint32], config: ArrayConfig) -> Iterator[tuple[int, int, int]]:
    """For each command of the words: what it asks for, feature words (of LOAD and STORE), tap table entries (of RUN)."""
    offsets, offset = {}, 0
    for name, width in COMMAND_FIELDS:
        offsets[name] = (offset, width)
        offset += width
    at = int(words[4])
    while at + COMMAND_WORDS <= len(words):
        bits = int.from_bytes(words[at : at + COMMAND_WORDS].astype("<u4").tobytes(), "little")
        op, count, entries = (
            bits >> offsets[name][0] & ((1 << offsets[name][1]) - 1) for name in ("op", "words", "table_entries")
        )
        at += COMMAND_WORDS
        if op == CommandOp.RUN:
            at += FEEDER_WORDS * len(config.feeders) + entries
        yield op, count, entries if op == CommandOp.RUN else 0
