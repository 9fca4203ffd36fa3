"""The results of a sweep: a table as CSV, and a page with what no other point beats."""

import csv
from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from openwork.files import write_whole
from openwork.report.charts import SHAPES, exploration_chart
from openwork.report.page import PAGE
from openwork.report.points import Point, pareto
from openwork.report.style import STYLE
from openwork.report.text import printable

COLUMNS = (
    *("model", "method", "asked", "density", "accuracy", "accuracy_is", "inputs"),
    *("array", "board", "pes", "lanes", "macs", "encoding", "fits"),
    *("cycles", "run_cycles", "utilization", "image_bytes", "clock_mhz", "inputs_per_second", "bound"),
    *("best_in_cycles", "best_in_speed", "reason"),
)
"""Of the table, in its order."""

CSV, PAGE_FILE = "results.csv", "results.html"
"""Files in the folder of a sweep."""

SHOWN = (
    "method",
    "density",
    "accuracy",
    "array",
    "encoding",
    "image (kB)",
    "cycles",
    "utilization",
    "inputs/s",
    "best",
)
"""Titles of the tables of the page and of the terminal."""

Values = Mapping[str, Any]


def marked(points: Sequence[Values]) -> list[dict[str, Any]]:
    """The points with two more figures: whether no other point of the same model beats them in cycles, or in inputs per second."""
    found = [dict(one, best_in_cycles=False, best_in_speed=False) for one in points]
    for model in dict.fromkeys(one["model"] for one in found):
        for cost, best in (("cycles", "best_in_cycles"), ("inputs_per_second", "best_in_speed")):
            mine = [one for one in found if one["model"] == model and one["fits"] and one.get(cost)]
            sign = -1 if cost == "inputs_per_second" else 1
            for number in pareto([sign * one[cost] for one in mine], [one["accuracy"] for one in mine]):
                mine[number][best] = True
    return found


def write_results(folder: Path, points: Sequence[Values]) -> list[dict[str, Any]]:
    """Write `CSV` and `PAGE_FILE`, each as a whole or not at all. Returns the marked points.

    Args:
        folder: of the sweep.
        points: figures of `openwork.sweep.points.make_point`; at least one.
    """
    found = marked(points)
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in one.items()} for one in found)
    write_whole(folder / CSV, text.getvalue().encode())
    sections = "\n".join(_section(model, found) for model in dict.fromkeys(one["model"] for one in found))
    content = f"""<header><h1>Sweep of {len(found):,} points</h1>
<p>Every model was pruned, quantized to int8 and compiled. Cycles are predicted. A star marks points that no other point of the
same model beats: in cycles, or, in brackets, in inputs per second.</p></header>
{sections}"""
    write_whole(folder / PAGE_FILE, PAGE.format(title="Sweep", style=STYLE, content=content).encode())
    return found


def points_table(points: Sequence[Values], model: str) -> Table:
    """The points of a model that fit, best first: those that no other beats, then the others by cycles."""
    table = Table(title=printable(model), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for title in SHOWN:
        table.add_column(title, justify="left" if title in ("method", "array", "encoding") else "right")
    mine = [one for one in points if one["model"] == model and one["fits"]]
    for one in sorted(mine, key=lambda one: (not (one["best_in_cycles"] or one["best_in_speed"]), one["cycles"])):
        table.add_row(*_cells(one))
    return table


def _section(model: str, points: Sequence[dict[str, Any]]) -> str:
    mine = [one for one in points if one["model"] == model]
    fitting = [one for one in mine if one["fits"]]
    what = next((one["accuracy_is"] for one in fitting), "accuracy")
    chart = ""
    if fitting:
        series = _series(fitting)
        drawn = [
            Point(label, one["density"], one["accuracy"], one["image_bytes"], one["cycles"])
            for label, one in zip(series, fitting, strict=True)
        ]
        chart = f"""<figure><figcaption><span class="mark"></span> no other point costs as little and is as good. Measured on
{fitting[0]["inputs"]:,} inputs.</figcaption><div class="wide" tabindex="0" role="region" aria-label="Drawing">
{exploration_chart(drawn, what, None)}</div></figure>"""
    head = "".join(f'<th scope="col"{_class(title)}>{title}</th>' for title in SHOWN)
    lines = "\n".join(f"<tr>{_row(one)}</tr>" for one in fitting)
    refused = "\n".join(
        f"<li>{escape(_name(one))}: {escape(printable(one['reason']))}</li>" for one in mine if not one["fits"]
    )
    reasons = f"<h3>Points that do not fit</h3><ul>{refused}</ul>" if refused else ""
    return f"""<section><h2>{escape(printable(model))}: {escape(what)}</h2>{chart}
<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>
{lines}
</tbody></table></div>{reasons}</section>"""


def _row(point: Values) -> str:
    pairs = zip(SHOWN, _cells(point), strict=True)
    return "".join(f"<td{_class(title)}>{escape(text)}</td>" for title, text in pairs)


def _series(points: Sequence[Values]) -> list[str]:
    """What each point's shape in the drawing stands for: what differs, but no more series than there are shapes."""
    differ = [name for name in ("method", "array", "encoding") if len({one[name] for one in points}) > 1] or ["method"]
    while True:
        labels = [", ".join(str(one[name]) for name in differ) for one in points]
        if len(set(labels)) <= len(SHAPES):
            return labels
        if len(differ) == 1:
            most = sorted(set(labels), key=labels.count, reverse=True)[: len(SHAPES) - 1]
            return [label if label in most else "others" for label in labels]
        differ.pop()


def _cells(point: Values) -> list[str]:
    fast = point.get("inputs_per_second")
    stars = ("\N{BLACK STAR}" if point["best_in_cycles"] else "") + (
        "(\N{BLACK STAR})" if point["best_in_speed"] else ""
    )
    return [
        str(point["method"]),
        f"{point['density']:.3f}",
        f"{point['accuracy']:.2%}",
        printable(point["array"]),
        str(point["encoding"]),
        f"{point['image_bytes'] / 1e3:,.1f}",
        f"{point['cycles']:,}",
        f"{point['utilization']:.3f}",
        "" if fast is None else f"{fast:,.0f}",
        stars,
    ]


def _name(point: Values) -> str:
    return f"{point['method']} {point['asked']:g}, {printable(point['array'])}, {point['encoding']}"


def _class(title: str) -> str:
    return ' class="words"' if title in ("method", "array") else ""
