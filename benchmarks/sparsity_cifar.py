"""ResNet-20 and ResNet-56 on CIFAR-10 at 20 % density: gradual pruning with the dense network as teacher, then int8."""

import argparse
import io
import sys

import numpy as np
import torch
from PIL import Image
from sparsity import CHECKPOINTS, counting
from torch import nn
from torch.nn import functional

from openwork.models.cifar_resnet import pretrained_resnet20, pretrained_resnet56
from openwork.models.shared_data import CIFAR_DEVIATION, CIFAR_MEAN, cifar10, data_path
from openwork.pruning import PrunedModel, Recipe, fit, gradual, reestimate_norms

DENSITY = 0.2
NETWORKS = {"ResNet-20": (pretrained_resnet20, 3), "ResNet-56": (pretrained_resnet56, 2)}
"""Builders and epochs."""


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """All training images, uint8 [54,000, 3, 32, 32], and labels: 50,000 that JPEG has damaged, and 4,000 as they are."""
    archive = np.load(data_path("cifar10/cifar10_train_jpeg_lossy.npz"))
    ends, content = archive["offsets"], archive["bytes"].tobytes()
    damaged = [
        np.asarray(Image.open(io.BytesIO(content[start:end])).convert("RGB"))
        for start, end in zip(ends[:-1], ends[1:], strict=True)
    ]
    lossless = np.load(data_path("cifar10/cifar10_train4000_lossless.npz"))
    values = np.concatenate([np.stack(damaged), lossless["x"]]).transpose(0, 3, 1, 2)
    labels = np.concatenate([archive["y"], lossless["y"]]).astype(np.int64)
    return torch.tensor(values), torch.tensor(labels)


def augment(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images moved by up to four pixels, half of them mirrored, normalized."""
    mean, deviation = (torch.tensor(numbers)[:, None, None] for numbers in (CIFAR_MEAN, CIFAR_DEVIATION))
    padded = functional.pad((values / 255 - mean) / deviation, (4, 4, 4, 4))
    places = torch.randint(0, 9, (len(values), 2), generator=generator).tolist()
    moved = torch.stack([image[:, y : y + 32, x : x + 32] for image, (y, x) in zip(padded, places, strict=True)])
    mirrored = torch.rand(len(values), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


def trained(name: str) -> PrunedModel:
    """The pruned network; goes on where an interrupted training was."""
    build, epochs = NETWORKS[name]
    teacher, model = build(), build().train()
    values, labels = images()
    recipe = Recipe(epochs=epochs, rate=0.03, teaching=0.9)
    steps = recipe.steps(len(values))
    pruner = gradual(model, DENSITY, steps // 2, every=50, scope="global")
    fit(
        model,
        values,
        labels,
        recipe,
        pruner=pruner,
        teacher=teacher,
        augment=augment,
        checkpoint=CHECKPOINTS / f"{name}.pt",
        progress=counting,
    )
    reestimate_norms(model, cifar10("train4000", normalized=True).inputs)
    return pruner.finish()


def accuracy(model: nn.Module) -> float:
    data = cifar10("test1000", normalized=True)
    with torch.no_grad():
        scores = torch.cat([model(batch) for batch in data.inputs.split(100)])
    return 100 * float((scores.argmax(dim=1) == data.labels).float().mean())


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, accuracy(NETWORKS[name][0]()))
        found = trained(name)
        print(name, found.density, accuracy(found.model))
