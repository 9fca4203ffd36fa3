"""Stage 2 of the compiler: the ways to divide the maps of a network into segments, each with blocks of its own.

A map of H x W pixels is cut into `row_groups` blocks down and `lanes` blocks across. Along each axis, the input block of a layer
is as many times as large as its output block as its stride says. Without cuts, the smallest map therefore dictates the blocks
of all maps. A *cut* ends this: if a map has one pixel per block along an axis, a step of stride 2 runs for every pixel, and then
every second pixel is gathered into blocks side by side (`openwork.compiler.schedule`). The maps between two cuts are a segment.
Cuts down and cuts across do not depend on each other. After a cut down, a segment may have smaller row groups, and so more
weight streams.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import lcm
from typing import NamedTuple

from openwork.compiler.addressing import reaches
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Forms
from openwork.limits import MAX_BLOCK, check_limit
from openwork.network import Shape
from openwork.operations.form import Form
from openwork_hw.arch.config import ArrayConfig

MOST_CUTS = 4
"""Most cuts along one axis. Behind four cuts, a sixteenth of the pixels is left, so more cuts bring little."""

AXES = (0, 1)
"""The axes of a map: down, across."""


@dataclass(frozen=True)
class Segment:
    """Maps that are divided alike.

    Attributes:
        maps: names of the maps, in the order in which steps make them.
        row_groups: how many PEs share a weight stream while these maps are computed.
        blocks: for each map the pixels per block, down and across.
    """

    maps: tuple[str, ...]
    row_groups: int
    blocks: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Division:
    """How all maps of a network are divided.

    Attributes:
        segments: all segments. Every map is in exactly one segment.
        gathered: the axes along which a step gathers, by name of its output, for every step that begins a segment by gathering.
    """

    segments: tuple[Segment, ...]
    gathered: Mapping[str, tuple[int, ...]]

    def segment(self, name: str) -> Segment:
        """The segment that a map is in."""
        return next(one for one in self.segments if name in one.blocks)

    def __str__(self) -> str:
        lines = []
        for segment in self.segments:
            first, last = segment.maps[0], segment.maps[-1]
            blocks = " .. ".join(f"{down} x {across}" for down, across in (segment.blocks[first], segment.blocks[last]))
            lines.append(f"{first} .. {last}: {segment.row_groups} row groups, blocks of {blocks} pixels")
        return "\n".join(lines)


class Link(NamedTuple):
    """A step that reads a map and makes a map of the same region."""

    form: Form
    source: str
    output: str


@dataclass(frozen=True, eq=False)
class Region:
    """Maps that steps make from each other, so that the division of one map decides the divisions of the others.

    Attributes:
        shapes: shape of each map.
        scales: for each map, how many pixels of the region's first map one pixel of the map stands for, down and across.
        links: the steps between these maps.
    """

    shapes: dict[str, Shape]
    scales: dict[str, tuple[Fraction, Fraction]]
    links: list[Link]


class _Sizes(NamedTuple):
    """The division of a region along one axis.

    Attributes:
        parts: for each map, the number of its segment along this axis.
        counts: for each segment, the number of blocks.
        sizes: for each map, the pixels per block.
        gathered: the maps with which a segment begins by gathering.
    """

    parts: Mapping[str, int]
    counts: tuple[int, ...]
    sizes: Mapping[str, int]
    gathered: frozenset[str]


def divisions(
    forms: Forms, config: ArrayConfig, row_groups: int, most_words: int = MAX_BLOCK
) -> Iterator[Division | CompileError]:
    """Every division of the maps that is worth a try, and an error for every division that is not possible.

    Divisions in which taps reach two neighbours are among them, because their blocks may be smaller than a kernel asks for.

    Args:
        row_groups: row groups of the first segment. Later segments may have fewer.
        most_words: feature words that a map may take in each PE.
    """
    regions = find_regions(forms)
    found = [_candidates(region, config, row_groups, reach) for reach in (1, 2) for region in regions]
    by_reach = found[: len(regions)], found[len(regions) :]
    tried: list[Division] = []
    for cut in (False, True):
        for candidates in by_reach:
            for chosen in _combined(candidates, cut):
                division = chosen if isinstance(chosen, CompileError) else _division(regions, chosen, most_words)
                if isinstance(division, CompileError):
                    yield division
                elif division not in tried:
                    tried.append(division)
                    yield division


Candidates = list[tuple[_Sizes, _Sizes] | CompileError]
"""The possible sizes of one region, down and across. The first sizes have no cut."""


def _combined(candidates: Sequence[Candidates], cut: bool) -> Iterator[list[tuple[_Sizes, _Sizes]] | CompileError]:
    """Sizes for all regions: without a cut, or with one region cut in every way while the others are not cut."""
    ways = [[region[:1] for region in candidates]]
    if cut:
        ways = [
            [region[1:] if number == index else region[:1] for number, region in enumerate(candidates)]
            for index in range(len(candidates))
        ]
    for way in ways:
        for chosen in product(*way):
            errors = [one for one in chosen if isinstance(one, CompileError)]
            yield errors[0] if errors else [one for one in chosen if not isinstance(one, CompileError)]


def _candidates(region: Region, config: ArrayConfig, row_groups: int, reach: int) -> Candidates:
    legal = [groups for groups in config.row_groups if config.pes // groups <= config.replicas]
    found: list[list[_Sizes | CompileError]] = []
    for axis, first, later in ((0, row_groups, legal), (1, config.lanes, [config.lanes])):
        levels = sorted({scales[axis] for scales in region.scales.values()})[1:]
        ways: list[_Sizes | CompileError] = []
        for cuts in (some for number in range(MOST_CUTS + 1) for some in combinations(levels, number)):
            for counts in product([first], *([later] * len(cuts))):
                if list(counts) != sorted(counts, reverse=True):
                    continue
                try:
                    sizes = _sizes(region, axis, cuts, counts, reach)
                except CompileError as error:
                    if not cuts:
                        ways.append(error)
                    continue
                if sizes is not None:
                    ways.append(sizes)
        found.append(ways)
    return [
        down if isinstance(down, CompileError) else across if isinstance(across, CompileError) else (down, across)
        for down, across in product(*found)
    ]


def _sizes(region: Region, axis: int, cuts: Sequence[Fraction], counts: tuple[int, ...], reach: int) -> _Sizes | None:
    """The smallest blocks along an axis with which every tap reaches at most `reach` neighbours; None if a cut is not possible.

    Args:
        cuts: scales at which segments begin, ascending.
        counts: number of blocks of each segment.
    """
    parts = {name: sum(cut <= scales[axis] for cut in cuts) for name, scales in region.scales.items()}
    sizes: dict[str, int] = {}
    for part, count in enumerate(counts):
        names = [name for name, number in parts.items() if number == part]
        inside = [link for link in region.links if parts[link.source] == parts[link.output] == part]
        sizes |= _part_sizes(region, axis, names, inside, count, reach)
    gathered = set()
    for form, source, output in region.links:
        if parts[source] == parts[output]:
            continue
        pixels = region.shapes[output][1 + axis]
        before, after = counts[parts[source]], counts[parts[output]]
        if (
            parts[output] != parts[source] + 1
            or (form.stride[axis], form.enlarge[axis]) != (2, 1)
            or (sizes[source], sizes[output]) != (1, 1)
            or 2 * (pixels - 1) >= before
            or pixels > after
            or max(abs(tap[1 + axis]) for tap in form.taps) > reach
        ):
            return None
        gathered.add(output)
    return _Sizes(parts, counts, sizes, frozenset(gathered))


def _part_sizes(
    region: Region, axis: int, names: Sequence[str], links: Sequence[Link], blocks: int, reach: int
) -> dict[str, int]:
    """The smallest blocks of the maps of a segment along an axis."""
    least = min(region.scales[name][axis] for name in names)
    scales = {name: region.scales[name][axis] / least for name in names}
    pixels = {name: region.shapes[name][1 + axis] for name in names}
    unit = lcm(*(scale.numerator for scale in scales.values()))
    # The block of the first map, large enough for the blocks of every map to cover the map.
    size = unit * max(
        -(-pixels[name] * scale.numerator // (blocks * unit * scale.denominator)) for name, scale in scales.items()
    )
    while not all(
        (size / scale).denominator == 1 and size / scale * blocks >= pixels[name] for name, scale in scales.items()
    ) or not all(reaches(form, int(size / scales[source]), axis, blocks, reach) for form, source, _ in links):
        size += unit
        check_limit(CompileError, "a map", size, MAX_BLOCK, f"pixels {'across' if axis else 'down'} in a block")
    return {name: int(size / scale) for name, scale in scales.items()}


def _division(
    regions: Sequence[Region], chosen: Sequence[tuple[_Sizes, _Sizes]], most_words: int
) -> Division | CompileError:
    """The division of all regions, or an error if a map is larger than any feature memory."""
    segments: list[Segment] = []
    gathered: dict[str, tuple[int, ...]] = {}
    for region, (down, across) in zip(regions, chosen, strict=True):
        together: dict[tuple[int, int], list[str]] = {}
        for name, (channels, _, _) in region.shapes.items():
            together.setdefault((down.parts[name], across.parts[name]), []).append(name)
            words = channels * down.sizes[name] * across.sizes[name]
            if words > most_words:
                return CompileError(
                    f"tensor {name!r} needs {words:,} feature words in each PE, and no array has more than {MAX_BLOCK:,}: "
                    "use smaller maps, or an array with more lanes or PEs",
                    need=words,
                )
            axes = tuple(axis for axis, sizes in zip(AXES, (down, across), strict=True) if name in sizes.gathered)
            if axes:
                gathered[name] = axes
        segments += [
            Segment(tuple(maps), down.counts[part], {name: (down.sizes[name], across.sizes[name]) for name in maps})
            for (part, _), maps in together.items()
        ]
    return Division(tuple(segments), gathered)


def find_regions(forms: Forms) -> list[Region]:
    """The regions of a network: maps that steps make from each other.

    A map that is made from a vector, or from the values of a map in another order, begins a region of its own.
    """
    network, one = forms.network, (Fraction(1), Fraction(1))
    shapes = {tensor.name: tensor.shape for tensor in network.tensors}
    regions: list[Region] = []
    if network.input.name not in forms.vectors:
        regions.append(Region({network.input.name: network.input.shape}, {network.input.name: one}, []))
    for step, form in zip(network.steps, forms.forms, strict=True):
        if step.output in forms.vectors:
            continue
        sources = [name for name in step.inputs if name not in forms.vectors]
        if form is None or not sources:
            regions.append(Region({step.output: shapes[step.output]}, {step.output: one}, []))
            continue
        first, *others = [region for region in regions if not region.shapes.keys().isdisjoint(sources)]
        scale = next(first.scales[name] for name in sources if name in first.scales)
        for other in others:
            theirs = next(other.scales[name] for name in sources if name in other.scales)
            for name, (down, across) in other.scales.items():
                first.scales[name] = scale[0] / theirs[0] * down, scale[1] / theirs[1] * across
            first.shapes.update(other.shapes)
            first.links.extend(other.links)
            regions.remove(other)
        if {first.scales[name] for name in sources} != {scale}:
            raise CompileError(f"step {step.output!r} reads maps that were scaled differently")
        down, across = (scale[axis] * form.stride[axis] / form.enlarge[axis] for axis in AXES)
        first.shapes[step.output] = shapes[step.output]
        first.scales[step.output] = down, across
        first.links.extend(Link(form, name, step.output) for name in dict.fromkeys(sources))
    return regions
