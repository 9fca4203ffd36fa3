"""A whole network for one array, divided so that it takes the fewest cycles."""

from collections.abc import Sequence
from fractions import Fraction

from openwork.compiler.division import plan_network
from openwork.compiler.emit import Progress, emit
from openwork.compiler.forms import Form, form_of
from openwork.compiler.layout import CompileError
from openwork.compiler.places import block_sizes
from openwork.compiler.plan import NetworkPlan
from openwork.image import Image
from openwork.network import IntegerNetwork
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding


def compile_network(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding = Encoding.PACKED,
    *,
    row_groups: int | None = None,
    watch: bool = False,
    progress: Progress | None = None,
) -> Image:
    """The image that runs a network on an array, input to output.

    The maps of the whole network are divided in one way, that with the fewest predicted cycles of those that fit, so that nothing
    moves between layers; vectors are divided anew for each layer. Smaller blocks keep more of the array busy, but where a tap then
    reaches two neighbours, its map is copied first.

    Args:
        row_groups: divide the maps like this; None to choose.
        watch: store every tensor when it is made, besides the outputs; only the time of the whole run changes.

    Raises:
        CompileError: the network does not fit the array; of several reasons, that of the division nearest to fitting.
    """
    forms, vectors = _forms(network)
    if row_groups is not None and row_groups not in config.row_groups:
        raise CompileError(f"row_groups must be one of {config.row_groups}, not {row_groups}")
    best: NetworkPlan | None = None
    reason: CompileError | None = None
    for groups in [row_groups] if row_groups else reversed(config.row_groups):
        if config.pes // groups > max(config.replicas, 1):
            continue
        tried: list[dict[str, tuple[int, int]]] = []
        for reach in (1, 2):
            try:
                blocks = _block_sizes(network, forms, vectors, groups, config.lanes, reach)
                if blocks in tried:
                    continue
                tried.append(blocks)
                plan = plan_network(network, config, encoding, forms, vectors, groups, blocks)
            except CompileError as error:
                if reason is None or (error.need and error.need < (reason.need or error.need + 1)):
                    reason = error
                continue
            if best is None or plan.predicted_cycles < best.predicted_cycles:
                best = plan
    if best is None:
        raise reason or CompileError(
            f"the array copies outputs between {config.replicas} streams, and no legal row_groups of {config.row_groups} gives "
            f"so few: use an array with more replicas or a larger group"
        )
    return emit(best, watch, progress or (lambda steps, _: steps))


def _forms(network: IntegerNetwork) -> tuple[list[Form | None], set[str]]:
    """The form of each step, and which tensors are vectors."""
    vectors = {network.input.name} if network.input.shape[1:] == (1, 1) else set()
    forms: list[Form | None] = []
    for step in network.steps:
        kinds = {name in vectors for name in step.inputs}
        if len(kinds) > 1:
            raise CompileError(f"step {step.output!r} reads vectors and maps together: the array cannot")
        vector = kinds == {True}
        form = form_of(network, step, vector=vector)
        if form is None and vector:
            raise CompileError(f"step {step.output!r} turns a vector into itself: leave it out")
        forms.append(form)
        if vector or form is None or form.moved or form.operation is Operation.POOL:
            vectors.add(step.output)
    return forms, vectors


def _block_sizes(
    network: IntegerNetwork, forms: Sequence[Form | None], vectors: set[str], row_groups: int, lanes: int, reach: int
) -> dict[str, tuple[int, int]]:
    """Pixels of a block of each map, down and across."""
    if network.input.name in vectors:
        return {}
    scales = {network.input.name: Fraction(1)}
    on_maps = []
    for step, form in zip(network.steps, forms, strict=True):
        found = {scales[name] for name in step.inputs if name in scales}
        if len(found) > 1:
            raise CompileError(f"step {step.output!r} reads maps that were scaled differently")
        if step.output in vectors or form is None:
            continue
        scales[step.output] = found.pop() * form.stride / form.enlarge
        on_maps.append((form, step.inputs[0]))
    shapes = {name: network.tensor(name).shape for name in scales}
    return block_sizes(shapes, scales, on_maps, row_groups, lanes, reach)
