"""In which ways the maps of a network can be divided into blocks of pixels."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction

from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Form
from openwork.compiler.places import block_sizes
from openwork.network import IntegerNetwork


@dataclass(frozen=True)
class Division:
    """Blocks of every map.

    Attributes:
        row_groups: PEs that share a stream while maps are computed.
        blocks: for each map the pixels of a block, down and across.
        gathered: outputs of the steps of stride 2 that halve a map of one pixel a block: they run for every pixel, and then
            every second one is gathered into blocks side by side.
    """

    row_groups: int
    blocks: Mapping[str, tuple[int, int]]
    gathered: frozenset[str]


def divisions(
    network: IntegerNetwork, forms: Sequence[Form | None], vectors: set[str], row_groups: int, lanes: int
) -> Iterator[Division | CompileError]:
    """Every way to divide the maps that is worth a try, and why others are not possible.

    Without gathering, an input's block is the stride times as large as the output's in every layer, so the smallest map says how
    few blocks all maps have. With taps that reach two neighbours, blocks may be smaller than kernels ask for.

    Args:
        forms: of each step.
        vectors: tensors that are vectors.
    """
    regions = _regions(network, forms, vectors)
    cuts = [(region, scale) for region in regions for scale in sorted({*region.values()}, reverse=True) if scale > 1]
    tried: list[Division] = []
    for late in [set(), *({name for name, scale in region.items() if scale >= start} for region, start in cuts)]:
        for reach in (1, 2):
            try:
                division = _divide(network, forms, regions, late, row_groups, lanes, reach)
            except CompileError as error:
                yield error
                continue
            if division is not None and division not in tried:
                tried.append(division)
                yield division


def _divide(
    network: IntegerNetwork,
    forms: Sequence[Form | None],
    regions: Sequence[Mapping[str, Fraction]],
    late: AbstractSet[str],
    row_groups: int,
    lanes: int,
    reach: int,
) -> Division | None:
    """With some late maps of a region divided by themselves; None where that is not possible."""
    parts = [
        *((region, region.keys() - late) for region in regions),
        *((region, region.keys() & late) for region in regions),
    ]
    part_of = {name: number for number, (_, part) in enumerate(parts) for name in part}
    inside: list[list[tuple[Form, str]]] = [[] for _ in parts]
    gathered = []
    for step, form in zip(network.steps, forms, strict=True):
        source = next((name for name in step.inputs if name in part_of), None)
        if form is None or source is None or step.output not in part_of:
            continue
        if part_of[source] == part_of[step.output]:
            inside[part_of[source]].append((form, source))
        elif form.stride != 2 or step.output not in late:
            return None
        else:
            gathered.append((source, step.output))
    blocks: dict[str, tuple[int, int]] = {}
    for (scales, part), on_maps in zip(parts, inside, strict=True):
        if part:
            least = min(scales[name] for name in part)
            shapes = {tensor.name: tensor.shape for tensor in network.tensors if tensor.name in part}
            relative = {name: scales[name] / least for name in shapes}
            blocks |= block_sizes(shapes, relative, on_maps, row_groups, lanes, reach)
    for source, output in gathered:
        _, height, width = network.tensor(output).shape
        whole = 2 * (height - 1) < row_groups and 2 * (width - 1) < lanes
        if not whole or blocks[source] != (1, 1) or blocks[output] != (1, 1):
            return None
    return Division(row_groups, blocks, frozenset(output for _, output in gathered))


def _regions(network: IntegerNetwork, forms: Sequence[Form | None], vectors: set[str]) -> list[dict[str, Fraction]]:
    """Maps that steps make of each other, so they are divided alike: how many pixels of the first one a pixel of each stands for.

    A map that is made of a vector, or of a map's values in another order, begins a region of its own.
    """
    regions = [] if network.input.name in vectors else [{network.input.name: Fraction(1)}]
    for step, form in zip(network.steps, forms, strict=True):
        if step.output in vectors:
            continue
        sources = [name for name in step.inputs if name not in vectors]
        if form is None or not sources:
            regions.append({step.output: Fraction(1)})
            continue
        found = [region for region in regions if not region.keys().isdisjoint(sources)]
        first, *others = found
        scale = next(first[name] for name in sources if name in first)
        for other in others:
            factor = scale / next(other[name] for name in sources if name in other)
            first.update((name, factor * other_scale) for name, other_scale in other.items())
            regions.remove(other)
        if {first[name] for name in sources} != {scale}:
            raise CompileError(f"step {step.output!r} reads maps that were scaled differently")
        first[step.output] = scale * form.stride / form.enlarge
    return regions
