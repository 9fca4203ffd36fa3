"""Which of `coverage.NETWORK_BINS` an image meets, from nothing but the image."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from openwork.image import Image
from openwork.network import Step
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import MoveCommand, Operation, RunCommand, StoreCommand, TableCommand
from openwork_hw.arch.image import Instruction

STEP_BINS = {
    "max_pool": "largest value",
    "upsample": "enlarged map",
    "pixel_shuffle": "channels that became pixels",
    "reshape": "reshaped",
}
"""The bin of an operation, where that is not its own name."""


def network_bins(image: Image, inputs: int) -> set[str]:
    """What an image meets that runs so many inputs one after the other."""
    found = {f"network in {image.encoding.name.lower()}"}
    if inputs > 1:
        found.add("two inputs one after the other")
    found.update(_read_often(image))
    for step in image.network.steps:
        found.update(_step_bins(image, step))
    found.update(_place_bins(image))
    for instruction, plan in zip(image.instructions, image.commands, strict=True):
        match instruction.command:
            case MoveCommand() as move:
                found.add("MOVE of one lane" if move.lanes == 1 else "MOVE of several lanes")
                found.add("MOVE from the first lane" if move.first_lane == 0 else "MOVE from a lane after the first")
                if move.lanes == 1 and move.lane_step == 0:
                    found.add("vector for all PEs")
            case RunCommand():
                found.update(_run_bins(image, instruction, vector=image.place(plan.tensor).vector))
    found.update(_pass_bins(image))
    found.update(_table_bins(image))
    return found


def _read_often(image: Image) -> Iterator[str]:
    readers = Counter(name for step in image.network.steps for name in set(step.inputs))
    if max(readers.values()) > 1:
        yield "tensor read by two steps"


def _step_bins(image: Image, step: Step) -> Iterator[str]:
    network = image.network
    yield STEP_BINS.get(step.kind, step.kind)
    for layer in step.layers:
        if layer.groups == layer.channels > 1:
            yield "depthwise layer"
        if not layer.weights.reshape(layer.rows, -1).any(axis=1).all():
            yield "row without weights"
        first = 0
        for name in step.inputs if layer.groups == 1 and layer.taps > 1 else ():
            channels = network.tensor(name).shape[0]
            used = layer.weights[:, first : first + channels].any(axis=(0, 1))
            first += channels
            if used.sum() == 1 and len(step.inputs) > 1:
                yield "rows join a tensor at one tap"
    if len(set(step.inputs)) > 1:
        yield "step reads two tensors"
    if len(set(step.inputs)) < len(step.inputs):
        yield "step reads a tensor twice"
    sources = [image.place(name) for name in step.inputs]
    result = image.place(step.output)
    if result.vector and not sources[0].vector:
        yield "vector out of a map"
    if sources[0].vector and not result.vector:
        yield "map out of a vector"


def _place_bins(image: Image) -> Iterator[str]:
    for place in image.places:
        if place.vector:
            yield "vector"
            continue
        if place.block == (1, 1) and place.outside_pixels:
            yield "map of fewer pixels than blocks"
        if place.step and place.tensor.startswith("kept pixels"):
            yield "gathered map"
        elif place.step and place.tensor.startswith("shifted "):
            yield "shifted copies"


def _run_bins(image: Image, instruction: Instruction, *, vector: bool) -> Iterator[str]:
    run, config = instruction.command, image.config
    assert isinstance(run, RunCommand)
    yield run.operation.name
    streams = config.pes // run.row_groups
    yield (
        "one stream"
        if streams == 1
        else ("copies between streams" if run.row_groups in config.copied_groups else "streams that share nothing")
    )
    if vector and streams > 1:
        yield "vectors in several streams"
    yield "one pixel a pass" if run.hold == 1 else "several pixels a pass"
    shifts = {(tap.lane_shift, tap.pe_shift) for tap in instruction.taps}
    beside = {(-1, 0): "lane before", (1, 0): "lane after", (0, -1): "PE before", (0, 1): "PE after"}
    for lane, pe in shifts:
        if lane:
            yield f"tap to the {beside[lane, 0]}"
        if pe:
            yield f"tap to the {beside[0, pe]}"
        if lane and pe:
            yield "tap to the lane and PE beside"
        if lane or pe:
            yield "operand outside the map"
    if run.pad and any(map(any, shifts)):
        yield "pad other than 0"
    if run.operation is not Operation.POOL:
        right = run.full_lanes < config.lanes and any(tap.beyond_right for tap in instruction.taps)
        below = run.full_groups < run.row_groups and any(tap.beyond_bottom for tap in instruction.taps)
        lanes, groups = run.full_lanes + 1 < config.lanes, run.full_groups + 1 < run.row_groups
        yield from (
            name
            for name, met in (
                ("fill of pixels right of the map", right),
                ("fill of pixels below the map", below),
                ("fill of whole lanes", lanes),
                ("fill of whole PEs", groups),
                ("fill other than 0", run.fill and (right or below or lanes or groups)),
            )
            if met
        )
    for feeder in instruction.feeders:
        rows = encodings.decode(image.encoding, feeder.words, run.layout, [record.row for record in feeder.records])
        if rows.lengths.max() > config.row_buffer_nonzeros:
            yield "row longer than the row buffer"


def _pass_bins(image: Image) -> Iterator[str]:
    """Of RUNs that follow each other: the same rows for other pixels, or other rows."""
    runs = [
        (plan.tensor, instruction.command, instruction.feeders)
        for instruction, plan in zip(image.instructions, image.commands, strict=True)
    ]
    for (before, first, had), (after, second, has) in pairwise(runs):
        if before != after or not isinstance(first, RunCommand) or not isinstance(second, RunCommand):
            continue
        if _rows(had) == _rows(has):
            yield "several passes for a map"
        elif not set(_rows(had)) & set(_rows(has)):
            yield "rows in several blocks"


def _table_bins(image: Image) -> Iterator[str]:
    """Of what goes through activation tables, and of what does not while one is there."""
    tables, used = 0, ""
    for instruction, plan in zip(image.instructions, image.commands, strict=True):
        match instruction.command:
            case TableCommand():
                tables, used = tables + 1, ""
                if tables > 1:
                    yield "another activation table"
            case RunCommand(tabled=True):
                yield "activation table"
                if used not in ("", plan.tensor):
                    yield "activation table that stays"
                used = plan.tensor
            case RunCommand() | MoveCommand() | StoreCommand() if tables:
                yield "outputs past the activation table"


def _rows(feeders: tuple[object, ...]) -> list[int]:
    return [record.row for feeder in feeders for record in feeder.records if record.write]  # type: ignore[attr-defined]
