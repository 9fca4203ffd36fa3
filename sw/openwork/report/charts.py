"""The drawings of the report, as SVG that goes into an HTML page and takes its colors from there."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from openwork.report.layers import LayerRow
from openwork.report.memory import MemorySpan, alive, needed
from openwork.report.points import Point, pareto
from openwork.report.text import printable, shortened

POINTS = 72
WIDTH = 1120
"""Of every drawing, in points: a pixel of the page at its full width."""
ROW = 17
"""Height of a bar with the space around it, in points."""
NAME_CHARACTERS = 32
SHAPES = "Dosv^<>P"
"""Of the points of each method."""

# Stand-ins for the colors of the page: none of them is drawn.
INK, FAINT, PAPER, BAR, MARK = "#010101", "#020202", "#030303", "#040404", "#050505"
LAYERS = tuple(f"#06060{index}" for index in range(1, 6))
VARIABLES = {INK: "--ink", FAINT: "--faint", PAPER: "--paper", BAR: "--bar", MARK: "--mark"} | {
    color: f"--layer{index}" for index, color in enumerate(LAYERS)
}

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "openwork",
    "font.size": 10.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
}


def layers_chart(rows: Sequence[LayerRow]) -> str:
    """One line per step: cycles and their bound, utilization, density, bits per nonzero and their bound."""
    with _style():
        height = ROW * len(rows) + 70
        figure = _figure(height)
        lines = range(len(rows))
        left, gap, right = 232, 26, 14
        widths = [330, 156, 156, WIDTH - left - right - 3 * gap - 642]
        panels: list[Axes] = []
        for width in widths:
            panels.append(figure.add_axes((left / WIDTH, 24 / height, width / WIDTH, ROW * len(rows) / height)))
            left += width + gap
        cycles, utilization, density, bits = panels

        cycles.barh(lines, [row.cycles for row in rows], height=0.66, color=BAR)
        _marks(cycles, [row.bound_cycles if row.macs else None for row in rows])
        cycles.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
        cycles.set_xlim(0, 1.04 * max(row.cycles for row in rows))
        utilization.barh(lines, [row.utilization for row in rows], height=0.66, color=BAR)
        density.barh(lines, [row.density or 0 for row in rows], height=0.66, color=BAR)
        for panel in (utilization, density):
            panel.set_xlim(0, 1.04)
            panel.set_xticks([0, 0.5, 1], labels=["0", "0.5", "1"])
        bits.barh(lines, [row.nonzero_bits or 0 for row in rows], height=0.66, color=BAR)
        _marks(bits, [row.bound_bits for row in rows])
        # A layer of a few nonzeros can need many times the bits of the others; its number is in the table.
        shown = sorted(row.nonzero_bits for row in rows if row.nonzero_bits is not None)
        most = min(shown[-1], 3 * shown[len(shown) // 2]) if shown else 1
        bits.set_xlim(0, 1.04 * most)
        for line, row in enumerate(rows):
            if row.nonzero_bits is not None and row.nonzero_bits > 1.04 * most:
                bits.text(
                    most, line, f"{row.nonzero_bits:.0f} >", color=PAPER, ha="right", va="center_baseline", size=9
                )

        titles = ("cycles", "utilization", "density", "bits per nonzero")
        for panel, title in zip(panels, titles, strict=True):
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_title(title, loc="left", fontweight="bold", fontsize=11.5, pad=22)
            panel.set_yticks([])
            panel.xaxis.grid(True, linewidth=0.5, alpha=0.5)
            panel.tick_params(axis="x", top=True, labeltop=True, length=3)
            panel.set_axisbelow(True)
            panel.spines[:].set_visible(False)
            panel.axvline(0, color=FAINT, linewidth=1)
        beside = cycles.get_yaxis_transform()
        for line, row in enumerate(rows):
            place: dict[str, Any] = {"transform": beside, "ha": "right", "va": "center_baseline"}
            cycles.text(-0.015, line, str(row.number), color=FAINT, **place)
            cycles.text(-0.085, line, shortened(row.step, NAME_CHARACTERS), parse_math=False, **place)
        return _svg(
            figure,
            "layers",
            "Cycles, utilization, density and bits per nonzero of every step; all numbers are in the table.",
        )


def memory_chart(spans: Sequence[MemorySpan], steps: int, limit: int) -> str:
    """Every tensor at its addresses, over the steps that it lives; the limit; and the words that are in use."""
    with _style():
        height = 380
        figure = _figure(height)
        axes = figure.add_axes((78 / WIDTH, 44 / height, (WIDTH - 92) / WIDTH, (height - 58) / height))
        top = needed(spans)
        ceiling = limit if limit <= 2 * top else 1.25 * top
        for span in spans:
            width = span.last - span.first + 1
            axes.add_patch(
                Rectangle(
                    (span.first - 0.5, span.base),
                    width,
                    span.words,
                    facecolor=LAYERS[span.maker % len(LAYERS)],
                    edgecolor=FAINT if span.copy else PAPER,
                    linewidth=0.8,
                    hatch="//" if span.copy else None,
                )
            )
            text = str(span.maker) if span.maker else "in"
            if 10 * span.words > 0.4 * ceiling and width * (WIDTH - 92) / (steps + 2) > 7 * len(text):
                axes.text(
                    (span.first + span.last) // 2, span.base + span.words / 2, text, ha="center", va="center", size=9
                )
        times = range(steps + 2)
        axes.stairs(
            [alive(spans, now) for now in times],
            [now - 0.5 for now in range(steps + 3)],
            color=INK,
            linewidth=1.1,
            linestyle=(0, (4, 2)),
            baseline=None,
        )
        if limit <= ceiling:
            axes.axhline(limit, color=MARK, linewidth=2)
        axes.text(
            steps + 1.5,
            limit + 0.012 * ceiling if limit <= ceiling else 1.06 * ceiling,
            f"limit {limit:,} words"
            if limit <= ceiling
            else f"limit {limit:,} words, {limit / top:.1f} x what is needed, above this chart",
            color=MARK,
            ha="right",
            va="bottom" if limit <= ceiling else "top",
            fontweight="bold",
        )
        axes.set_xlim(-0.5, steps + 1.5)
        axes.set_ylim(0, 1.09 * ceiling)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=24, integer=True, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(
            lambda now, _: "load" if now == 0 else "store" if now == steps + 1 else f"{now:.0f}"
        )
        axes.yaxis.set_major_formatter(lambda words, _: f"{words:,.0f}")
        axes.set_xlabel("step")
        axes.set_ylabel("feature words of a PE")
        axes.spines[["top", "right"]].set_visible(False)
        return _svg(figure, "memory", "Which tensors a PE's feature memory holds during each step, at their addresses.")


def accuracy_chart(accuracy: Mapping[str, float]) -> str:
    """A bar for each figure, 0 to 1."""
    with _style():
        height = 26 * len(accuracy) + 34
        figure = _figure(height)
        left = 232
        axes = figure.add_axes((left / WIDTH, 26 / height, (WIDTH - left - 90) / WIDTH, (height - 34) / height))
        values = list(accuracy.values())
        axes.barh(range(len(values)), values, height=0.66, color=BAR)
        for line, (name, value) in enumerate(accuracy.items()):
            axes.text(value + 0.008, line, f"{value:.2%}", va="center_baseline", fontweight="bold")
            axes.text(
                -0.006, line, shortened(name, NAME_CHARACTERS), ha="right", va="center_baseline", parse_math=False
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_yticks([])
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.xaxis.grid(True, linewidth=0.5, alpha=0.5)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        axes.axvline(0, color=FAINT, linewidth=1)
        text = ", ".join(f"{printable(name)} {value:.2%}" for name, value in accuracy.items())
        return _svg(figure, "accuracy", f"Accuracy: {text}.")


def exploration_chart(points: Sequence[Point], accuracy_is: str, clock_mhz: float | None) -> str:
    """Accuracy against density, size and cycles; those of the Pareto front stand out and are joined."""
    figures = (
        ("density of the weights", [point.density for point in points]),
        ("image (kB)", [point.image_bytes / 1e3 for point in points]),
        ("cycles", [float(point.cycles) for point in points])
        if clock_mhz is None
        else (f"time at {clock_mhz:g} MHz (ms)", [point.cycles / clock_mhz / 1e3 for point in points]),
    )
    methods = list(dict.fromkeys(point.method for point in points))
    with _style():
        height = 420
        figure = _figure(height)
        left, gap, width = 62, 40, (WIDTH - 62 - 10 - 80) / 3
        for number, (title, costs) in enumerate(figures):
            place = (left + number * (width + gap)) / WIDTH, 48 / height, width / WIDTH, (height - 110) / height
            axes = figure.add_axes(place)
            front = pareto(costs, [point.accuracy for point in points])
            axes.plot([costs[one] for one in front], [points[one].accuracy for one in front], color=MARK, linewidth=1.5)
            for shape, method in zip(SHAPES, methods, strict=False):
                for best in (False, True):
                    mine = [
                        one for one in range(len(points)) if points[one].method == method and (one in front) == best
                    ]
                    axes.scatter(
                        [costs[one] for one in mine],
                        [points[one].accuracy for one in mine],
                        marker=shape,
                        color=MARK if best else BAR,
                        s=42,
                        zorder=3,
                    )
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(EngFormatter(sep="") if number == 2 else "{x:g}")
            axes.xaxis.set_minor_formatter("")
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set_xlabel(title)
            axes.grid(True, which="both", linewidth=0.4, alpha=0.4)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        for number, (shape, method) in enumerate(zip(SHAPES, methods, strict=False)):
            key = figure.add_axes(((left + 150 * number) / WIDTH, 1 - 44 / height, 140 / WIDTH, 24 / height))
            key.scatter([0.05], [0.5], marker=shape, color=BAR, s=42)
            key.text(0.14, 0.5, method, va="center_baseline")
            key.set_xlim(0, 1)
            key.set_ylim(0, 1)
            key.axis("off")
        return _svg(
            figure, "exploration", f"{accuracy_is} against density, size and cycles; all numbers are in the table."
        )


@contextmanager
def _style() -> Iterator[None]:
    """Ours alone, whatever the user has set; that is set again afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH / POINTS, height / POINTS), facecolor="none")


def _marks(axes: Axes, bounds: Sequence[float | None]) -> None:
    """A mark across each line at its bound."""
    found = [(line, bound) for line, bound in enumerate(bounds) if bound is not None]
    lines = [line for line, _ in found]
    axes.vlines(
        [bound for _, bound in found],
        [line - 0.45 for line in lines],
        [line + 0.45 for line in lines],
        color=MARK,
        linewidth=2.2,
    )


def _svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an element of a page: no prolog, names of its own, colors by variables, and `label` for who cannot see it."""
    for axes in figure.axes:
        axes.set_facecolor("none")
    content = StringIO()
    with warnings.catch_warnings():
        # The page's font draws the text, not the one that matplotlib measures with.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = content.getvalue()
    body = text[text.index(">", text.index("<svg ")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    # Texts hold no "<" or ">", so this is all tags and nothing else.
    body = re.sub(r"<[^>]*>", lambda tag: _tag(tag.group(), name), body)
    height = round(figure.get_figheight() * POINTS)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{body}'


def _tag(tag: str, name: str) -> str:
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    for color, variable in VARIABLES.items():
        tag = tag.replace(color, f"var({variable})")
    return tag
