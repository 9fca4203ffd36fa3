"""What the parts of an image must have in common: the network, the array, the plan, and the words."""

from collections.abc import Iterator
from typing import NamedTuple

from openwork.image import Image
from openwork.network import IntegerNetwork, NetworkError
from openwork.places import Place, fill_of
from openwork_hw.arch.commands import TABLE_VALUES, LoadCommand, MoveCommand, RunCommand, StoreCommand, TableCommand
from openwork_hw.arch.config import ArrayConfig


def disagreements(image: Image) -> Iterator[str]:
    """Where the parts of an image contradict each other, each in a sentence without its end.

    The words are those of an image for its array, verified by `openwork_hw.arch.disassembly`.
    """
    yield from _of_places(image)
    yield from _of_commands(image)
    yield from _of_stored(image)


def _of_places(image: Image) -> Iterator[str]:
    """Places against the network and the array."""
    network, config = image.network, image.config
    names = [(place.step, place.tensor) for place in image.places]
    own = [place.tensor for place in image.places if not place.step]
    if own != [tensor.name for tensor in network.tensors] or any(step for step, _ in names[: len(own)]):
        yield f"its places are of the tensors {own[:5]}, and the network's are {[one.name for one in network.tensors][:5]}"
        return
    if len(set(names)) < len(names):
        yield "two of its places have one name and one step"
    if not set(image.spilled) <= set(own):
        yield f"{list(image.spilled)[:5]} are said to be in the external memory, and its first tensors are {own[:5]}"
        return
    makers = {step.output for step in network.steps}
    for place in image.places:
        what = f"the place of {place.tensor!r}"
        if place.step and place.step not in makers:
            yield f"{what} belongs to step {place.step!r}, which the network does not have"
        if not place.step and place.shape != network.tensor(place.tensor).shape:
            yield f"{what} has the shape {list(place.shape)}, and the tensor {list(network.tensor(place.tensor).shape)}"
        yield from (f"{what} {reason}" for reason in _of_place(place, config))
        if place.base + place.words > config.feature_words and (place.step or place.tensor not in image.spilled):
            yield f"{what} ends at word {place.base + place.words}, and a PE has {config.feature_words}"
        if not place.step and place.fill != _fill(network, place.tensor):
            yield f"{what} is filled with {place.fill}, and those who read it pad with {_fill(network, place.tensor)}"


def _fill(network: IntegerNetwork, name: str) -> int | None:
    try:
        return fill_of(network, name)
    except NetworkError:  # no image is made of such a network
        return None


def _of_place(place: Place, config: ArrayConfig) -> Iterator[str]:
    """One place against the array."""
    _, height, width = place.shape
    if place.lanes != config.lanes or place.row_groups not in config.row_groups:
        yield f"has {place.lanes} lanes and {place.row_groups} row groups, and the array {config.lanes} and {config.row_groups}"
    if place.vector and (height, width, *place.block) != (1, 1, 1, 1):
        yield f"is that of a vector, and has {height} x {width} pixels in blocks of {place.block[0]} x {place.block[1]}"
    if not place.vector and (place.row_groups * place.block[0] < height or place.lanes * place.block[1] < width):
        yield f"has blocks of {place.block[0]} x {place.block[1]} pixels, which do not cover {height} x {width}"


def _of_commands(image: Image) -> Iterator[str]:
    """The plan's commands against the words' and the network."""
    network = image.network
    made = {step.output for step in network.steps}
    if len(image.instructions) != len(image.commands):
        yield f"its plan has {len(image.commands)} commands, and its words {len(image.instructions)}"
        return
    own: dict[str, list[Place]] = {}
    for place in image.places:
        own.setdefault(place.step or place.tensor, []).append(place)
    for number, (command, found) in enumerate(zip(image.commands, _program(image), strict=False)):
        what = f"command {number} of its plan"
        if command.kind != found.kind or command.table_entries != found.table_entries:
            yield (
                f"{what} is {command.kind} with {command.table_entries} tap table entries, and of its words {found.kind} "
                f"with {found.table_entries}"
            )
            return
        if not found.external and command.kind == "LOAD":
            known = command.tensor == network.input.name
        else:
            known = command.tensor in made or (found.external and command.tensor == network.input.name)
        if not known:
            yield f"{what} is for {command.tensor!r}, which is not what a {command.kind} is for"
            return
        if command.kind == "TABLE":
            continue
        meant = [place for place in own[command.tensor] if 0 <= found.address - place.base < place.words]
        if command.tensor in image.spilled:
            meant = own[command.tensor]
        if not meant:
            yield f"{what} is for {command.tensor!r}, and its words are for word {found.address}, which lies elsewhere"
        elif command.kind == "RUN" and not any(one.vector or one.row_groups == found.row_groups for one in meant):
            yield f"{what} is for {command.tensor!r}, and its words divide the PEs in {found.row_groups} row groups"
        if command.kind in ("RUN", "MOVE") and not command.predicted_cycles:
            yield f"{what} takes no cycle"
    place = image.places[0]
    loaded = dict.fromkeys(range(1 if place.vector else place.row_groups), 0)
    for found in _program(image):
        if found.kind == "LOAD" and not found.external:
            loaded[found.group] = loaded.get(found.group, 0) + found.words
    if set(loaded.values()) != {place.words}:
        total = sum(loaded.values())
        yield f"its LOAD commands take {total} feature words for its input, which has {place.row_groups} x {place.words}"
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
        (command.tensor, found.words)
        for command, found in zip(image.commands, _program(image), strict=False)
        if command.kind == "STORE" and not found.external
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


class _Command(NamedTuple):
    """Of a command of the words: its kind; the word address that it fills, or that a STORE reads; feature words of a LOAD or
    STORE; tap table entries and row groups of a RUN, values of a TABLE; whether a LOAD or STORE is for the external memory; the
    group of a LOAD."""

    kind: str
    address: int
    words: int
    table_entries: int
    row_groups: int = 0
    external: bool = False
    group: int = 0


def _program(image: Image) -> Iterator[_Command]:
    """The commands of the words."""
    for instruction in image.instructions:
        command = instruction.command
        match command:
            case LoadCommand():
                yield _Command(
                    "LOAD", command.address, command.words, 0, external=bool(command.pieces), group=command.group
                )
            case StoreCommand():
                yield _Command("STORE", command.address, command.words, 0, external=bool(command.pieces))
            case MoveCommand():
                yield _Command("MOVE", command.target, command.words, 0)
            case TableCommand():
                yield _Command("TABLE", 0, 0, TABLE_VALUES)
            case RunCommand():
                yield _Command("RUN", command.output_base, 0, command.tap_entries, command.row_groups)
