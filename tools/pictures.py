"""Draw what documents show of the record."""

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from openwork.records import read_record

DENSITY = re.compile(r"int8 at ([\d.]+) %")
COLUMNS = 3
LINES = {"magnitude": "C7^-", "obc": "C0o-", "obc, a density for each layer": "C1D-"}
"""Color, shape and line of each method."""


def sparsity_curves(record: Path) -> str:
    """Accuracy against density, a panel for each network and a line for each method; SVG, the same for the same record."""
    networks: dict[str, dict[str, list[tuple[float, float]]]] = {}
    dense: dict[str, float] = {}
    for run in read_record(record):
        network, _, method = run.setting.partition(": ")
        for one in run.figures:
            assert isinstance(one.value, int | float)
            if one.name == "dense float":
                dense[network] = one.value
            elif match := DENSITY.fullmatch(one.name):
                points = networks.setdefault(network, {}).setdefault(method, [])
                points.append((float(match[1]), one.value))
    rows = -(-len(networks) // COLUMNS)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "openwork", "font.size": 9}):
        figure = Figure(figsize=(10, 2.9 * rows), layout="constrained")
        panels = figure.subplots(rows, COLUMNS, squeeze=False).flat
        for panel, (network, methods) in zip(panels, sorted(networks.items()), strict=False):
            panel.set_title(network, fontsize=9)
            panel.axhline(dense[network], linestyle="--", linewidth=1, color="gray", label="dense, float")
            for method, points in methods.items():
                panel.plot(*zip(*sorted(points), strict=True), LINES[method], markersize=4, label=method)
            panel.set(xlim=(75, 5), ylim=(0, 100), xlabel="density (%)", ylabel="accuracy in int8 (%)")
            panel.grid(alpha=0.3)
        for panel in panels:  # those that are left over
            panel.remove()
        legend = {
            label: line for panel in figure.axes for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=len(legend))
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


PICTURES: dict[str, tuple[Callable[[Path], str], str]] = {
    "docs/sparsity_curves.svg": (sparsity_curves, "docs/results/sparsity_curves.json"),
}
"""Each picture, what draws it, and the record that it shows."""
