"""The main function of the compiler: `compile_network` turns a quantized network into an image for one array.

Each stage is one function, which takes one frozen thing and makes the next. Each of these things prints as a short table:

- `network_forms` turns every step into rows of nonzeros (`Forms`).
- `divisions` finds the ways to divide the maps into segments (`Division`).
- `schedule_network` turns every step into runs over buffers without addresses (`Schedule`).
- `place_buffers` gives every buffer a word address. It refuses a network that does not fit, before anything is encoded.
- `plan_passes` puts rows on streams and divides runs into passes with exact cycles (`NetworkPlan`).
- `emit` writes commands, tap tables, records and streams (`Image`).
"""

from collections.abc import Iterator
from dataclasses import replace

from openwork.compiler.buffers import Buffer
from openwork.compiler.emit import Progress, emit, emit_spilled
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Forms, network_forms
from openwork.compiler.memory import place_buffers
from openwork.compiler.passes import fewest_cycles, plan_passes
from openwork.compiler.plan import NetworkPlan
from openwork.compiler.schedule import Schedule, schedule_network
from openwork.compiler.segments import divisions
from openwork.compiler.spilled_plan import SpilledPlan
from openwork.compiler.spilling import can_pool, cuts, plan_head, plan_last, plan_pooling, tail_network
from openwork.image import Image
from openwork.network import IntegerNetwork
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.encodings import encodings_of
from openwork_hw.arch.nonzeros import Encoding

SCRATCHPAD_PASSES = 3
"""Passes whose words a scratchpad holds at once, if an image is larger than the scratchpad.

Two passes are there: the pass that runs, and the next pass, which is fetched meanwhile. A block of words is not split where the
scratchpad ends, so up to a block of words is left unused there. A block is a part of a pass, so it is not larger than a pass.
"""

GATHERED_CHANNELS = (256, 64)
"""How many channels are gathered at a time, if all channels together need too much feature memory."""


def compile_network(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding = Encoding.PACKED,
    *,
    row_groups: int | None = None,
    watch: bool = False,
    progress: Progress | None = None,
    scratchpad_words: int = 0,
) -> Image:
    """The image that runs a network on an array, from input to output.

    Of all divisions of the maps that fit (`openwork.compiler.segments`), the compiler takes the division with the fewest
    predicted cycles. Every step that makes a vector from vectors chooses its row groups on its own.

    Args:
        encoding: encoding of all weight streams.
        row_groups: row groups of the first segment; None lets the compiler choose.
        watch: whether to store every tensor as soon as it is made, besides the outputs. Only the time of the whole run changes.
        progress: shows how many steps are encoded.
        scratchpad_words: words of the scratchpad of a board with an external memory. If the image is larger, its rows are cut into
            passes so small that the next pass is fetched while a pass runs. 0 for a board without an external memory.

    Raises:
        CompileError: the network does not fit the array. The message is about the division that comes nearest to fitting.
    """
    return planned_image(
        network,
        config,
        encoding,
        row_groups=row_groups,
        watch=watch,
        progress=progress,
        scratchpad_words=scratchpad_words,
    )[1]


def planned_image(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding = Encoding.PACKED,
    *,
    row_groups: int | None = None,
    watch: bool = False,
    progress: Progress | None = None,
    scratchpad_words: int = 0,
) -> tuple[NetworkPlan | SpilledPlan, Image]:
    """What `compile_network` makes, and the plan that it was made from. The arguments are the same."""
    show = progress or (lambda steps, _: steps)
    plan: NetworkPlan | SpilledPlan
    try:
        plan = best_plan(network, config, encoding, row_groups)
        image = emit(plan, watch, show)
    except CompileError as error:
        if not scratchpad_words or not config.map_stations or watch:
            raise
        plan = best_spilled_plan(
            network, config, encoding, row_groups, scratchpad_words // SCRATCHPAD_PASSES, error, show
        )
        return plan, replace(emit_spilled(plan, show), scratchpad_words=scratchpad_words)
    if not 0 < scratchpad_words < len(image.words):
        return plan, image
    plan = best_plan(network, config, encoding, row_groups, scratchpad_words // SCRATCHPAD_PASSES)
    return plan, replace(emit(plan, watch, show), scratchpad_words=scratchpad_words)


def best_spilled_plan(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding,
    row_groups: int | None,
    most_words: int,
    reason: CompileError,
    progress: Progress,
) -> SpilledPlan:
    """The plan with the shortest head, and of those the one with the fewest predicted cycles.

    Args:
        network, config, encoding, row_groups, most_words: as for `best_plan`.
        reason: why the network does not fit the feature memories.
        progress: shows for how many steps of the head the best groups are known.

    Raises:
        CompileError: `reason`, where the maps do not fit an external memory either, with the reason for that.
    """
    forms = network_forms(network)
    legal = [groups for groups in reversed(config.row_groups) if config.pes // groups <= config.replicas]
    last = reason
    for count in cuts(forms):
        best: SpilledPlan | None = None
        for groups in [row_groups] if row_groups else legal:
            fewest = None if best is None else best.predicted_cycles
            try:
                plan = _spilled_plan(forms, config, encoding, count, groups, most_words, progress, fewest)
            except CompileError as error:
                last = error
                continue
            if fewest is None or plan.predicted_cycles < fewest:
                best = plan
        if best is not None:
            return best
    if last is reason:
        raise reason
    raise CompileError(f"{reason}; with maps in the external memory: {last}", need=reason.need)


def _spilled_plan(
    forms: Forms,
    config: ArrayConfig,
    encoding: Encoding,
    count: int,
    row_groups: int,
    most_words: int,
    progress: Progress,
    most_cycles: int | None,
) -> SpilledPlan:
    """The plan with a head of so many steps."""
    network = forms.network
    pooled = can_pool(forms, count)
    tail = last = None
    if count + pooled < len(network.steps):
        try:
            tail = best_plan(tail_network(network, count + pooled), config, encoding, row_groups, most_words)
        except CompileError:
            last = plan_last(forms, config, encoding, count + 1, most_words) if pooled else None
            if last is None:
                raise
    wholes, maps, head = plan_head(forms, config, encoding, count, row_groups, most_words, progress, most_cycles)
    made = maps[network.steps[count - 1].output]
    if pooled:
        address = 0
        if tail is not None:
            address = tail.addresses[tail.schedule.tensors[network.steps[count].output]]
        pooling = plan_pooling(forms, config, encoding, count, made, address)
        return SpilledPlan(network, config, encoding, wholes, maps, head, pooling, tail, last)
    assert tail is not None
    read = tail.schedule.tensors[made.whole.tensor]
    if (made.whole.row_groups, made.whole.block) != (read.row_groups, read.block):
        raise CompileError(f"the maps behind {read.tensor!r} want other blocks than those before")
    return SpilledPlan(network, config, encoding, wholes, maps, head, None, tail)


def _refuse_tables(network: IntegerNetwork, config: ArrayConfig) -> None:
    """Refuse activation tables, for an array without them."""
    tabled = [layer.name for layer in network.layers if layer.activation.table is not None]
    if tabled:
        others = f" and {len(tabled) - 1} others go" if len(tabled) > 1 else " goes"
        having = [name for name, preset in PRESETS.items() if preset.activation_tables]
        raise CompileError(
            f"layer {tabled[0]!r}{others} through an activation table, which a function like SiLU or sigmoid becomes, and the "
            f"array ({config}) is built without activation tables: use the preset {' or '.join(having)}, an array with "
            "activation_tables, or ReLU, ReLU6 or LeakyReLU in the model"
        )


def best_plan(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding = Encoding.PACKED,
    row_groups: int | None = None,
    most_words: int | None = None,
) -> NetworkPlan:
    """The plan with the fewest predicted cycles.

    Args:
        network, config, encoding, row_groups: as for `compile_network`.
        most_words: words of the image that one pass may use; None means any number.

    Raises:
        CompileError: as `compile_network`.
    """
    if encoding not in encodings_of(config):
        raise CompileError(
            f"a compact array decodes csr weight streams, not {encoding.name.lower()}: compile with --encoding csr"
        )
    if not config.activation_tables:
        _refuse_tables(network, config)
    if row_groups is not None and row_groups not in config.row_groups:
        raise CompileError(f"row_groups must be one of {config.row_groups}, not {row_groups}")
    reasons: list[CompileError] = []
    candidates = [
        (fewest_cycles(schedule), number, schedule, addresses)
        for number, (schedule, addresses) in enumerate(_fitting(network_forms(network), config, row_groups, reasons))
    ]
    best: tuple[int, int, NetworkPlan] | None = None
    for bound, number, schedule, addresses in sorted(candidates, key=lambda one: one[:2]):
        if best is not None and bound > best[0]:
            break
        try:
            plan = plan_passes(schedule, addresses, encoding, most_words)
        except CompileError as error:
            reasons.append(error)
            continue
        if best is None or (plan.predicted_cycles, number) < best[:2]:
            best = plan.predicted_cycles, number, plan
    if best is not None:
        return best[2]
    if not reasons:
        raise CompileError(
            f"the array copies outputs between {config.replicas} streams, and no legal row_groups of {config.row_groups} gives "
            f"so few: use an array with more replicas or a larger group"
        )
    # The reason of the division that is nearest to fitting: the least need of memory, or else the first reason.
    raise min(reasons, key=lambda error: error.need or float("inf"))


def _fitting(
    forms: Forms, config: ArrayConfig, row_groups: int | None, reasons: list[CompileError]
) -> Iterator[tuple[Schedule, dict[Buffer, int]]]:
    """The schedules of all divisions that fit, largest row groups first. The errors of the other divisions go to `reasons`."""
    for groups in [row_groups] if row_groups else reversed(config.row_groups):
        if config.pes // groups > config.replicas:
            continue
        for division in divisions(forms, config, groups):
            if isinstance(division, CompileError):
                reasons.append(division)
                continue
            for channels in (None, *GATHERED_CHANNELS) if division.gathered else (None,):
                try:
                    schedule = schedule_network(forms, config, division, channels)
                    yield schedule, place_buffers(schedule)
                except CompileError as error:
                    reasons.append(error)
                else:
                    break
