"""Maps in an external memory: a network whose maps do not fit the feature memories is computed window by window.

The steps of a *head* read and write maps in an external memory. A step of the head takes one window of its output after the
other: it loads the local pixels that the window reads, computes, and stores the window. All blocks of a map keep their PEs and
lanes, so a tap finds its operand where it always does, and no pixel is computed twice. A global pooling behind the head takes some
channels after the other. The other steps, the *tail*, are compiled as always. The cut is at a tensor through which everything
passes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from openwork.compiler.addressing import read_pixels
from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.compiler.external_maps import ExternalMap, Part
from openwork.compiler.forms import Forms
from openwork.compiler.memory import Lifetime, allocate
from openwork.compiler.passes import plan_blocks
from openwork.compiler.placed import pool_taps
from openwork.compiler.plan import BlockPlan, RunPlan
from openwork.compiler.schedule import Run
from openwork.compiler.segments import divisions
from openwork.compiler.spilled_plan import HeadStep, LastLayer, LastRows, Pooling, Window
from openwork.compiler.windows import (
    even_parts,
    first_channels,
    input_parts,
    own_channel_rows,
    pixels_read,
    reads_own_channel,
    some_rows,
    window_parts,
)
from openwork.network import IntegerNetwork, NetworkError, Step
from openwork.operations.form import Form
from openwork.places import fill_of
from openwork_hw.arch.commands import MOST_MAP_BYTES, Operation
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding


def cuts(forms: Forms) -> Iterator[int]:
    """The numbers of steps that a head can have, fewest first: everything passes through the last tensor that such a head makes."""
    network = forms.network
    for count in range(1, len(network.steps)):
        step, form = network.steps[count - 1], forms.forms[count - 1]
        if not _can_be_in_a_head(forms, step, form):
            return
        made = {network.input.name, *(one.output for one in network.steps[:count])}
        later = {name for one in network.steps[count:] for name in one.inputs}
        if later & made == {step.output} and not made & set(network.outputs):
            yield count


def _can_be_in_a_head(forms: Forms, step: Step, form: Form | None) -> bool:
    return (
        form is not None
        and not form.moved
        and form.operation is not Operation.POOL
        and forms.vectors.isdisjoint((step.output, *step.inputs))
    )


def tail_network(network: IntegerNetwork, count: int) -> IntegerNetwork:
    """The steps behind the first ones, so many, as a network of their own."""
    return IntegerNetwork(network.tensors[count:], network.steps[count:], network.outputs)


def plan_head(
    forms: Forms, config: ArrayConfig, encoding: Encoding, count: int, row_groups: int, most_words: int | None
) -> tuple[dict[str, ExternalMap], tuple[HeadStep, ...]]:
    """The maps and the steps of a head.

    Args:
        count: its number of steps.
        most_words: words of the image that one pass may use.

    Raises:
        CompileError: not even one pixel of a step fits, or a tap reaches too far. The message names the step.
    """
    network = forms.network
    part = IntegerNetwork(network.tensors[: count + 1], network.steps[:count], (network.steps[count - 1].output,))
    found = next(iter(divisions(Forms(part, forms.forms[:count], frozenset()), config, row_groups, MOST_MAP_BYTES)))
    if isinstance(found, CompileError):
        raise found
    if found.gathered:
        raise CompileError(
            f"the maps up to {network.steps[count - 1].output!r} are too small for {row_groups} row groups"
        )
    wholes = {}
    for tensor in network.tensors[: count + 1]:
        segment = found.segment(tensor.name)
        try:
            fill = fill_of(network, tensor.name)
        except NetworkError as error:
            raise CompileError(str(error)) from None
        wholes[tensor.name] = Buffer(
            tensor.name, tensor.shape, segment.row_groups, config.lanes, segment.blocks[tensor.name], fill, vector=False
        )
    source = wholes[network.input.name]
    maps = {source.tensor: ExternalMap(source, input_parts(source, config))}
    head = []
    for step, form in zip(network.steps[:count], forms.forms[:count], strict=True):
        assert form is not None
        inputs = tuple(wholes[name] for name in step.inputs)
        head.append(_head_step(step, form, inputs, wholes[step.output], config, encoding, most_words))
        made = [window.output for window in head[-1].windows]
        parts = tuple(Part(one.window, one.first_channel, one.shape[0]) for one in made)
        maps[step.output] = ExternalMap(wholes[step.output], parts)
    return _placed(network, count, maps), tuple(head)


def _head_step(
    step: Step,
    form: Form,
    inputs: Sequence[Buffer],
    output: Buffer,
    config: ArrayConfig,
    encoding: Encoding,
    most_words: int | None,
) -> HeadStep:
    distinct = {source: [number for number, one in enumerate(inputs) if one is source] for source in inputs}
    reads = {source: read_pixels(form, numbers, source, output) for source, numbers in distinct.items()}
    firsts = first_channels(inputs)
    windows = window_parts(step, inputs, reads, output, config, by_channel=reads_own_channel(form, inputs))
    planned: dict[tuple[int, int, int], tuple[BlockPlan, ...]] = {}
    made = []
    for pixels, first, channels in windows:
        part = replace(output, shape=(channels, *output.shape[1:]), window=pixels)
        if channels == output.shape[0]:
            one, read = form, {source: replace(source, window=pixels_read(reads[source], pixels)) for source in inputs}
            run = Run(one, tuple(read[source] for source in inputs), part)
            loaded = tuple(read.values())
        else:
            number = max(number for number, start in enumerate(firsts) if start <= first)
            source = inputs[number]
            window = pixels_read(reads[source], pixels)
            some = replace(source, shape=(channels, *source.shape[1:]), window=window)
            run = Run(own_channel_rows(form, number, first, channels), (some,), part)
            loaded = (replace(some, first_channel=first - firsts[number]),)
        key = len(pixels), first, channels
        if key not in planned:
            planned[key] = plan_blocks(run, config, encoding, most_words)
        stored = replace(part, first_channel=first)
        addresses, free = {}, 0
        for buffers in (*zip(dict.fromkeys(run.inputs), loaded, strict=True), (part, stored)):
            addresses.update(dict.fromkeys(buffers, free))
            free += buffers[0].words
        made.append(Window(loaded, stored, RunPlan(run, planned[key]), addresses))
    return HeadStep(step, tuple(made))


def _placed(network: IntegerNetwork, count: int, maps: dict[str, ExternalMap]) -> dict[str, ExternalMap]:
    """The maps with addresses; maps that live at different times share bytes."""
    last = {step.output: count for step in network.steps[count - 1 : count]}
    for number, step in enumerate(network.steps[:count]):
        last.update({name: max(last.get(name, 0), number) for name in step.inputs})
    born = {network.input.name: -1} | {step.output: number for number, step in enumerate(network.steps[:count])}
    lives = [Lifetime(name, one.bytes, born[name], last.get(name, born[name])) for name, one in maps.items()]
    addresses = allocate(lives)
    return {name: replace(one, base=addresses[name]) for name, one in maps.items()}


def can_pool(forms: Forms, count: int) -> bool:
    """Whether the step behind a head of so many steps is a global pooling that takes each channel for itself."""
    form = forms.forms[count]
    if form is None or form.operation is not Operation.POOL:
        return False
    rows = np.arange(len(form.offsets))
    return bool((form.nonzeros.lengths == 1).all()) and bool((form.nonzeros.channels == rows).all())


def plan_pooling(
    forms: Forms, config: ArrayConfig, encoding: Encoding, count: int, source: ExternalMap, address: int
) -> Pooling:
    """The pooling behind a head of so many steps.

    Args:
        source: the map that it reads.
        address: word address of the vector that it makes.

    Raises:
        CompileError: not even one channel fits.
    """
    step, form, whole = forms.network.steps[count], forms.forms[count], source.whole
    assert form is not None
    channels, pixels = whole.shape[0], len(whole.pixels)
    shape = forms.network.tensor(step.output).shape
    fill = fill_of(forms.network, step.output)
    output = Buffer(step.output, shape, whole.row_groups, config.lanes, (1, 1), fill, vector=True)
    # In the larger gap beside the vector.
    behind = address + output.words
    first, room = max(((0, address), (behind, config.feature_words - behind)), key=lambda gap: gap[1])
    if room < pixels:
        raise CompileError(
            f"step {step.output!r}: a channel takes {pixels:,} feature words, and {room:,} are free", need=pixels
        )
    parts = []
    for chosen in even_parts(channels, room // pixels):
        start, number = chosen[0], len(chosen)
        part = replace(whole, shape=(number, *whole.shape[1:]), first_channel=start, window=tuple(whole.pixels))
        # The window holds all pixels, and its channels begin at word 0.
        read = replace(part, first_channel=0)
        one = pool_taps(own_channel_rows(form, 0, start, number), replace(read, window=()))
        run = Run(one, (read,), output.channels(start, number))
        plan = RunPlan(run, plan_blocks(run, config, encoding))
        parts.append(Window((part,), run.output, plan, {part: first, read: first, output: address}))
    return Pooling(step, tuple(parts), output, address)


def plan_last(
    forms: Forms, config: ArrayConfig, encoding: Encoding, number: int, most_words: int | None
) -> LastLayer | None:
    """The step of this number in parts, if it is the last one and makes a vector of a vector; else None.

    Raises:
        CompileError: not even one row fits beside the vector that it reads.
    """
    network, form = forms.network, forms.forms[number]
    step = network.steps[number]
    if number != len(network.steps) - 1 or form is None or form.moved or len(step.inputs) != 1:
        return None
    if not forms.vectors.issuperset((step.output, *step.inputs)):
        return None
    (name,) = step.inputs
    source, output = (
        Buffer(
            tensor,
            network.tensor(tensor).shape,
            config.row_groups[-1],
            config.lanes,
            (1, 1),
            fill_of(network, tensor),
            vector=True,
        )
        for tensor in (name, step.output)
    )
    room = config.feature_words - source.words
    if room < 1:
        raise CompileError(
            f"step {step.output!r} reads a vector of {source.words:,} words, and a PE has {config.feature_words:,} feature words",
            need=source.words + 1,
        )
    parts = []
    for rows in even_parts(output.words, room):
        best: LastRows | None = None
        some = some_rows(form, rows[0], len(rows))
        for groups in config.row_groups:
            made = output.view(row_groups=groups, shape=(len(rows), 1, 1))
            run = Run(some, (source.view(row_groups=groups),), made)
            plan = RunPlan(run, plan_blocks(run, config, encoding, most_words))
            orders = tuple(
                np.concatenate([block.rows_of(stream) for block in plan.blocks])
                for stream in range(config.pes // groups)
            )
            if best is None or plan.predicted_cycles < best.plan.predicted_cycles:
                best = LastRows(plan, rows[0], orders)
        assert best is not None
        parts.append(best)
    return LastLayer(step, source, tuple(parts))
