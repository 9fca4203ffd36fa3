"""The page: complete, whole, by itself, and safe whatever a model calls its tensors."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from rich.console import Console
from tests.openwork.report.networks import NAMES, small_image

from openwork.files import FileError
from openwork.report import layer_rows, layer_table, write_report
from openwork.report.page import larger_than_boards
from openwork.report.table import HEAD
from openwork_hw.arch.config import PRESETS, ArrayConfig

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://example.com/x onerror=alert(1)>',
    "a & b $\\frac{1}{2}$ #010101 style=\"fill: #040404\"",
    "[red]\x1b[31m\nline\u202e two[/]",
    "</svg></style><style>*{display:none}</style>",
    "\u5377\u7a4d " + "long." * 60,
)  # fmt: skip

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """Every element with its attributes and every cell's text; refuses an element that is closed by another's end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data
        if self.open and self.open[-1] == "text":
            self.texts.append(data)


def page(path: Path, names: tuple[str, ...] = NAMES, **arguments: object) -> str:
    write_report(path / "report.html", small_image(names), **arguments)  # type: ignore[arg-type]
    return (path / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_every_step_and_figure(tmp_path: Path) -> None:
    image = small_image()
    text = page(tmp_path, name="a model", clock_mhz=50.0, accuracy={"float": 0.75, "int8": 0.7})
    read = Reader(text)
    assert [tag for tag, _ in read.elements if tag in ("html", "head", "body", "main", "h1", "table")] == [
        "html", "head", "body", "main", "h1", "table",
    ]  # fmt: skip
    lines = [read.cells[start : start + len(HEAD)] for start in range(0, len(read.cells), len(HEAD))]
    assert [line[1] for line in lines] == [*NAMES[1:], "all steps"]
    cycles = [int(line[HEAD.index("cycles")].replace(",", "")) for line in lines]
    assert sum(cycles[:-1]) == cycles[-1] == image.compute_cycles
    assert sum(tag == "svg" for tag, _ in read.elements) == 3
    for expected in (*NAMES[1:], "float", "75.00%", "70.00%", "limit 2,048 words"):
        assert any(expected in one for one in read.texts), expected
    assert f"{image.utilization:.3f}" in text
    assert f"{image.compute_cycles / 50e3:.3f} ms" in text
    assert "a model" in text and "Larger than any board" not in text


def test_without_clock_and_accuracy_nothing_is_said_of_them(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "MHz" not in text and "Accuracy" not in text


def test_the_page_needs_nothing_from_outside(tmp_path: Path) -> None:
    text = page(tmp_path, accuracy={"int8": 1.0})
    assert not re.search(r"https?:|//|@import|<script|<link|<iframe|<object", text)
    for tag, attributes in Reader(text).elements:
        assert "src" not in attributes, tag
        assert all((attributes.get(name) or "#").startswith("#") for name in ("href", "xlink:href")), tag
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", text))


def test_names_in_the_page_belong_to_one_thing(tmp_path: Path) -> None:
    read = Reader(page(tmp_path, accuracy={"int8": 1.0}))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    used = {attributes["xlink:href"] for _, attributes in read.elements if "xlink:href" in attributes}
    used |= {(attributes.get("clip-path") or "url()")[4:-1] for _, attributes in read.elements} - {""}
    assert used <= {f"#{name}" for name in ids}


def test_drawings_take_all_their_colors_from_the_page(tmp_path: Path) -> None:
    text = page(tmp_path, accuracy={"int8": 1.0})
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    for drawing in drawings:
        ElementTree.fromstring(drawing.replace("xlink:href", "href"))
        colors = set(re.findall(r"(?:fill|stroke): ([^;\"]*)", drawing))
        assert colors - {"none"} and all(color == "none" or color.startswith("var(--") for color in colors)
    for variable in set(re.findall(r"var\((--[a-z0-9]+)\)", text)):
        assert text.count(f"{variable}: #") == (1 if variable == "--none" else 2), f"{variable} by day and by night"


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    plain = Reader(page(tmp_path, accuracy={"int8": 1.0}))
    hostile = Reader(page(tmp_path, HOSTILE, name=HOSTILE[0], accuracy={HOSTILE[1]: 1.0}))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert [set(one) for _, one in hostile.elements] == [set(one) for _, one in plain.elements]
    steps = hostile.cells[1 :: len(HEAD)][:-1]
    expected = [name.replace("\x1b", "\ufffd").replace("\n", "\ufffd").replace("\u202e", "\ufffd") for name in HOSTILE]
    assert steps == expected[1:]
    assert any("$\\frac{1}{2}$" in text or "…" in text for text in hostile.texts)


def test_hostile_names_stay_text_on_the_terminal() -> None:
    console = Console(width=400, record=True, file=StringIO())
    console.print(layer_table(small_image(HOSTILE)))
    text = console.export_text()
    assert "[red]\ufffd[31m\ufffdline\ufffd two[/]" in text
    assert "\x1b" not in text


def test_the_table_fits_a_terminal_of_80_characters() -> None:
    """Also with the figures of a large network: words are folded, numbers never."""
    image = small_image()
    large = replace(image, commands=tuple(replace(one, predicted_cycles=987_654) for one in image.commands))
    for one in (image, large):
        console = Console(width=80, record=True, file=StringIO())
        console.print(layer_table(one))
        lines = [line.split() for line in console.export_text().splitlines()]
        for name in NAMES[1:]:
            (line,) = [line for line in lines if line[:1] == [name]]
            row = next(row for row in layer_rows(one) if row.step == name)
            assert f"{row.cycles:,}" in line and line[-1] == f"{row.memory_words:,}"
        (total,) = [line for line in lines if line[:1] == ["all"]]
        assert f"{one.compute_cycles:,}" in total


def test_equal_arguments_give_equal_bytes_whatever_matplotlib_is_set_to(tmp_path: Path) -> None:
    first = page(tmp_path)
    with mpl.rc_context({"font.size": 30, "text.usetex": True, "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert page(tmp_path) == first
        assert dict(mpl.rcParams) == before


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")
    for wrong in ({"accuracy": {"int8": 97.2}}, {"accuracy": {"int8": float("nan")}}, {"clock_mhz": 0.0}):
        with pytest.raises(ValueError, match="must be"):
            page(tmp_path, **wrong)
    assert path.read_text() == "before"
    with pytest.raises(FileError, match="there is no folder"):
        write_report(tmp_path / "none" / "report.html", small_image())
    page(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("config", "larger"),
    [
        (PRESETS["demo"], False),
        (PRESETS["ecp5-85k"], False),
        (PRESETS["ice40-up5k"], False),
        (ArrayConfig(21, 7, group_sizes=(7, 21), replicas=3, feature_words=65536), True),
        (ArrayConfig(22, 7), True),
    ],
)
def test_an_array_that_no_preset_has_room_for_is_named(config: ArrayConfig, larger: bool) -> None:
    note = larger_than_boards(config)
    assert (note is not None) == larger
    assert note is None or "ecp5-85k" in note


def test_the_page_says_that_the_array_is_larger_than_a_board(tmp_path: Path) -> None:
    config = ArrayConfig(4, 4, feature_words=65536, replicas=4)
    write_report(tmp_path / "report.html", small_image(config=config))
    assert "Larger than any board preset" in (tmp_path / "report.html").read_text()
