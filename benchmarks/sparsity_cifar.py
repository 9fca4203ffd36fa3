"""ResNet-20 and ResNet-56 on CIFAR-10 at 20 % density: reconstructed, trained on with the dense network as teacher, int8.

The 50,000 training images that there are have been damaged by JPEG: they serve to learn from, and never to measure. The batch norms
are measured again, and accuracy is measured, on lossless images alone.
"""

import argparse
import io
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from sparsity import CHECKPOINTS, RECORD, counting, figures, float_accuracy, int8_accuracy, quantized, record
from torch.nn import functional

from openwork.models.cifar_resnet import pretrained_resnet20, pretrained_resnet56
from openwork.models.shared_data import CIFAR_DEVIATION, CIFAR_MEAN, cifar10, data_path
from openwork.pruning import Recipe, fit, reconstruct, reestimate_norms
from openwork.report.compression import network_sizes

DENSITY = 0.2
CALIBRATION = 500


@dataclass(frozen=True)
class Case:
    """How a network is trained on.

    Attributes:
        recipe: how.
        damaged: whether with all 54,000 images, or with the 4,000 lossless ones alone.
        allowed: points that it may lose.
    """

    recipe: Recipe
    damaged: bool
    allowed: float


NETWORKS = {"ResNet-20": pretrained_resnet20, "ResNet-56": pretrained_resnet56}
CASES = {
    "ResNet-20": Case(Recipe(epochs=1, rate=0.02, teaching=0.9), damaged=True, allowed=1.5),
    "ResNet-56": Case(Recipe(epochs=5, rate=0.02, teaching=0.9), damaged=False, allowed=1.0),
}


def images(damaged: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Training images, uint8 [images, 3, 32, 32], and labels: 4,000 lossless ones, behind 50,000 others if they are wanted."""
    lossless = np.load(data_path("cifar10/cifar10_train4000_lossless.npz"))
    values, labels = [lossless["x"]], [lossless["y"]]
    if damaged:
        archive = np.load(data_path("cifar10/cifar10_train_jpeg_lossy.npz"))
        content = archive["bytes"].tobytes()
        parts = (content[start:end] for start, end in pairwise(archive["offsets"]))
        values.insert(0, np.stack([np.asarray(Image.open(io.BytesIO(part)).convert("RGB")) for part in parts]))
        labels.insert(0, archive["y"])
    return (
        torch.tensor(np.concatenate(values).transpose(0, 3, 1, 2)),
        torch.tensor(np.concatenate(labels).astype(np.int64)),
    )


def augment(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images moved by up to four pixels, half of them mirrored, normalized."""
    mean, deviation = (torch.tensor(numbers)[:, None, None] for numbers in (CIFAR_MEAN, CIFAR_DEVIATION))
    padded = functional.pad((values / 255 - mean) / deviation, (4, 4, 4, 4))
    places = torch.randint(0, 9, (len(values), 2), generator=generator).tolist()
    moved = torch.stack([image[:, y : y + 32, x : x + 32] for image, (y, x) in zip(padded, places, strict=True)])
    mirrored = torch.rand(len(values), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


def main() -> None:
    """Prune and measure, train on and measure, for the networks that were named or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"networks: {', '.join(CASES)}")
    test, lossless = cifar10("test1000", normalized=True), cifar10("train4000", normalized=True).inputs
    calibration = lossless[:: len(lossless) // CALIBRATION]
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().names or CASES:
        case, dense = CASES[name], NETWORKS[name]()
        before = float_accuracy(dense, test.inputs, test.labels)
        pruned = reconstruct(dense, calibration, DENSITY, progress=counting)
        reestimate_norms(pruned.model, lossless)
        for step in ("reconstructed", "trained on"):
            if step == "trained on":
                fit(
                    pruned.model.train(),
                    *images(case.damaged),
                    case.recipe,
                    masks=pruned.masks,
                    teacher=dense,
                    augment=augment,
                    checkpoint=CHECKPOINTS / f"{name}.pt",
                    progress=counting,
                )
                reestimate_norms(pruned.model, lossless)
            network = quantized(pruned.model, calibration)
            after = int8_accuracy(network, test.inputs, test.labels)
            found = figures([before], [after], case.allowed, len(test.inputs), pruned.density, network_sizes(network))
            record(RECORD, f"{name}, CIFAR-10: {step}, then int8", found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
