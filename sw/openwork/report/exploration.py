"""One page about what sparsity costs a network: accuracy against density, size and cycles."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from openwork.files import write_whole
from openwork.report.charts import exploration_chart
from openwork.report.page import PAGE
from openwork.report.points import Point, pareto
from openwork.report.style import STYLE
from openwork.report.text import printable

CAPTION = """<span class="mark"></span> no other point costs as little and is as good. Accuracy is that of the int8
network on {} inputs; one in three such samples is off by {:.1%} or more. Cycles are predicted; simulated Verilog takes
exactly as many while nothing outside stalls it."""


def exploration_table(points: Sequence[Point], accuracy_is: str, clock_mhz: float | None = None) -> Table:
    """A line for each point; a star marks those that no other beats in cycles."""
    table = Table(box=SIMPLE_HEAD)
    for column, title in enumerate(_head(accuracy_is, clock_mhz)):
        table.add_column(title, justify="right" if column else "left")
    for line in _lines(points, clock_mhz):
        table.add_row(*line)
    return table


def write_exploration(
    path: Path,
    points: Sequence[Point],
    *,
    name: str,
    array: str,
    accuracy_is: str,
    inputs: int,
    clock_mhz: float | None = None,
) -> None:
    """Write the page, as a whole or not at all.

    Args:
        path: of the page.
        points: at least one.
        name: of the model; the heading.
        array: that the cycles are of.
        accuracy_is: what `Point.accuracy` is a share of, for headings.
        inputs: that it was measured on.
        clock_mhz: says how long the cycles take.
    """
    title = escape(printable(name))
    typical = sorted(point.accuracy for point in points)[len(points) // 2]
    caption = CAPTION.format(f"{inputs:,}", (typical * (1 - typical) / inputs) ** 0.5)
    head = "".join(
        f'<th scope="col"{_class(column)}>{escape(text)}</th>'
        for column, text in enumerate(_head(accuracy_is, clock_mhz))
    )
    lines = "\n".join(
        "<tr>" + "".join(f"<td{_class(column)}>{escape(text)}</td>" for column, text in enumerate(line)) + "</tr>"
        for line in _lines(points, clock_mhz)
    )
    content = f"""<header><h1>{title}</h1>
<p>Pruned, quantized to int8 and compiled for an array of {escape(array)}.</p></header>
<section><h2>What sparsity costs</h2><figure><figcaption>{caption}</figcaption><div class="wide" tabindex="0" role="region"
aria-label="Drawing">{exploration_chart(points, accuracy_is, clock_mhz)}</div></figure></section>
<section><h2>All points</h2><table><thead><tr>{head}</tr></thead>
<tbody>
{lines}
</tbody></table></section>"""
    write_whole(path, PAGE.format(title=title, style=STYLE, content=content).encode())


def _head(accuracy_is: str, clock_mhz: float | None) -> list[str]:
    time = [] if clock_mhz is None else [f"ms at {clock_mhz:g} MHz"]
    return ["method", "density", accuracy_is, "image (kB)", "cycles", *time, "best in cycles"]


def _lines(points: Sequence[Point], clock_mhz: float | None) -> list[list[str]]:
    front = pareto([point.cycles for point in points], [point.accuracy for point in points])
    return [
        [
            point.method,
            f"{point.density:.3f}",
            f"{point.accuracy:.2%}",
            f"{point.image_bytes / 1e3:,.1f}",
            f"{point.cycles:,}",
            *([] if clock_mhz is None else [f"{point.cycles / clock_mhz / 1e3:,.3f}"]),
            "\N{BLACK STAR}" if number in front else "",
        ]
        for number, point in enumerate(points)
    ]


def _class(column: int) -> str:
    return "" if column else ' class="words"'
