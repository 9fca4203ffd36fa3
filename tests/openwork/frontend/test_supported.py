"""The page of supported operators: each row has an example that is imported, and every operator is in a row."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from openwork.frontend import import_module
from openwork.frontend.operators import OPERATORS
from openwork.frontend.picks import MOVES
from openwork.frontend.supported import AT_THE_END, SUPPORTED
from openwork.frontend.tail import run_tail


class Example(nn.Module):
    """A layer, and an example: a module, or an expression of its map."""

    def __init__(self, example: str) -> None:
        super().__init__()
        torch.manual_seed(3)
        names = {"torch": torch, "nn": nn, "functional": functional}
        self.layer = nn.Conv2d(3, 4, 1)
        self.example: Any = eval(example if example.startswith("nn.") else f"lambda x: {example}", names)

    def forward(self, batch: torch.Tensor) -> Any:
        return self.example(self.layer(batch))


def batch_of(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(count))


def test_the_table_has_every_operator() -> None:
    assert {name for row in SUPPORTED for name in row.operators} == OPERATORS.keys() | set(MOVES)


@pytest.mark.parametrize("example", [row.example for row in SUPPORTED])
def test_each_example_is_imported(example: str) -> None:
    model = Example(example).eval()
    network = import_module(model, batch_of(1), host=False)
    with torch.no_grad():
        expected = model(batch_of(3))
    assert torch.allclose(network.run(batch_of(3)).reshape(expected.shape), expected, atol=1e-4)


@pytest.mark.parametrize("example", AT_THE_END)
def test_each_end_is_left_to_the_host(example: str) -> None:
    model = Example(example).eval()
    network = import_module(model, batch_of(1))
    assert network.tail is not None and network.steps[0].output == "layer"
    with torch.no_grad():
        expected = torch.utils._pytree.tree_leaves(model(batch_of(3)))
    found = run_tail(network.tail, network.results(batch_of(3))).values()
    for one, right in zip(found, expected, strict=True):
        assert torch.allclose(one, right, atol=1e-4)
