"""Weights and labelled inputs that are too large or not ours to keep in the project: found in a folder, never committed.

The folder is named by the environment variable OPENWORK_DATA, or is `shared/data` beside the project's own folder; its
README says where everything comes from.
"""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from openwork_hw.arch.refusal import Refusal

CIFAR_MEAN, CIFAR_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

MFCC_SCALE, MFCC_ZERO_POINT = 0.5847029, 83
"""What the integers of the keyword data stand for: the input scale of the int8 reference model."""


class DataError(Refusal):
    """Weights or data that are not there; the message says which and how to name their folder."""


@contextmanager
def reading(path: Path) -> Iterator[Path]:
    """What a damaged file of weights or data makes its reader stumble over becomes a sentence.

    Raises:
        DataError: for every exception.
    """
    try:
        yield path
    except DataError:
        raise
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise DataError(f"{path} is not whole, or of another kind: {type(error).__name__}: {first}") from None


def read_archive(name: str) -> dict[str, NDArray[Any]]:
    """All arrays of a `.npz` file of the folder, by name.

    Raises:
        DataError: the file is not there, or not whole.
    """
    with reading(data_path(name)) as path, np.load(path) as archive:
        return dict(archive)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Inputs float32 [inputs, ...] as a model takes them, and labels int64 [inputs]."""

    inputs: torch.Tensor
    labels: torch.Tensor


def data_folder() -> Path:
    """The folder of shared weights and data, which may not exist."""
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    return Path(os.environ.get("OPENWORK_DATA", beside))


def data_path(name: str) -> Path:
    """A file of the folder.

    Raises:
        DataError: it is not there.
    """
    path = data_folder() / name
    if not path.exists():
        raise DataError(f"there is no {path}: set OPENWORK_DATA to the folder that holds {Path(name).parts[0]}")
    return path


def mnist(part: str) -> Labelled:
    """Digits [images, 1, 28, 28] from 0 to 1; `part` is train (60,000) or test (10,000)."""
    archive = read_archive("mnist/mnist.npz")
    images = torch.tensor(archive[f"x_{part}"], dtype=torch.float32)[:, None] / 255
    return Labelled(images, _labels(archive[f"y_{part}"]))


def cifar10(part: str, normalized: bool) -> Labelled:
    """Lossless CIFAR-10 images [images, 3, 32, 32]; `part` is train4000 or test1000.

    Not normalized they are from 0 to 255, else as most networks are trained on them.
    """
    archive = read_archive(f"cifar10/cifar10_{part}_lossless.npz")
    images = torch.tensor(archive["x"], dtype=torch.float32)
    if normalized:
        images = (images / 255 - torch.tensor(CIFAR_MEAN)) / torch.tensor(CIFAR_DEVIATION)
    return Labelled(images.permute(0, 3, 1, 2).contiguous(), _labels(archive["y"]))


def keywords() -> Labelled:
    """1,000 spoken words as MFCCs [words, 1, 49, 10], of 12 classes."""
    archive = read_archive("mlperf_tiny/kws01_1000_mfcc_int8.npz")
    real = MFCC_SCALE * (archive["x"].astype(np.float32) - MFCC_ZERO_POINT)
    return Labelled(torch.tensor(real)[:, None], _labels(archive["y"]))


def imagenet(first: int, count: int) -> Labelled:
    """Photographs [images, 3, 224, 224], RGB from 0 to 255, `count` of 1,000 from number `first` on."""
    from PIL import Image  # only these images are JPEGs

    with data_path("imagenet/nips2017_labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[first : first + count]
    folder = data_path("imagenet/nips2017_224")
    images = np.stack([np.asarray(Image.open(folder / row["file"]).convert("RGB")) for row in rows])
    return Labelled(
        torch.tensor(images, dtype=torch.float32).permute(0, 3, 1, 2).contiguous(),
        torch.tensor([int(row["index"]) for row in rows]),
    )


def _labels(values: NDArray[Any]) -> torch.Tensor:
    return torch.tensor(values.astype(np.int64))
