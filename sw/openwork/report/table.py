"""The steps of an image as a table: the same cells on the command line and in the page."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from openwork.image import Image
from openwork.network import by
from openwork.report.layers import LayerRow, layer_rows
from openwork.report.text import printable

HEAD = (
    "#",
    "step",
    "shape",
    "density",
    "row groups x streams",
    "hold / passes",
    "nonzeros",
    "bits per nonzero",
    "cycles",
    "share",
    "utilization",
    "memory",
)
"""Titles of the columns. Density counts the weights of the model; nonzeros count all stored ones. Memory is in words per PE."""

SHORT = {
    "density": "den-\nsity",
    "row groups x streams": "split",
    "hold / passes": "hold/\npasses",
    "bits per nonzero": "bits",
    "utilization": "utili-\nzation",
}
"""Of `HEAD`, for terminals."""

ONLY_IN_THE_PAGE = ("#", "share")
"""Numbers are for the drawings; without shares, the rest fits a terminal of 80 characters."""

LEFT = (1, 2)
"""Columns of words; the others hold numbers."""

NONE = "-"
"""In the place of a figure that a step does not have."""


def cells(row: LayerRow) -> tuple[str, ...]:
    """The texts of a row, in the order of `HEAD`."""
    shape = by(row.shape) if row.weights else f"{by(row.shape)}, {row.kind}"
    return (
        str(row.number),
        printable(row.step),
        shape,
        NONE if row.density is None else f"{row.density:.3f}",
        f"{row.row_groups} x {row.streams}" if row.streams else NONE,
        f"{max(row.holds)} / {len(row.holds)}" if row.holds else NONE,
        f"{row.nonzeros:,}" if row.weights else NONE,
        NONE if row.nonzero_bits is None else f"{row.nonzero_bits:.2f}",
        f"{row.cycles:,}",
        f"{row.share:.1%}",
        f"{row.utilization:.3f}" if row.weights else NONE,
        f"{row.memory_words:,}",
    )


def total_cells(image: Image, rows: Sequence[LayerRow]) -> tuple[str, ...]:
    """The texts of the last row: the network as a whole, and the most memory of any step."""
    nonzeros = sum(row.nonzeros for row in rows)
    own = sum(row.own_weights for row in rows)
    words = sum(row.stream_words for row in rows if row.nonzeros)
    return (
        "",
        "all steps",
        f"{by(image.network.input.shape)} to {image.network.output_text}",
        f"{sum(row.own_nonzeros for row in rows) / own:.3f}" if own else NONE,
        "",
        "",
        f"{nonzeros:,}",
        f"{32 * words / nonzeros:.2f}" if nonzeros else NONE,
        f"{image.compute_cycles:,}",
        f"{sum(row.share for row in rows):.1%}",
        f"{image.utilization:.3f}",
        f"{max(row.memory_words for row in rows):,}",
    )


def layer_table(image: Image) -> Table:
    """The table that `openwork compile` prints; names and shapes are folded where the terminal is narrow, numbers never."""
    rows = layer_rows(image)
    table = Table(
        title=f"{image.config}, {image.encoding.name.lower()}; split: row groups x streams; memory: feature words of "
        f"{image.config.lanes} bytes per PE",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
        show_footer=True,
    )
    shown = [index for index, name in enumerate(HEAD) if name not in ONLY_IN_THE_PAGE]
    total = total_cells(image, rows)
    for index in shown:
        words = index in LEFT
        table.add_column(
            SHORT.get(HEAD[index], HEAD[index]),
            _close(total, index),
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=not words,
            min_width=8 if words else None,
        )
    for row in rows:
        found = cells(row)
        table.add_row(*(_close(found, index) for index in shown))
    return table


def _close(texts: Sequence[str], index: int) -> Text:
    """A cell for the terminal; only the name of a step is left as it is."""
    text = texts[index]
    return Text(text if HEAD[index] == "step" else text.replace(" x ", "x").replace(" / ", "/"))
