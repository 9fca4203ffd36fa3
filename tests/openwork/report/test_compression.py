"""Bytes of a network's weights, and the page that shows what sparsity costs."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork.activation import Clip
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, Tensor
from openwork.report.compression import network_sizes, one_stream
from openwork.report.exploration import write_exploration
from openwork.report.points import Point, pareto
from openwork_hw.arch import encodings
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows


def a_network(density: float, seed: int = 0) -> IntegerNetwork:
    random = np.random.default_rng(seed)
    weights = random.integers(1, 128, (20, 30, 3, 3)).astype(np.int8) * (random.random((20, 30, 3, 3)) < density)
    zeros = np.zeros(20, np.int64)
    layer = IntegerLayer("layer", weights.astype(np.int8), zeros, zeros, 0, 0, Clip(), (30, 5, 5))
    tensors = Tensor("input", (30, 5, 5), 1.0, 0), Tensor("layer", (20, 3, 3), 1.0, 0)
    return IntegerNetwork(tensors, (LayerStep(("input",), "layer", layer),), ("layer",))


@pytest.mark.parametrize("density", [0.05, 0.2])
def test_sizes_are_those_of_the_streams_and_the_bound_is_below_them(density: float) -> None:
    network = a_network(density)
    sizes = network_sizes(network)
    layer = network.layers[0]
    assert (sizes.weights, sizes.nonzeros) == (layer.weights.size, layer.nonzeros)
    assert (sizes.dense_float32, sizes.dense_int8) == (4 * layer.weights.size, layer.weights.size)
    # Column numbers hold the tap above the channel.
    layout = ColumnLayout(taps=9, channels=30)
    rows, taps, channels = np.nonzero(layer.weights.reshape(20, 30, 9).transpose(0, 2, 1))
    stream = SparseRows(
        np.arange(20),
        np.bincount(rows),
        np.array([layout.column(tap, channel) for tap, channel in zip(taps.tolist(), channels.tolist(), strict=True)]),
        layer.weights[rows, channels, taps // 3, taps % 3],
    )
    for encoding in Encoding:
        words = encodings.encode(encoding, encodings.prepare(encoding, stream, layout), layout)
        assert getattr(sizes, encoding.name.lower()) == words.nbytes
    assert 8 * sizes.bound / sizes.nonzeros == pytest.approx(encodings.entropy_bound_bits(layer.density))
    assert sizes.value_bound < sizes.bound < sizes.packed < sizes.csr < sizes.triplet
    # A codebook of 16 values takes half a byte from each nonzero, and 16 bytes of its own.
    assert sizes.packed - sizes.codebook16 == sizes.nonzeros / 2 - 16


def test_rows_of_groups_and_of_whole_maps_are_those_of_the_layer() -> None:
    weights = np.array([[[[1, 0]], [[0, 2]]], [[[0, 0]], [[0, 0]]], [[[0, -7]], [[5, 6]]]], np.int8)
    zeros = np.zeros(3, np.int64)

    def stream(width: int, groups: int) -> list[list[tuple[int, int]]]:
        layer = IntegerLayer("layer", weights, zeros, zeros, 0, 0, Clip(), (2 * groups, 1, width), groups=groups)
        rows, _ = one_stream(layer)
        columns, values = (np.split(part, np.cumsum(rows.lengths)[:-1]) for part in (rows.columns, rows.values))
        return [
            list(zip(one.tolist(), other.tolist(), strict=True)) for one, other in zip(columns, values, strict=True)
        ]

    # Six channels in three groups of two: the tap is bit 3 and above.
    assert stream(3, 3) == [[(0, 1), (8 + 1, 2)], [(2, 0)], [(5, 5), (8 + 4, -7), (8 + 5, 6)]]
    # A kernel as large as the map reads a vector of its pixels.
    assert stream(2, 1) == [[(0, 1), (3, 2)], [(0, 0)], [(1, 5), (2, -7), (3, 6)]]


@given(points=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_beats(points: list[tuple[int, int]]) -> None:
    costs, values = [point[0] for point in points], [point[1] for point in points]
    front = pareto(costs, values)
    for number, (cost, value) in enumerate(points):
        beaten = any((c <= cost and v > value) or (c < cost and v >= value) for c, v in points)
        assert beaten == ((cost, value) not in [points[one] for one in front]), number


class Parser(HTMLParser):
    """Which elements are open at the end, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "use", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("use", "path"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def test_the_page_holds_every_point_and_hostile_names_stay_text(tmp_path: Path) -> None:
    points = [
        Point("dense", 1.0, 0.95, 9000, 4000),
        Point("<script>", 0.2, 0.94, 3000, 1000),
        Point("obc", 0.2, 0.9, 3100, 1100),
    ]
    for clock in (None, 100.0):
        write_exploration(
            tmp_path / "page.html",
            points,
            name="a <b>model</b>",
            array="2 x 4",
            accuracy_is="accuracy",
            inputs=100,
            clock_mhz=clock,
        )
        page = (tmp_path / "page.html").read_text()
        parser = Parser()
        parser.feed(page)
        assert parser.open == []
        for said in ("a <b>model</b>", "95.00%", "94.00%", "90.00%", "9.0", "3.1", "4,000", "1,100"):
            assert said in parser.text
        assert "<script" not in page and "<b>" not in page
        assert page.count("\N{BLACK STAR}") == 2
