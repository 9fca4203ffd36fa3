"""A whole network for one array, divided so that it takes the fewest cycles."""

from openwork.compiler.division import plan_network
from openwork.compiler.emit import Progress, emit
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Form, form_of
from openwork.compiler.plan import NetworkPlan
from openwork.compiler.scales import divisions
from openwork.image import Image
from openwork.network import IntegerNetwork
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.encodings import encodings_of
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

    The maps of the whole network are divided in the way with the fewest predicted cycles of those that fit (`scales.divisions`);
    vectors are divided anew for each layer.

    Args:
        row_groups: divide the maps like this; None to choose.
        watch: store every tensor when it is made, besides the outputs; only the time of the whole run changes.

    Raises:
        CompileError: the network does not fit the array; of several reasons, that of the division nearest to fitting.
    """
    return emit(best_plan(network, config, encoding, row_groups), watch, progress or (lambda steps, _: steps))


def best_plan(
    network: IntegerNetwork, config: ArrayConfig, encoding: Encoding = Encoding.PACKED, row_groups: int | None = None
) -> NetworkPlan:
    """What `compile_network` turns into an image; the arguments are the same."""
    if encoding not in encodings_of(config):
        raise CompileError(
            f"a compact array decodes csr weight streams, not {encoding.name.lower()}: compile with --encoding csr"
        )
    forms, vectors = network_forms(network)
    if row_groups is not None and row_groups not in config.row_groups:
        raise CompileError(f"row_groups must be one of {config.row_groups}, not {row_groups}")
    best: NetworkPlan | None = None
    reason: CompileError | None = None
    for groups in [row_groups] if row_groups else reversed(config.row_groups):
        if config.pes // groups > max(config.replicas, 1):
            continue
        for division in divisions(network, forms, vectors, groups, config.lanes):
            try:
                if isinstance(division, CompileError):
                    raise division
                plan = plan_network(network, config, encoding, forms, vectors, division)
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
    return best


def network_forms(network: IntegerNetwork) -> tuple[list[Form | None], set[str]]:
    """The form of each step, and which tensors are vectors."""
    vectors = {network.input.name} if network.input.shape[1:] == (1, 1) else set()
    forms: list[Form | None] = []
    for step in network.steps:
        kinds = {name in vectors for name in step.inputs}
        if len(kinds) > 1:
            raise CompileError(f"step {step.output!r} reads vectors and maps together: the array cannot")
        vector = kinds == {True}
        form = form_of(network, step, vector=vector)
        one_pixel = network.tensor(step.output).shape[1:] == (1, 1)
        if form is None and vector and one_pixel:
            raise CompileError(f"step {step.output!r} turns a vector into itself: leave it out")
        forms.append(form)
        if one_pixel and (vector or form is None or form.moved or form.operation is Operation.POOL):
            vectors.add(step.output)
    return forms, vectors
