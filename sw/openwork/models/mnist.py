"""LeNet-5 and a fully connected network for MNIST digits, trained in under a minute."""

from collections.abc import Callable
from math import ceil

import torch
from torch import nn
from torch.nn import functional

from openwork.models.digits import one_thread
from openwork.models.shared_data import Labelled, mnist
from openwork.progress import Progress, silent

BATCH = 128


def lenet5() -> nn.Module:
    """Digits [batch, 1, 28, 28] to 10 scores; ReLU and max pooling in the place of what 1998 had."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def mlp() -> nn.Module:
    """Digits [batch, 784] to 10 scores by way of 300 and 100."""
    return nn.Sequential(
        nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )  # fmt: skip


def as_inputs(digits: Labelled, model: nn.Module) -> torch.Tensor:
    """The images as a model takes them: as vectors, if it begins with a Linear."""
    first = next(model.children())
    return digits.inputs.flatten(1) if isinstance(first, nn.Linear) else digits.inputs


@one_thread()
def train(
    build: Callable[[], nn.Module], seed: int = 0, epochs: int = 4, images: int = 60_000, progress: Progress = silent
) -> nn.Module:
    """A model of `build`, trained on the first `images` digits; the same for the same seed on the same machine."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
    digits = mnist("train")
    inputs, labels = as_inputs(digits, model)[:images], digits.labels[:images]
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    batches = ceil(len(inputs) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=epochs * batches)
    for _ in progress(range(epochs), "training on MNIST"):
        for batch in torch.randperm(len(inputs), generator=generator).chunk(batches):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(inputs[batch]), labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
            optimizer.step()
            schedule.step()
    return model.eval()
