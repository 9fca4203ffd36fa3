"""A small CNN for the 8 x 8 handwritten digits of scikit-learn, trained, pruned and quantized in seconds."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from openwork.frontend import import_module
from openwork.golden import run_network
from openwork.network import IntegerNetwork
from openwork.progress import Progress, silent
from openwork.pruning import PrunedModel, apply_masks, prune_model
from openwork.quantization import quantize

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Of a batch's outputs, its images and its labels."""

TEST_IMAGES = 360
BATCH = 96


@dataclass(frozen=True, eq=False)
class Digits:
    """Images float32 [images, 1, 8, 8] from 0 to 1, and labels int64 [images]."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


@dataclass(frozen=True, eq=False)
class PreparedDigits:
    """The quantized model, how good each step towards it was, and inputs to run it on.

    Attributes:
        model: quantized from the pruned model.
        accuracies: on the test images, by step: float, pruned, int8 (the golden model).
        pruned_density: of the weights, before quantization makes more of them 0.
        test_inputs: int8 [images, 1, 8, 8].
        test_labels: int64 [images].
    """

    model: IntegerNetwork
    accuracies: Mapping[str, float]
    pruned_density: float
    test_inputs: NDArray[np.int8]
    test_labels: NDArray[np.int64]

    def __str__(self) -> str:
        lines = [f"{step:16} {accuracy:8.1%}" for step, accuracy in self.accuracies.items()]
        return "\n".join([*lines, f"{'density':16} {self.model.density:8.1%}", str(self.model)])


def load() -> Digits:
    """The 1,797 digits, always divided in the same way: the test images were never trained on."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    images = torch.tensor(digits.images[order, None] / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target[order], dtype=torch.int64)
    return Digits(images[TEST_IMAGES:], labels[TEST_IMAGES:], images[:TEST_IMAGES], labels[:TEST_IMAGES])


def build(seed: int = 0) -> nn.Sequential:
    """The untrained model: one of each kind of layer, 15,136 weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            OrderedDict(
                stem=_block(nn.Conv2d(1, 16, 3, padding=1, bias=False)),
                depthwise=_block(nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)),
                pointwise=_block(nn.Conv2d(16, 32, 1, bias=False)),
                strided=_block(nn.Conv2d(32, 32, 3, stride=2, padding=1, bias=False)),
                flatten=nn.Flatten(),
                linear=nn.Linear(32 * 4 * 4, 10),
            )
        )


def train(seed: int = 0, epochs: int = 15, progress: Progress = silent) -> nn.Sequential:
    """The float model, trained; the same for the same seed on the same machine."""
    model = build(seed)
    fit(model, {}, load(), epochs, 4e-3, seed, progress, "training")
    return model


def prune(
    model: nn.Module, density: float = 0.2, seed: int = 0, epochs: int = 15, progress: Progress = silent
) -> PrunedModel:
    """Prune over all layers by magnitude, to half the way first, and train what stays after each."""
    pruned = PrunedModel(model, {})
    for level in (density**0.5, density):
        pruned = prune_model(pruned.model, level, scope="global")
        title = f"training at {level:.0%} density"
        fit(pruned.model, pruned.masks, load(), ceil(epochs / 2), 2e-3, seed, progress, title)
    return pruned


def accuracy(model: nn.Module) -> float:
    """Of a float model, on the test images."""
    digits = load()
    training = model.training
    with torch.no_grad():
        right = model.eval()(digits.test_images).argmax(1) == digits.test_labels
    model.train(training)
    return float(right.float().mean())


def prepare(seed: int = 0, epochs: int = 15, density: float = 0.2, progress: Progress = silent) -> PreparedDigits:
    """All the way to integers: train, prune to `density`, quantize, and measure after each step."""
    digits = load()
    trained = train(seed, epochs, progress)
    pruned = prune(trained, density, seed, epochs, progress)
    quantized = quantize(import_module(pruned.model, digits.train_images[:1]), digits.train_images)
    inputs = quantized.quantize_inputs(digits.test_images.numpy())
    answers = run_network(quantized, inputs).reshape(len(inputs), -1).argmax(axis=1)
    labels = digits.test_labels.numpy()
    return PreparedDigits(
        model=quantized,
        accuracies={
            "float": accuracy(trained),
            "pruned": accuracy(pruned.model),
            "int8": float((answers == labels).mean()),
        },
        pruned_density=pruned.density,
        test_inputs=inputs,
        test_labels=labels,
    )


def _block(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(conv.out_channels), relu=nn.ReLU()))


@contextmanager
def one_thread() -> Iterator[None]:
    """Layers this small gain nothing from more threads, and their sums come out the same on every number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _recognized(outputs: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(outputs, labels, label_smoothing=0.1)


@one_thread()
def fit(
    model: nn.Module,
    masks: Mapping[str, torch.Tensor],
    digits: Digits,
    epochs: int,
    rate: float,
    seed: int,
    progress: Progress,
    title: str,
    loss: Loss = _recognized,
) -> None:
    """Train in place; weights that `masks` drops stay 0."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    batches = ceil(len(digits.train_images) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=epochs * batches)
    model.train()
    for _ in progress(range(epochs), title):
        for batch in torch.randperm(len(digits.train_images), generator=generator).chunk(batches):
            optimizer.zero_grad()
            outputs = model(digits.train_images[batch])
            loss(outputs, digits.train_images[batch], digits.train_labels[batch]).backward()  # type: ignore[no-untyped-call]  # torch has no types here
            optimizer.step()
            schedule.step()
            apply_masks(model, masks)
