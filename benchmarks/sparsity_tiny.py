"""MLPerf Tiny's ResNet-8 and DS-CNN: the sparsest of a few densities at which int8 still meets the benchmark's accuracy.

Each is reconstructed and trained on, but for the first layer, with the dense network as only teacher: ResNet-8 with 4,000
CIFAR-10 training images, DS-CNN with 200 of the 1,000 words that there are, both without their labels.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sparsity import CHECKPOINTS, RECORD, Figure, counting, figures, float_accuracy, int8_accuracy, origin, record
from torch.nn import functional

from openwork.frontend import import_module
from openwork.models.catalogue import SUBJECTS, Subject
from openwork.models.shared_data import cifar10, keywords
from openwork.pruning import Recipe, fit, reconstruct
from openwork.quantization import TrainableNetwork, quantize
from openwork.report.compression import network_sizes

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def moved(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by up to two pixels, zeros behind it, and half of them mirrored."""
    height, width = values.shape[2:]
    places = torch.randint(0, 5, (len(values), 2), generator=generator).tolist()
    padded = functional.pad(values, (2, 2, 2, 2))
    images = torch.stack([one[:, y : y + height, x : x + width] for one, (y, x) in zip(padded, places, strict=True)])
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def mixed_words(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each word earlier or later by up to two frames, the first or last one repeated, and up to half of it another word."""
    frames = torch.arange(values.shape[2])
    shifts = torch.randint(-2, 3, (len(values),), generator=generator).tolist()
    shifted = torch.stack(
        [one[:, (frames + shift).clamp(0, len(frames) - 1)] for one, shift in zip(values, shifts, strict=True)]
    )
    shares = torch.rand(len(values), 1, 1, 1, generator=generator) / 2
    return shifted + (shifted.flip(0) - shifted) * shares


@dataclass(frozen=True, eq=False)
class Case:
    """A network, what it learns from, and the accuracy that the benchmark wants.

    Attributes:
        wanted: in %.
        densities: that are tried, falling.
    """

    subject: Subject
    training: torch.Tensor
    augment: Augment
    recipe: Recipe
    wanted: float
    densities: tuple[float, ...]


def resnet8() -> Case:
    """CIFAR-10 images, from 0 to 255."""
    training = cifar10("train4000", normalized=False).inputs
    recipe = Recipe(epochs=10, rate=2e-3, batch=64)
    return Case(SUBJECTS["ResNet-8, MLPerf Tiny"](1000), training, moved, recipe, 85.0, (0.5, 0.4, 0.3, 0.2))


def ds_cnn() -> Case:
    """Spoken words; all 1,000 are the test, as the benchmark has it."""
    subject, words = SUBJECTS["DS-CNN, MLPerf Tiny"](1000), keywords()
    whole = Subject(subject.model, subject.calibration, words.inputs, words.labels)
    recipe = Recipe(epochs=100, rate=1e-3, batch=50)
    return Case(whole, subject.calibration, mixed_words, recipe, 90.0, (0.9, 0.8, 0.7, 0.6, 0.5, 0.4))


CASES = {"ResNet-8": resnet8, "DS-CNN": ds_cnn}


def measure(name: str, case: Case) -> None:
    """Try the densities until one does not meet what is wanted; the record holds the last that does, or the first."""
    subject = case.subject
    assert subject.labels is not None
    calibration = subject.calibration[:200]
    dense = TrainableNetwork(import_module(subject.model, calibration[:2]))
    before = float_accuracy(subject.model, subject.inputs, subject.labels)
    names = [layer for layer in dense.learned if dense.get_parameter(f"{layer}.weight").shape[1] > 1]  # not depthwise
    kept: list[Figure] = []
    for density in case.densities:
        pruned = reconstruct(dense, calibration, density, names, counting)
        assert isinstance(pruned.model, TrainableNetwork)
        # Inputs up to 255 make weights so small that a step of this rate, which suits the other layers, is as large.
        pruned.model.get_submodule(dense.learned[0]).requires_grad_(False)
        path = CHECKPOINTS / f"{name} {density}.pt"
        fit(
            pruned.model, case.training, None, case.recipe, masks=pruned.masks, teacher=dense, augment=case.augment,
            checkpoint=path, progress=counting,
        )  # fmt: skip
        with torch.no_grad():
            network = quantize(pruned.model.network, calibration, error_aware=True)
        after = int8_accuracy(network, subject.inputs, subject.labels)
        print(f"{name}, {density:.0%} dense: {after:.2f} %", flush=True)
        if kept and after < case.wanted:
            break
        stay = sum(int(mask.sum()) for mask in pruned.model.masks().values())
        share = stay / sum(mask.numel() for mask in pruned.model.masks().values())
        kept = figures([before], [after], before - case.wanted, len(subject.inputs), share, network_sizes(network))
        record(RECORD, f"{name}, MLPerf Tiny: sparsest that meets {case.wanted:g} %", kept)
        if after < case.wanted:
            break


def main() -> None:
    """Measure the networks that were named, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"networks: {', '.join(CASES)}")
    origin()
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().names or CASES:
        measure(name, CASES[name]())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
