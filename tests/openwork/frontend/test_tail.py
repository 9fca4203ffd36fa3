"""What stands at the end of a model and is not the array's: the host computes it from the exported program itself."""

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from tests.slow import slow_but
from torch import nn
from torch.nn import functional

import openwork
from openwork.files import decode_network, encode_network
from openwork.frontend import FloatNetwork, ImportingError, LoadingError, import_module, import_program
from openwork.frontend.tail import model_results, run_tail
from openwork.quantization.evaluation import accuracy, scores


def batch_of(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(count))


class Ended(nn.Module):
    """Two heads on one body, and a function of both at the end."""

    def __init__(self, end: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.body, self.boxes, self.classes = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 5, 1)
        self.end = end

    def forward(self, batch: torch.Tensor) -> Any:
        maps = self.body(batch).relu()
        return self.end(self.boxes(maps), self.classes(maps))


def decoded(boxes: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """As detectors do it: places of cells, sizes from an exponential, one row for each box."""
    both = torch.cat([boxes, classes], 1).flatten(2)
    places, sizes, scores = torch.split(both, [2, 2, 5], 1)
    grid = torch.stack(torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")).flatten(1)
    return torch.cat([(places.sigmoid() + grid) * 4, sizes.exp() * 8, scores.sigmoid()], 1).transpose(1, 2)


def distributed(boxes: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """A box as the mean of a distribution, by a convolution with a few fixed weights; DFL of YOLOv8."""
    weights = torch.arange(4.0).view(1, 4, 1, 1)
    return functional.conv2d(boxes.softmax(1), weights) + classes.amax(1, keepdim=True)


ENDS: dict[str, tuple[Callable[[torch.Tensor, torch.Tensor], Any], tuple[str, ...]]] = {
    "softmax": (lambda a, b: b.mean((2, 3)).softmax(1), ("output",)),
    "softmax over pixels": (lambda a, b: b.flatten(2).softmax(2), ("output",)),
    "argmax": (lambda a, b: b.argmax(1), ("output",)),
    "argmax of all": (lambda a, b: b.flatten(1).argmax(1), ("output",)),
    "largest five": (lambda a, b: b.flatten(1).topk(5), ("0", "1")),
    "sigmoid and max": (lambda a, b: (a.sigmoid(), b.sigmoid().max(1).values), ("0", "1")),
    "a dict": (lambda a, b: {"boxes": a, "more": [b.tanh(), b]}, ("boxes", "more.0", "more.1")),
    "a sum beside": (lambda a, b: b.softmax(1) + b, ("output",)),
    "boxes": (decoded, ("output",)),
    "distributions": (distributed, ("output",)),
    "enlarged": (lambda a, b: functional.interpolate(b.sigmoid(), size=(24, 20), mode="bilinear"), ("output",)),
    "a constant beside": (lambda a, b: (b, torch.arange(6.0)), ("0", "1")),
}


def results_of(value: Any) -> list[torch.Tensor]:
    return [one for one in torch.utils._pytree.tree_leaves(value) if isinstance(one, torch.Tensor)]


def found_of(network: FloatNetwork, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    assert network.tail is not None
    return dict(run_tail(network.tail, network.results(batch)))


@pytest.mark.parametrize(
    ("batch", "name"),
    slow_but(product([1, 3, "open"], ENDS), *product([3], ENDS), ("open", "softmax"), ("open", "boxes")),
)
def test_the_host_computes_the_end(name: str, batch: int | str) -> None:
    end, names = ENDS[name]
    model, values = Ended(end).eval(), batch_of(7)
    size = batch if isinstance(batch, int) else 2
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if batch == "open" else None
    if name == "a constant beside" and batch != 1:
        names = ("0", "1")
    network = import_program(torch.export.export(model, (values[:size],), dynamic_shapes=shapes))
    assert network.tail is not None and network.tail.names == names
    found = found_of(network, values)
    with torch.no_grad():
        expected = results_of(model(values))
    assert len(expected) == len(found)
    for one, value in zip(expected, found.values(), strict=True):
        if name == "a constant beside" and one.ndim == 1:
            assert torch.equal(value, one.expand_as(value))  # said for each input, or for each batch
        elif one.is_floating_point():
            assert torch.allclose(value, one, atol=1e-4), name
        else:
            assert torch.equal(value, one), name


@pytest.mark.parametrize("name", ["softmax", "a dict", "boxes"])
def test_the_array_the_file_and_the_host_together(name: str) -> None:
    model, values = Ended(ENDS[name][0]).eval(), batch_of(40)
    network = openwork.quantize(model, values)
    content = encode_network(network)
    assert content == encode_network(openwork.quantize(model, values))  # the tail, too, is the same in each run
    image = openwork.compile(decode_network(content), "demo")
    integers = image.run(values[:3])
    assert np.array_equal(integers, image.run(values[:3], "model"))
    found = image.answer(values[:3], "model")
    assert tuple(found) == ENDS[name][1]
    with torch.no_grad():
        expected = results_of(model(values[:3]))
    for one, value in zip(expected, found.values(), strict=True):
        assert value.shape == tuple(one.shape) and value.dtype == np.float32
        assert np.corrcoef(value.ravel(), one.numpy().ravel())[0, 1] > 0.99
    first = next(iter(found.values())).reshape(3, -1)
    assert np.allclose(scores(network, values[:3]).numpy(), first, atol=1e-6)


def test_results_of_different_scales_keep_them() -> None:
    model, values = Ended(lambda a, b: (a * 100, b * 0.01)).eval(), batch_of(40)
    network = openwork.quantize(model, values)
    assert network.tail is None and [one.name for one in network.results] == ["0", "1"]
    large, small = (network.tensor(one.tensors[0]).scale for one in network.results)
    assert large > 1000 * small
    found = openwork.compile(network, "demo").answer(values[:4], "model")
    with torch.no_grad():
        for one, value in zip(model(values[:4]), found.values(), strict=True):
            assert np.abs(value - one.numpy()).max() < 0.05 * float(one.abs().max())


def test_a_model_is_cut_where_a_user_says() -> None:
    model, values = Ended(decoded).eval(), batch_of(20)
    network = import_module(model, values[:1], cut=["body"])
    assert [step.output for step in network.steps] == ["body"] and network.tail is not None
    with torch.no_grad():
        assert torch.allclose(found_of(network, values)["output"], model(values), atol=1e-4)
    with pytest.raises(ImportingError, match="no module or operator 'head' to cut it at: it has "):
        import_module(model, values[:1], cut=["head"])


REFUSED: dict[str, Callable[[torch.Tensor, torch.Tensor], Any]] = {
    "a layer behind": lambda a, b: functional.conv2d(b.cos(), torch.ones(16, 5, 3, 3)),
    "training": lambda a, b: functional.dropout(b.softmax(1), 0.5, True),
    "random numbers": lambda a, b: b.softmax(1) + torch.randn(6),
    "an operator of another package": lambda a, b: b.softmax(1).half().float(),
}


@pytest.mark.parametrize("name", [name for name in REFUSED if "package" not in name])
def test_what_is_no_end_stays_refused(name: str) -> None:
    with pytest.raises(ImportingError, match="not supported"):
        import_module(Ended(REFUSED[name]), batch_of(1))
    with pytest.raises(ImportingError, match="not supported"):
        import_module(Ended(lambda a, b: b.softmax(1)), batch_of(1), host=False)


def test_the_tail_in_a_file_is_checked_before_it_runs() -> None:
    values = batch_of(20)
    network = openwork.quantize(Ended(lambda a, b: b.softmax(1)).eval(), values)
    assert network.tail is not None
    integers = openwork.compile(network, "demo").run(values[:2])
    other = io.BytesIO()
    torch.export.save(torch.export.export(Ended(decoded).eval(), (values[:1],)), other)
    for program, reason in (
        (network.tail.program[:-40], "is not a whole .pt2 file"),
        (b"", "is not a whole .pt2 file"),
        (other.getvalue(), "cannot be run"),
    ):
        spoiled = replace(network, tail=replace(network.tail, program=program))
        assert encode_network(decode_network(encode_network(spoiled))) == encode_network(spoiled)
        with pytest.raises(LoadingError, match=f"the tail of the network .*{reason}"):
            model_results(spoiled, integers)
    unnamed = replace(network, tail=replace(network.tail, names=("a", "b")))
    with pytest.raises(LoadingError, match="gives 1 tensors, and 2 have names"):
        model_results(unnamed, integers)


def test_accuracy_is_of_the_scores_before_the_tail() -> None:
    values = batch_of(30)
    model = Ended(lambda a, b: b.mean((2, 3)).argmax(1)).eval()
    with torch.no_grad():
        labels = model(values)
    assert accuracy(openwork.quantize(model, values), values, labels) > 0.8
