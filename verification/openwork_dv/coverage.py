"""Which situations a run has met: bins by name, counted, kept as JSON and merged over runs."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from openwork.golden import partial_sums
from openwork_dv.stimulus import Case
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import Operation, RunCommand
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind

LAYER_BINS = (
    *(f"kernel side {size}" for size in range(1, 8)),
    "kernel not square",
    *(f"stride {stride}" for stride in (1, 2, 3)),
    *(f"dilation {dilation}" for dilation in (1, 2)),
    *("unequal strides", "unequal dilations"),
    *("one group", "several groups", "depthwise"),
    *("odd width", "even width", "map of one pixel", "no padding", "padding on one side only", "padding all around"),
    *(
        "empty row",
        "dense row",
        "all-zero matrix",
        "only largest and smallest weights",
        "only largest and smallest inputs",
    ),
    *("saturates below", "saturates above", "cut by low", "cut by high", "shift 0"),
    *(f"encoding {encoding.name.lower()}" for encoding in Encoding),
    *("one row group", "some row groups", "all PEs in one stream", "stream without rows", "fillers in long gaps"),
    *("copies between streams", "streams that share nothing"),
    *("one pass", "several passes for a long row", "several passes for the tap table"),
    *("row shorter than the lanes", "row longer than the lanes", "more rows than wait in a row buffer"),
    *("two memory ports", "one memory port"),
)
"""What random networks of one layer have to meet."""

STALL_BINS = ("stalls never", "stalls sometimes", "stalls nearly always", "streams wait for the command before")
"""How their streams have to be driven."""

ERROR_BINS = (*(f"error {kind.name.lower()}" for kind in StreamErrorKind if kind), "corrupted and legal")
"""What corrupted streams have to end in."""

NETWORK_BINS = (
    *("SUM", "MAX", "POOL", "layer", "depthwise layer", "largest value", "enlarged map", "reshaped"),
    "channels that became pixels",
    *(
        "activation table",
        "activation table that stays",
        "another activation table",
        "outputs past the activation table",
    ),
    *("MOVE of one lane", "MOVE of several lanes", "MOVE from the first lane", "MOVE from a lane after the first"),
    *("vector", "vector out of a map", "map out of a vector", "vector for all PEs", "vectors in several streams"),
    *(
        "step reads two tensors",
        "step reads a tensor twice",
        "rows join a tensor at one tap",
        "tensor read by two steps",
    ),
    *("copies between streams", "streams that share nothing", "one stream"),
    *("fill of pixels right of the map", "fill of pixels below the map", "fill of whole lanes", "fill of whole PEs"),
    *("fill other than 0", "pad other than 0", "operand outside the map"),
    *(f"tap to the {place}" for place in ("lane before", "lane after", "PE before", "PE after", "lane and PE beside")),
    *("shifted copies", "gathered map", "map of fewer pixels than blocks"),
    *("one pixel a pass", "several pixels a pass", "several passes for a map", "rows in several blocks"),
    *("row longer than the row buffer", "row without weights", "two inputs one after the other"),
    *(f"network in {encoding.name.lower()}" for encoding in Encoding),
)
"""What random networks have to meet, and those of the quick run, too."""


class Coverage:
    """Counts of bins."""

    def __init__(self, counts: Iterable[str] = ()) -> None:
        self.counts = Counter(counts)

    def add(self, bins: Iterable[str]) -> None:
        """Count each of these once."""
        self.counts.update(bins)

    def merge(self, other: "Coverage") -> None:
        """Count what another run met."""
        self.counts.update(other.counts)

    def missing(self, bins: Iterable[str]) -> list[str]:
        """Those of `bins` that were never met."""
        return [name for name in bins if not self.counts[name]]

    def save(self, path: Path) -> None:
        """Write the counts as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(sorted(self.counts.items())), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Coverage":
        """Read what `save` wrote."""
        coverage = cls()
        coverage.counts.update(json.loads(path.read_text()))
        return coverage


def stall_bins(stall: float, ahead: bool) -> Iterator[str]:
    """How streams are driven."""
    yield "stalls never" if stall == 0 else "stalls sometimes" if stall < 0.9 else "stalls nearly always"
    if ahead:
        yield "streams wait for the command before"


def layer_bins(case: Case) -> Iterator[str]:
    """What a layer meets, on its array and with its input."""
    yield from _shape_bins(case)
    yield from _value_bins(case)
    yield from _image_bins(case)


def _shape_bins(case: Case) -> Iterator[str]:
    layer = case.layer
    for side in set(layer.kernel):
        yield f"kernel side {side}"
    if layer.kernel[0] != layer.kernel[1]:
        yield "kernel not square"
    for name, numbers in (("stride", layer.stride), ("dilation", layer.dilation)):
        yield from (f"{name} {number}" for number in set(numbers))
        if numbers[0] != numbers[1]:
            yield f"unequal {name}s"
    yield "one group" if layer.groups == 1 else "depthwise" if layer.groups == layer.channels else "several groups"
    yield "odd width" if layer.input_shape[2] % 2 else "even width"
    if layer.output_pixels == 1:
        yield "map of one pixel"
    top, left, bottom, right = layer.padding
    if not any(layer.padding):
        yield "no padding"
    if bool(top) != bool(bottom) or bool(left) != bool(right):
        yield "padding on one side only"
    if all(layer.padding):
        yield "padding all around"


def _value_bins(case: Case) -> Iterator[str]:
    layer = case.layer
    lengths = np.count_nonzero(layer.weights.reshape(layer.rows, -1), axis=1)
    row_weights = layer.weights[0].size
    if layer.nonzeros == 0:
        yield "all-zero matrix"
    elif not lengths.all():
        yield "empty row"
    if row_weights > 1 and (lengths == row_weights).any():
        yield "dense row"
    if layer.nonzeros > 1 and set(layer.weights[layer.weights != 0].tolist()) == {-128, 127}:
        yield "only largest and smallest weights"
    if set(case.inputs.ravel().tolist()) == {-128, 127}:
        yield "only largest and smallest inputs"
    if not layer.shift.all():
        yield "shift 0"
    sums = partial_sums(layer, case.inputs)
    shift = layer.shift[:, None, None]
    values = ((sums + layer.bias[:, None, None] + ((1 << shift) >> 1)) >> shift) + layer.output_zero_point
    low, high = layer.activation.limits
    if (values < low).any():
        yield "saturates below" if low == -128 else "cut by low"
    if (values > high).any():
        yield "saturates above" if high == 127 else "cut by high"


def _image_bins(case: Case) -> Iterator[str]:
    image, config = case.image, case.image.config
    yield f"encoding {image.encoding.name.lower()}"
    yield "one memory port" if config.single_port else "two memory ports"
    passes: list[tuple[list[int], int]] = []  # rows that a RUN writes, and nonzeros of the longest one
    for instruction in image.instructions:
        run = instruction.command
        if not isinstance(run, RunCommand):
            continue
        yield (
            "one row group"
            if run.row_groups == 1
            else "some row groups"
            if run.row_groups < config.pes
            else "all PEs in one stream"
        )
        if run.row_groups < config.pes:
            yield "copies between streams" if run.row_groups in config.copied_groups else "streams that share nothing"
        written = [record.row for feeder in instruction.feeders for record in feeder.records if record.write]
        longest = 0
        for feeder in instruction.feeders:
            if not any(record.write for record in feeder.records):
                yield "stream without rows"
            if len(feeder.records) > 17:
                yield "more rows than wait in a row buffer"
            numbers = [record.row for record in feeder.records]
            rows = encodings.decode(image.encoding, feeder.words, run.layout, numbers)
            # What a row without weights holds is its only nonzero; a pooled row is padded so that sums have the time.
            owners = np.repeat(rows.lengths, rows.lengths)
            if run.operation is not Operation.POOL and ((rows.values == 0) & (owners > 1)).any():
                yield "fillers in long gaps"
            if rows.lengths.min() < config.lanes:
                yield "row shorter than the lanes"
            if rows.lengths.max() > config.lanes:
                yield "row longer than the lanes"
            longest = max(longest, int(rows.lengths.max()))
        passes.append((written, longest))
    if len(passes) == 1:
        yield "one pass"
    for before, after in pairwise(passes):
        if before == after:
            long = after[1] > config.row_buffer_nonzeros
            yield "several passes for a long row" if long else "several passes for the tap table"
