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
from openwork.report.compression import network_sizes
from openwork.report.exploration import write_exploration
from openwork.report.points import Point, pareto
from openwork_hw.arch import encodings
from openwork_hw.arch.nonzeros import Encoding, SparseRows


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
    matrix, layout = layer.matrix()
    rows, columns = np.nonzero(matrix)
    stream = SparseRows(
        np.arange(20), np.bincount(rows).astype(np.int64), columns.astype(np.int64), matrix[rows, columns]
    )
    for encoding in Encoding:
        words = encodings.encode(encoding, encodings.prepare(encoding, stream, layout), layout)
        assert getattr(sizes, encoding.name.lower()) == words.nbytes
    assert 8 * sizes.bound / sizes.nonzeros == pytest.approx(encodings.entropy_bound_bits(layer.density))
    assert sizes.value_bound < sizes.bound < sizes.packed < sizes.csr < sizes.triplet
    # A codebook of 16 values takes half a byte from each nonzero, and 16 bytes of its own.
    assert sizes.packed - sizes.codebook16 == sizes.nonzeros / 2 - 16


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
