"""Neutral nodes: what readers make, rewrites change and lowerings read."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import openwork.frontend
from openwork.frontend.errors import ImportingError
from openwork.frontend.functional import functional as without_in_place
from openwork.frontend.lowering import lower
from openwork.frontend.node import Graph, Node, Result, fitting
from openwork.frontend.rewrites import merged_slices, without_unread
from openwork.frontend.torch_graph import read_program
from openwork.operations.arguments import Unsupported

FX_FILES = {"tail.py", "comparison.py", "functional.py", "fx_nodes.py", "propagation.py", "torch_graph.py"}
"""What reads programs of `torch.export`. All else must do for every format."""


def test_only_the_reader_of_exported_programs_knows_their_nodes() -> None:
    folder = Path(openwork.frontend.__file__).parent
    found = set()
    for path in (*folder.rglob("*.py"), *(folder.parent / "operations").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = {name.name for name in node.names} if isinstance(node, ast.Import | ast.ImportFrom) else set()
            if isinstance(node, ast.ImportFrom) and (
                node.module == "torch.fx" or (node.module == "torch" and "fx" in names)
            ):
                found.add(path.name)  # fmt: skip
    assert found == FX_FILES


def tensor(*shape: int) -> tuple[Result, ...]:
    return (Result(shape, torch.float32),)


def by_hand(weight: torch.Tensor) -> Graph:
    """A convolution and a ReLU, as the reader of another format would make them."""
    given = Node("x", "input", results=tensor(2, 3, 6, 5))
    weights = Node("stem.weight", "constant", value=weight)
    arguments = {"weight": weights, "bias": None, "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
    conv = Node("1", "conv2d", {"self_": given} | arguments, results=tensor(2, 4, 3, 3))
    relu = Node("2", "relu", {"self_": conv}, results=tensor(2, 4, 3, 3))
    return Graph(given, (conv, relu), (relu,))


def test_a_graph_of_no_format_at_all_is_lowered() -> None:
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    network = lower(by_hand(weight)).network
    batch = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    assert [step.output for step in network.steps] == ["stem"]
    assert torch.allclose(network.run(batch), functional.conv2d(batch, weight, None, 2, 1).relu())


def test_what_a_reader_could_not_read_is_a_complaint_with_its_place() -> None:
    graph = by_hand(torch.ones(4, 3, 3, 3))
    conv, relu = graph.nodes
    odd = replace(relu, operation="oddity", place=" at net.py:3: odd(x)")
    broken = replace(relu, refusal="of a kind that nobody knows")
    with pytest.raises(ImportingError, match=r"an operator that is not supported: oddity at net.py:3: odd\(x\)$"):
        lower(Graph(graph.input, (conv, odd), (odd,)), host=False)
    with pytest.raises(ImportingError, match=r"relu \(of a kind that nobody knows\)$"):
        lower(Graph(graph.input, (conv, broken), (broken,)), host=False)


def test_nodes_say_what_they_read() -> None:
    graph = by_hand(torch.ones(4, 3, 3, 3))
    conv, relu = graph.nodes
    assert [node.name for node in conv.inputs] == ["x", "stem.weight"] and conv.inputs[1].is_constant
    assert graph.readers(conv) == {relu} and graph.readers(relu) == set()
    both = Node("3", "cat", {"tensors": [conv, [relu, 3]], "dim": 1}, results=tensor(2, 8, 3, 3))
    assert both.inputs == (conv, relu) and both.texts == ["2", "8", "3", "3"]


def test_a_rewrite_reaches_all_that_reads_the_node() -> None:
    graph = by_hand(torch.ones(4, 3, 3, 3))
    conv, relu = graph.nodes
    both = Node("3", "cat", {"tensors": [relu, relu], "dim": 1}, results=tensor(2, 8, 3, 3))
    whole = Graph(graph.input, (conv, relu, both), (both,))
    assert whole.rewritten(lambda node: node).nodes == whole.nodes
    # A ReLU becomes another operator.
    found = whole.rewritten(lambda node: replace(node, operation="relu6") if node.operation == "relu" else node)
    assert [node.operation for node in found.nodes] == ["conv2d", "relu6", "cat"]
    assert found.nodes[2].arguments["tensors"] == [found.nodes[1]] * 2 and found.outputs == (found.nodes[2],)
    # It is left out, and so is what only it read.
    found = whole.rewritten(lambda node: replace(node, arguments={"self_": graph.input}) if node is relu else node)
    assert [node.operation for node in found.nodes] == ["relu", "cat"]


class Sliced(nn.Module):
    """Slices of pixels."""

    def __init__(self, down: int, across: int) -> None:
        super().__init__()
        self.down, self.across = down, across

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :: self.down, :: self.across].relu()


@pytest.mark.parametrize(("down", "across"), [(2, 2), (3, 3), (2, 1), (2, 3)])
def test_halves_of_a_slice_become_one_node(down: int, across: int) -> None:
    program = torch.export.export(Sliced(down, across), (torch.zeros(2, 3, 6, 6),))
    graph = merged_slices(read_program(without_in_place(program)))
    (found,) = [
        node for node in graph.nodes if node.operation == "slice" and node.shape != node.arguments["self_"].shape
    ]
    assert (found.arguments["dim"], found.arguments["start"], found.arguments["step"]) == (
        (2, 3),
        (0, 0),
        (down, across),
    )
    assert found.arguments["self_"].shape == (2, 3, 6, 6)


def test_slices_of_slices_begin_where_both_do() -> None:
    class Slices(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :, 1:8:2, 2:][:, :, 1:, ::3]

    program = torch.export.export(Slices(), (torch.zeros(2, 3, 9, 9),))
    graph = merged_slices(read_program(without_in_place(program)))
    assert graph.outputs[0] is not None and graph.outputs[0].arguments["start"] == (3, 2)
    assert graph.outputs[0].arguments["step"] == (2, 3)


def test_what_nobody_reads_is_left_out() -> None:
    graph = by_hand(torch.ones(4, 3, 3, 3))
    conv, relu = graph.nodes
    unread = Node("3", "oddity", {"self_": conv}, results=tensor(2, 4, 3, 3))
    assert without_unread(replace(graph, nodes=(conv, unread, relu))).nodes == (conv, relu)


def test_constants_are_computed_by_the_reader() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (self.weight.sigmoid() + torch.arange(3.0)[:, None, None])

    program = torch.export.export(Weighted(), (torch.zeros(2, 3, 4, 4),))
    graph = read_program(without_in_place(program))
    assert [node.operation for node in graph.nodes] == ["mul"]
    factor = graph.nodes[0].inputs[1]
    assert factor.is_constant and factor.value.shape == (3, 1, 1)


def test_an_argument_that_a_lowering_does_not_know_is_no_secret() -> None:
    def lowering(build: object, node: object, self_: object, size: int = 1) -> None:
        """Takes a size."""

    assert fitting(lowering, {"self_": 1, "size": 2, "hint": 3}, {"hint"}) == {"self_": 1, "size": 2}
    with pytest.raises(Unsupported, match=r"^with hint 3$"):
        fitting(lowering, {"self_": 1, "hint": 3})
    with pytest.raises(Unsupported, match=r"^in a form without self_$"):
        fitting(lowering, {"size": 3})
