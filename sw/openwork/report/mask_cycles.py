"""What masks without a model cost on an array: cycles, utilization and bits per nonzero, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.report.compression import layer_sizes
from openwork.report.layers import layer_rows
from openwork.report.text import printable
from openwork.tensors import by


@dataclass(frozen=True)
class MaskCost:
    """One layer on an array. Figures that need a layout are None where the layer does not fit the array.

    Attributes:
        layer: its name.
        rows, columns: of its matrix; columns are taps x channels that a row reads.
        input_shape, output_shape: channels, height, width.
        nonzeros: weights that stay.
        density: nonzeros / weights.
        csr_bits, triplet_bits, packed_bits: bits per nonzero of one stream in each encoding, metadata counted; None
            without nonzeros.
        row_groups, streams: PEs that share a weight stream, and how many streams there are.
        cycles: predicted, of the layer alone: its map is in the array already.
        run_cycles: of a whole run: with loading and storing, and with waits for the memory that the image is fetched from.
        utilization: useful multiply-accumulates / what the array could do in `cycles`.
        macs: useful multiply-accumulates: nonzeros x output pixels.
        image_words: words of 32 bits of the image.
        reason: why the layer does not fit; empty if it does.
    """

    layer: str
    rows: int
    columns: int
    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    nonzeros: int
    density: float
    macs: int
    csr_bits: float | None
    triplet_bits: float | None
    packed_bits: float | None
    row_groups: int | None = None
    streams: int | None = None
    cycles: int | None = None
    run_cycles: int | None = None
    utilization: float | None = None
    image_words: int | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The cost as `--json` prints it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def mask_cost(layer: IntegerLayer, image: Image | None, run_cycles: int | None = None, reason: str = "") -> MaskCost:
    """What a layer costs.

    Args:
        layer: of the mask.
        image: of the network whose one step is this layer; None if the layer does not fit.
        run_cycles: of a whole run, where a memory beside the array decides; None takes the image's own.
        reason: why it does not fit.
    """
    sizes = layer_sizes(layer, layer.weights.size)
    known: dict[str, Any] = {"reason": reason}
    for name in ("csr", "triplet", "packed"):
        known[f"{name}_bits"] = 8 * getattr(sizes, name) / layer.nonzeros if layer.nonzeros else None
    if image is not None:
        row = layer_rows(image)[0]
        known |= {
            "row_groups": row.row_groups,
            "streams": row.streams,
            "cycles": image.compute_cycles,
            "run_cycles": image.predicted_cycles if run_cycles is None else run_cycles,
            "utilization": image.utilization,
            "image_words": len(image.words),
        }
    return MaskCost(
        layer.name,
        layer.rows,
        layer.weights.size // layer.rows,
        layer.input_shape,
        layer.output_shape,
        layer.nonzeros,
        layer.density,
        layer.macs,
        **known,
    )


def mask_totals(costs: Sequence[MaskCost], macs: int) -> dict[str, Any]:
    """The figures of all layers together; cycles and utilization are those of the layers that fit.

    Args:
        costs: of the layers.
        macs: multiply-accumulators of the array.
    """
    fitting = [one for one in costs if one.cycles is not None]
    cycles = sum(one.cycles or 0 for one in fitting)
    nonzeros = sum(one.nonzeros for one in costs)
    weights = sum(one.rows * one.columns for one in costs)
    totals: dict[str, Any] = {
        "layers": len(costs),
        "layers_that_fit": len(fitting),
        "nonzeros": nonzeros,
        "density": nonzeros / weights,
    }
    for name in ("csr_bits", "triplet_bits", "packed_bits"):
        all_bits = sum((getattr(one, name) or 0.0) * one.nonzeros for one in costs)
        totals[name] = all_bits / nonzeros if nonzeros else None
    return totals | {
        "cycles": cycles,
        "run_cycles": sum(one.run_cycles or 0 for one in fitting),
        "utilization": sum(one.macs for one in fitting) / (cycles * macs) if cycles else None,
    }


def mask_table(costs: Sequence[MaskCost], totals: dict[str, Any], title: str, caption: str) -> Table:
    """The table that `openwork cycles` prints, for a terminal of 80 characters."""
    table = Table(
        title=title, caption=caption, title_justify="left", caption_justify="left", box=SIMPLE_HEAD, padding=0,
        pad_edge=False, show_edge=False, show_footer=True,
    )  # fmt: skip
    ends = [
        "all",
        "",
        f"{totals['density']:.3f}",
        *_bits(totals),
        f"{totals['cycles']:,}",
        _share(totals["utilization"]),
    ]
    titles = ("layer", "map", "den-\nsity", "csr\nbits", "trip-\nlet", "pack-\ned", "cycles", "utili-\nzation")
    for number, (name, end) in enumerate(zip(titles, ends, strict=True)):
        words = number < 2
        justify: Literal["left", "right"] = "left" if words else "right"
        width = 8 if words else None
        table.add_column(name, Text(end), justify=justify, overflow="fold", no_wrap=not words, min_width=width)
    for one in costs:
        map_ = f"{by(one.input_shape)} to {by(one.output_shape)}"
        figures = [f"{one.density:.3f}", *_bits(one.as_json())]
        cells = [printable(one.layer), map_, *figures, *_cycles(one)]
        table.add_row(*map(Text, cells), style="dim" if one.reason else None)
    return table


def _cycles(cost: MaskCost) -> list[str]:
    return ["does not fit", ""] if cost.cycles is None else [f"{cost.cycles:,}", _share(cost.utilization)]


def _bits(figures: dict[str, Any]) -> list[str]:
    found = (figures[name] for name in ("csr_bits", "triplet_bits", "packed_bits"))
    return ["-" if bits is None else f"{bits:.2f}" for bits in found]


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"
