"""ResNet-20 and ResNet-56 on CIFAR-10 at 20 % density: reconstructed, trained on with the dense network as teacher, int8.

They are trained on with the 4,000 lossless training images that there are. The other 50,000 have been damaged by JPEG, and what is
learned from those does not help with images that are not.
"""

import argparse
from dataclasses import dataclass

import torch
from sparsity import CHECKPOINTS, RECORD, counting, figures, float_accuracy, int8_accuracy, origin, quantized, record
from torch.nn import functional

from openwork.models.cifar_resnet import pretrained_resnet20, pretrained_resnet56
from openwork.models.shared_data import cifar10
from openwork.pruning import Recipe, fit, reconstruct, reestimate_norms
from openwork.report.compression import network_sizes

DENSITY = 0.2
CALIBRATION = 500


@dataclass(frozen=True)
class Case:
    """How a network is trained on.

    Attributes:
        recipe: how.
        allowed: points that it may lose.
    """

    recipe: Recipe
    allowed: float


NETWORKS = {"ResNet-20": pretrained_resnet20, "ResNet-56": pretrained_resnet56}
CASES = {
    "ResNet-20": Case(Recipe(epochs=10, rate=3e-3, batch=64, teaching=0.9), allowed=1.5),
    "ResNet-56": Case(Recipe(epochs=5, rate=3e-3, batch=64, teaching=0.9), allowed=1.0),
}


def augment(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images moved by up to four pixels, half of them mirrored."""
    padded = functional.pad(values, (4, 4, 4, 4))
    places = torch.randint(0, 9, (len(values), 2), generator=generator).tolist()
    moved = torch.stack([image[:, y : y + 32, x : x + 32] for image, (y, x) in zip(padded, places, strict=True)])
    mirrored = torch.rand(len(values), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


def main() -> None:
    """Prune and measure, train on and measure, for the networks that were named or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"networks: {', '.join(CASES)}")
    origin()
    test, train = cifar10("test1000", normalized=True), cifar10("train4000", normalized=True)
    calibration = train.inputs[:: len(train.inputs) // CALIBRATION]
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().names or CASES:
        case, dense = CASES[name], NETWORKS[name]()
        dense.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster, and torch has no type for it
        before = float_accuracy(dense, test.inputs, test.labels)
        pruned = reconstruct(dense, calibration, DENSITY, progress=counting)
        for step in ("reconstructed", "trained on"):
            if step == "reconstructed":
                reestimate_norms(pruned.model, train.inputs)
            else:
                fit(
                    pruned.model.train(),
                    train.inputs,
                    train.labels,
                    case.recipe,
                    masks=pruned.masks,
                    teacher=dense,
                    augment=augment,
                    checkpoint=CHECKPOINTS / f"{name}.pt",
                    progress=counting,
                )
            network = quantized(pruned.model, calibration)
            after = int8_accuracy(network, test.inputs, test.labels)
            found = figures([before], [after], case.allowed, len(test.inputs), pruned.density, network_sizes(network))
            record(RECORD, f"{name}, CIFAR-10: {step}, then int8", found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
