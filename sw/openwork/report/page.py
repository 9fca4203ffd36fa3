"""The report: one page about a compiled image that needs nothing but a browser."""

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from openwork.files import write_whole
from openwork.image import Image
from openwork.network import by
from openwork.report.layers import LayerRow, layer_rows
from openwork.report.memory import MemorySpan, memory_spans, needed
from openwork.report.style import STYLE
from openwork.report.table import HEAD, LEFT, cells, total_cells
from openwork.report.text import printable
from openwork_hw.arch.config import PRESETS, ArrayConfig, Technology
from openwork_hw.arch.refusal import Refusal

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: Openwork report</title>
<style>{style}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""
"""Even if something got through that should not: it may load nothing and run nothing."""

ACCURACY = """As measured by whoever made this report. The image computes exactly what the int8 network does: nothing
is lost after it."""

STEPS = """<span class="bar"></span> what this array takes. <span class="mark"></span> the bound. Of cycles it is
useful MACs / MACs of the array, so what lies between bar and mark is lost; of bits, 8 for a random value and the
entropy of its position in the step's matrix. Density is that of the model's own weights: its sums and averages are
nonzeros, too, but none of these. A step without nonzeros is all overhead. An average keeps its equal weights once, so
it can be below the bound of bits."""

MEMORY = """Each box is a tensor at its addresses, as long as it is needed, with the number of the step that writes
it; a hatched one is a map rearranged as a vector, for one step. The dashed line is the sum of the boxes of each step.
A word has {} bytes, one for each lane."""

TABLE = """Density of the model's own weights; nonzeros with those of its sums and averages; bits with padding and
headers; memory in feature words of a PE."""


class ReportError(Refusal):
    """Figures that no page can show; the message holds the figure and the rule."""


def write_report(
    path: Path,
    image: Image,
    *,
    name: str = "Compiled network",
    clock_mhz: float | None = None,
    accuracy: Mapping[str, float] | None = None,
) -> None:
    """Write the page about an image, as a whole or not at all; equal arguments give equal bytes.

    Args:
        path: of the page.
        image: what it is about.
        name: of the model; the heading.
        clock_mhz: says how long the cycles take.
        accuracy: figures from 0 to 1 under their names, in the order in which they are drawn: before and after.

    Raises:
        ReportError: a clock or an accuracy that cannot be.
        FileError: the page cannot be written; what was there before still is.
    """
    if clock_mhz is not None and not 0 < clock_mhz < float("inf"):
        raise ReportError(f"the clock must be a number of MHz above 0, not {clock_mhz}")
    for what, value in (accuracy or {}).items():
        if not 0 <= value <= 1:
            raise ReportError(f"accuracy {what!r} must be from 0 to 1, not {value}")
    write_whole(path, report_page(image, name, clock_mhz, accuracy or {}).encode())


def report_page(image: Image, name: str, clock_mhz: float | None, accuracy: Mapping[str, float]) -> str:
    """The page; see `write_report`."""
    # matplotlib is needed for this alone, and loads slowly.
    from openwork.report.charts import accuracy_chart, layers_chart, memory_chart

    rows, spans = layer_rows(image), memory_spans(image)
    config, steps = image.config, len(rows)
    title = escape(printable(name))
    note = larger_than_boards(config)
    parts = [
        f"<header><h1>{title}</h1>",
        f"<p>Compiled for an array of {config.pes} PEs x {config.lanes} lanes = {config.macs} MACs, "
        f"{image.encoding.name.lower()} weight streams; input {by(image.network.input.shape)}, "
        f"output {image.network.output_text}, {steps} steps. Cycles are predicted; simulated Verilog takes exactly as many "
        "while nothing outside stalls it.</p>",
        f'<p class="note"><strong>Larger than any board preset.</strong> {escape(note)}</p>' if note else "",
        _figures(image, rows, spans, clock_mhz),
        "</header>",
    ]
    if accuracy:
        parts += _section("Accuracy", accuracy_chart(accuracy), ACCURACY)
    parts += _section("Steps", layers_chart(rows), STEPS)
    parts += _section("Memory over time", memory_chart(spans, steps, config.feature_words), MEMORY.format(config.lanes))
    parts += _section("All steps", _table(image, rows), TABLE)
    return PAGE.format(title=title, style=STYLE, content="\n".join(part for part in parts if part))


def larger_than_boards(config: ArrayConfig) -> str | None:
    """Why no preset of a part has room for an array; None where one has."""
    boards = {name: preset for name, preset in PRESETS.items() if preset.technology is not Technology.GENERIC}
    if any(config.macs <= board.macs and _bytes(config) <= _bytes(board) for board in boards.values()):
        return None
    largest = max(boards, key=lambda name: (boards[name].macs, _bytes(boards[name])))
    return (
        f"This array has {config.macs:,} MACs and {_bytes(config):,} bytes of feature memory; the largest preset, {largest}, has "
        f"{boards[largest].macs:,} MACs and {_bytes(boards[largest]):,} bytes. The figures say what the mechanism gives, not what "
        "that part runs."
    )


def _bytes(config: ArrayConfig) -> int:
    return config.macs * config.feature_words


def _figures(image: Image, rows: list[LayerRow], spans: list[MemorySpan], clock_mhz: float | None) -> str:
    dense = 4 * sum(row.own_weights for row in rows)
    streams = 4 * sum(row.stream_words for row in rows)
    cycles, whole = image.compute_cycles, image.predicted_cycles
    found = [
        ("cycles of all steps", f"{cycles:,}", f"{whole:,} with loading and storing"),
        ("utilization", f"{image.utilization:.3f}", f"{image.macs:,} useful MACs"),
    ]
    if clock_mhz is not None:
        time = f"{cycles / clock_mhz / 1e3:,.3f} ms"
        found.append(
            (f"time at {clock_mhz:g} MHz", time, f"{whole / clock_mhz / 1e3:,.3f} ms with loading and storing")
        )
    found += [
        ("image", _size(4 * len(image.words)), f"{_size(streams)} of it weight streams"),
        (
            "smaller than float32",
            f"{dense / (4 * len(image.words)):.1f} x",
            f"all weights of the model dense: {_size(dense)}; the weight streams alone {dense / max(streams, 1):.1f} x",
        ),
        (
            "feature words in use",
            f"{needed(spans):,}",
            f"of {image.config.feature_words:,} in every PE, {image.config.lanes} bytes each",
        ),
    ]
    items = (f"<div><dt>{name}</dt><dd>{value}</dd><dd>{more}</dd></div>" for name, value, more in found)
    return f"<dl>{''.join(items)}</dl>"


def _size(count: int) -> str:
    return f"{count / 1e6:,.2f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def _section(title: str, content: str, caption: str) -> list[str]:
    return [
        f"<section><h2>{title}</h2>",
        f'<figure><figcaption>{caption}</figcaption><div class="wide" tabindex="0" role="region" aria-label="{title}">{content}'
        "</div></figure></section>",
    ]


def _table(image: Image, rows: list[LayerRow]) -> str:
    lines = "\n".join(f"<tr>{_line(cells(row))}</tr>" for row in rows)
    head = "".join(f'<th scope="col"{_class(index)}>{escape(name)}</th>' for index, name in enumerate(HEAD))
    return (
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n"
        f"<tfoot><tr>{_line(total_cells(image, rows))}</tr></tfoot></table>"
    )


def _line(texts: Iterable[str]) -> str:
    return "".join(f"<td{_class(index)}>{escape(text)}</td>" for index, text in enumerate(texts))


def _class(index: int) -> str:
    return ' class="words"' if index in LEFT else ""
