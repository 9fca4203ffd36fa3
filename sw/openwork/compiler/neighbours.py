"""Taps that reach two neighbours, in steps whose maps are in an external memory: they read copies, which steps of their own make.

`openwork.compiler.schedule` does the same for maps that fit the feature memories, with one map for all copies. Here each copy is a
map of its own, so that some channels of it can be made at a time.
"""

from dataclasses import replace

from openwork.compiler.addressing import offset
from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.compiler.placed import shifted_copies
from openwork.compiler.rounds import MapStep
from openwork.operations.form import Tap


def with_copies(step: MapStep) -> tuple[MapStep, ...]:
    """The steps that make the copies, and the step that reads them instead; the step alone if all taps reach one neighbour.

    A copy is shifted by one block, towards the operand.

    Raises:
        CompileError: a tap reaches further than two neighbours.
    """
    form = step.form
    shifts = {tap: _shift(step, tap) for tap in dict.fromkeys(form.taps)}
    copies: dict[tuple[Buffer, tuple[int, int]], int] = {}
    made: list[MapStep] = []
    inputs, taps = list(step.inputs), []
    for tap in form.taps:
        (down, across), source = shifts[tap], step.inputs[tap.input]
        if (down, across) == (0, 0):
            taps.append(tap)
            continue
        if (source, (down, across)) not in copies:
            channels, (height, width) = source.shape[0], source.block
            # A copy covers all blocks: at a place outside the map, it may hold pixels of the map.
            shape = channels, source.row_groups * height, source.lanes * width
            copy = source.hidden(form.name, f"shifted {source.tensor}", shape, source.block)
            pixels = [(down * height, across * width)]
            made.append(MapStep(shifted_copies(form.name, channels, pixels, source.fill), (source,), copy))
            copies[source, (down, across)] = len(inputs)
            inputs.append(copy)
        back = [shift * source.block[axis] * form.enlarge[axis] for axis, shift in enumerate((down, across))]
        taps.append(Tap(copies[source, (down, across)], tap.down - back[0], tap.right - back[1], tap.channel))
    if not made:
        return (step,)
    return (*made, MapStep(replace(form, taps=tuple(taps)), tuple(inputs), step.output))


def _shift(step: MapStep, tap: Tap) -> tuple[int, int]:
    """By how many blocks down and across the copy must be shifted that a tap reads: 0 if it reads the map itself."""
    source, output = step.inputs[tap.input], step.output
    found = []
    for axis, blocks in enumerate((source.row_groups, source.lanes)):
        pixels = range(min(output.block[axis], output.shape[1 + axis]))
        reach = [offset(step.form, source.block[axis], axis, pixel, tap[1 + axis], blocks)[0] for pixel in pixels]
        shift = 1 if max(reach) > 1 else -1 if min(reach) < -1 else 0
        if max(reach) - shift > 1 or min(reach) - shift < -1:
            raise CompileError(f"step {step.form.name!r}: a tap reaches further than two neighbours")
        found.append(shift)
    return found[0], found[1]
