"""Maps in an external memory: a network whose maps do not fit the feature memories is computed part by part.

The steps of a *head* read and write maps in an external memory. Groups of them are fused (`openwork.compiler.fusing`): they run in
turns, and what only they read never leaves the feature memories. All blocks of a map keep their PEs and lanes, so a tap finds its
operand where it always does. A global pooling behind the head takes some channels after the other. The other steps, the *tail*,
are compiled as always. The cut is at a tensor through which everything passes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from openwork.compiler.buffers import Buffer
from openwork.compiler.channel_parts import even_parts, part_rows, rewired, some_rows
from openwork.compiler.errors import CompileError
from openwork.compiler.external_maps import ExternalMap, Part, input_parts
from openwork.compiler.forms import Forms
from openwork.compiler.fusing import FusedSteps, Progress, fuse
from openwork.compiler.memory import Lifetime, allocate
from openwork.compiler.neighbours import with_copies
from openwork.compiler.passes import plan_blocks
from openwork.compiler.placed import pool_taps
from openwork.compiler.plan import BlockPlan, RunPlan
from openwork.compiler.rounds import MapStep, Stay, moves_of, pixels_of
from openwork.compiler.schedule import Run
from openwork.compiler.segments import Division, divisions
from openwork.compiler.spilled_plan import Group, LastLayer, LastRows, Move, Pooling, Times, Turn
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
    forms: Forms,
    config: ArrayConfig,
    encoding: Encoding,
    count: int,
    row_groups: int,
    most_words: int | None,
    progress: Progress,
    most_cycles: int | None,
) -> tuple[dict[str, Buffer], dict[str, ExternalMap], tuple[Group, ...]]:
    """How the tensors of a head are divided, the maps of it that are in the external memory, and its fused steps.

    Args:
        count: its number of steps.
        most_words: words of the image that one pass may use.
        progress: shows for how many steps the best groups are known.
        most_cycles: what another division of the maps takes; None if there is none.

    Raises:
        CompileError: the head takes more cycles than that, not even one pixel of a step fits, or a tap reaches too far.
    """
    network = forms.network
    part = IntegerNetwork(network.tensors[: count + 1], network.steps[:count], (network.steps[count - 1].output,))
    found = _division(Forms(part, forms.forms[:count], frozenset()), config, row_groups)
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
    steps = [
        with_copies(MapStep(form, tuple(wholes[name] for name in step.inputs), wholes[step.output]))
        for step, form in zip(network.steps[:count], forms.forms[:count], strict=True)
        if form is not None
    ]
    planned: dict[tuple[MapStep, tuple[int, ...]], tuple[BlockPlan, ...]] = {}
    parts: dict[str, list[Part]] = {source.tensor: list(input_parts(source, config))}
    head = []
    for fused in fuse(steps, config, encoding, most_words, progress, most_cycles):
        group = _group(fused, config, encoding, most_words, planned)
        head.append(group)
        for moved, store in group.moves:
            if store:
                parts.setdefault(moved.tensor, []).append(Part(moved.window, moved.first_channel, moved.shape[0]))
    born = {source.tensor: 0}
    dies = {wholes[network.steps[count - 1].output].tensor: len(head)}
    for number, group in enumerate(head):
        for moved, store in group.moves:
            dies[moved.tensor] = max(dies.get(moved.tensor, 0), number)
            if store:
                born[moved.tensor] = min(born.get(moved.tensor, number), number)
    maps = {tensor: ExternalMap(wholes[tensor], tuple(each)) for tensor, each in parts.items()}
    addresses = allocate(
        [Lifetime(tensor, one.bytes, born[tensor], dies.get(tensor, 0)) for tensor, one in maps.items()]
    )
    return wholes, {tensor: replace(one, base=addresses[tensor]) for tensor, one in maps.items()}, tuple(head)


def _division(forms: Forms, config: ArrayConfig, row_groups: int) -> Division:
    """Of the divisions without a cut, the one whose blocks have the fewest words.

    Raises:
        CompileError: there is none.
    """
    found: Division | None = None
    reason: CompileError | None = None
    for one in divisions(forms, config, row_groups, MOST_MAP_BYTES):
        if isinstance(one, CompileError):
            reason = reason or one
        elif one.gathered or any(segment.row_groups != row_groups for segment in one.segments):
            break
        elif found is None or _words(forms, one) < _words(forms, found):
            found = one
    if found is None:
        last = forms.network.steps[-1].output
        raise reason or CompileError(f"the maps up to {last!r} are too small for {row_groups} row groups")
    return found


def _words(forms: Forms, division: Division) -> int:
    """Feature words per PE of all maps together."""
    shapes = {tensor.name: tensor.shape for tensor in forms.network.tensors}
    return sum(
        shapes[name][0] * down * across
        for segment in division.segments
        for name, (down, across) in segment.blocks.items()
    )


def _group(
    fused: FusedSteps,
    config: ArrayConfig,
    encoding: Encoding,
    most_words: int | None,
    planned: dict[tuple[MapStep, tuple[int, ...]], tuple[BlockPlan, ...]],
) -> Group:
    """What fused steps do.

    Args:
        planned: the passes of steps over pixels that lie in stretches of some lengths; it grows.
    """
    steps, words = fused.rounds.steps, defaultdict[Buffer, dict[int, int]](dict)
    come: dict[int, list[Stay]] = defaultdict(list)
    parts: dict[Stay, Buffer] = {}
    for stay, address in zip(fused.rounds.stays, fused.addresses, strict=True):
        come[stay.born].append(stay)
        parts[stay] = stay.of.window_at(stay.pixels, address)

    def moves(stays: Iterable[Stay]) -> tuple[Move, ...]:
        return tuple(Move(parts[stay], not stay.loaded) for stay in stays)

    turns, times = [], Times()
    around, rest = moves_of(fused.rounds, fused.addresses)
    for turn, urgent, beside, due in around:
        step = steps[turn % len(steps)]
        for stay in come[turn]:
            words[stay.of].update(zip(parts[stay].window, parts[stay].starts, strict=True))
        made = sorted((parts[stay].starts, parts[stay].window) for stay in come[turn] if not stay.loaded)
        read = {
            source: _window(source, pixels_of(fused.rounds.reads[turn, source]), words[source]) for source in step.reads
        }
        output = _window(step.output, chain.from_iterable(window for _, window in made), words[step.output])
        run = Run(step.form, tuple(read[source] for source in step.inputs), output)
        key = step, output.stretches
        if key not in planned:
            planned[key] = plan_blocks(run, config, encoding, most_words)
        plan, first, later = RunPlan(run, planned[key]), moves(urgent), moves(beside)
        waits = times.turn(turn, _cycles(first, config), _cycles(later, config), due, plan.predicted_cycles)
        turns.append(Turn(plan, waits, first, later))
    last = moves(rest)
    return Group(fused.rounds, tuple(turns), last, times.end(_cycles(last, config)))


def _cycles(moves: Iterable[Move], config: ArrayConfig) -> int:
    return sum(move.cycles(config) for move in moves)


def _window(whole: Buffer, pixels: Iterable[int], words: Mapping[int, int]) -> Buffer:
    """Some pixels of a map where they lie; its channels begin with number 0."""
    window = tuple(pixels)
    return replace(whole, first_channel=0, window=window, starts=tuple(words[pixel] for pixel in window))


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
    runs: list[RunPlan] = []
    moves: list[Move] = []
    ahead = room >= 2 * pixels  # then half of the room holds the channels at hand, and half those that follow
    at_once = room // 2 // pixels if ahead else room // pixels
    for place, chosen in enumerate(even_parts(channels, at_once)):
        start, number = chosen[0], len(chosen)
        some = replace(whole, shape=(number, *whole.shape[1:]), first_channel=start)
        part = some.window_at(whole.pixels, first + at_once * pixels * (place % 2) * ahead)
        # The channels of what is read begin with number 0.
        read = replace(part, first_channel=0)
        rest = replace(whole, shape=(channels - start - number, *whole.shape[1:]), first_channel=start + number)
        before = replace(whole, shape=(start, *whole.shape[1:]))
        cut = (before, some, rest)
        rows, _ = part_rows(rewired(form, (whole,), {whole: cut}), cut, start, number)
        one = pool_taps(rows, replace(some, first_channel=0))
        run = Run(one, (read,), output.channels(start, number))
        runs.append(RunPlan(run, plan_blocks(run, config, encoding)))
        moves.append(Move(part, store=False))
    turns, times = [], Times()
    for place, plan in enumerate(runs):
        urgent = () if ahead and place else (moves[place],)
        beside = tuple(moves[place + 1 : place + 2]) if ahead else ()
        due = place + 1 if beside else None
        waits = times.turn(place, _cycles(urgent, config), _cycles(beside, config), due, plan.predicted_cycles)
        turns.append(Turn(plan, waits, urgent, beside))
    return Pooling(step, tuple(turns), output, address, times.end(0))


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
