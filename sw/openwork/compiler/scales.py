"""In which ways the maps of a network can be divided into blocks of pixels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from openwork.compiler.forms import Form
from openwork.compiler.layout import CompileError
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
    scales = _scales(network, forms, vectors)
    tried: list[Division] = []
    for start in [None, *sorted({scale for scale in scales.values() if scale > 1}, reverse=True)]:
        for reach in (1, 2):
            try:
                division = _divide(network, forms, scales, start, row_groups, lanes, reach)
            except CompileError as error:
                yield error
                continue
            if division is not None and division not in tried:
                tried.append(division)
                yield division


def _divide(
    network: IntegerNetwork,
    forms: Sequence[Form | None],
    scales: Mapping[str, Fraction],
    start: Fraction | None,
    row_groups: int,
    lanes: int,
    reach: int,
) -> Division | None:
    """With maps from scale `start` on divided by themselves; None where that is not possible."""
    late = {name for name, scale in scales.items() if start is not None and scale >= start}
    inside: tuple[list[tuple[Form, str]], list[tuple[Form, str]]] = [], []
    gathered = []
    for step, form in zip(network.steps, forms, strict=True):
        if form is None or step.output not in scales:
            continue
        source = step.inputs[0]
        if (source in late) == (step.output in late):
            inside[source in late].append((form, source))
        elif form.stride != 2 or step.output not in late:
            return None
        else:
            gathered.append((source, step.output))
    blocks: dict[str, tuple[int, int]] = {}
    for part, on_maps in zip((scales.keys() - late, late), inside, strict=True):
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


def _scales(network: IntegerNetwork, forms: Sequence[Form | None], vectors: set[str]) -> dict[str, Fraction]:
    """How many pixels of the network's input, across as down, a pixel of each map stands for."""
    if network.input.name in vectors:
        return {}
    scales = {network.input.name: Fraction(1)}
    for step, form in zip(network.steps, forms, strict=True):
        found = {scales[name] for name in step.inputs if name in scales}
        if len(found) > 1:
            raise CompileError(f"step {step.output!r} reads maps that were scaled differently")
        if step.output not in vectors and form is not None:
            scales[step.output] = found.pop() * form.stride / form.enlarge
    return scales
