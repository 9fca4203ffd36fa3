"""The recipe for ResNet-50 on ImageNet: gradual pruning with the dense network as teacher, then int8. Wants a GPU, and days.

FOLDER has train/ and val/, each with a folder of images for every class, whose names in order are the classes 0, 1, 2, ...
WEIGHTS is a state dict of torchvision's ResNet-50, as `.safetensors` or as `torch.save` writes it. For example:

    python benchmarks/sparsity_resnet50.py imagenet/ resnet50.safetensors --density 0.2 --epochs 30 -o pruned.pt2
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sparsity import counting

from openwork.files import write_whole
from openwork.models.resnet50_norms import resnet50
from openwork.models.shared_data import CIFAR_DEVIATION, CIFAR_MEAN, DataError
from openwork.pruning import PruningError, Recipe, fit, gradual

MARGIN = 32
"""Pixels that an image is larger than what is cut out of it."""


class Images:
    """The images of a folder, read when they are asked for: uint8 [images, 3, size, size], the middle of each."""

    def __init__(self, folder: Path, size: int) -> None:
        classes = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        pairs = [(path, label) for label, one in enumerate(classes) for path in sorted(one.iterdir())]
        if not pairs:
            raise DataError(f"{folder} has no folders with images: name one with a folder for every class in it")
        self.paths = [path for path, _ in pairs]
        self.labels = torch.tensor([label for _, label in pairs])
        self.size = size
        self.pool = ThreadPoolExecutor()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, chosen: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(self.pool.map(self._read, chosen.tolist())))

    def _read(self, number: int) -> torch.Tensor:
        image = Image.open(self.paths[number]).convert("RGB")
        scale = self.size / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
        left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
        return torch.tensor(np.asarray(image.crop((left, top, left + self.size, top + self.size)))).permute(2, 0, 1)


def normalized(values: torch.Tensor) -> torch.Tensor:
    """Images from 0 to 255 as the network takes them."""
    mean, deviation = (torch.tensor(numbers)[:, None, None] for numbers in (CIFAR_MEAN, CIFAR_DEVIATION))
    return (values / 255 - mean) / deviation


def augment(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A part of each image, without its margin, half of them mirrored, normalized."""
    size = values.shape[2] - MARGIN
    places = torch.randint(0, MARGIN + 1, (len(values), 2), generator=generator).tolist()
    parts = torch.stack([image[:, y : y + size, x : x + size] for image, (y, x) in zip(values, places, strict=True)])
    mirrored = torch.rand(len(values), generator=generator) < 0.5
    return normalized(torch.where(mirrored[:, None, None, None], parts.flip(3), parts))


def accuracy(model: torch.nn.Module, images: Images) -> float:
    """Right answers in %."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    right = 0
    with torch.no_grad():
        for batch in counting([*range(0, len(images), 64)], "measuring"):
            chosen = torch.arange(batch, min(batch + 64, len(images)))
            answers = model(normalized(images[chosen]).to(device)).argmax(dim=1).cpu()
            right += int((answers == images.labels[chosen]).sum())
    model.cpu()
    return 100 * right / len(images)


def main() -> None:
    """Prune, train, measure, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .pt2 file to write")
    parser.add_argument("--density", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=30, help="half of them prune, half train on")
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=224, help="pixels of an image's side")
    parser.add_argument("--checkpoint", type=Path, help="file that an interrupted training goes on from")
    options = parser.parse_args()
    try:
        dense, model = resnet50(options.weights), resnet50(options.weights).train()
        train = Images(options.folder / "train", options.size + MARGIN)
        test = Images(options.folder / "val", options.size)
        recipe = Recipe(options.epochs, options.rate, options.batch, teaching=0.5)
        names = [
            name for name, module in model.named_modules() if isinstance(module, torch.nn.Conv2d) and name != "conv1"
        ]
        steps = max(1, recipe.steps(len(train)) // 2)
        pruner = gradual(model, options.density, steps, every=100, scope="global", names=[*names, "fc"])
        fit(
            model, train, train.labels, recipe, pruner=pruner, teacher=dense, augment=augment, checkpoint=options.checkpoint,
            progress=counting,
        )  # fmt: skip
        pruned = pruner.finish()
        content = BytesIO()
        torch.export.save(pruned.export(normalized(test[torch.arange(1)])), content)
        write_whole(options.output, content.getvalue())
        print(pruned)
        print(
            f"density {pruned.density:.3f}: dense {accuracy(dense, test):.2f} %, sparse {accuracy(model, test):.2f} %"
        )
    except (DataError, PruningError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
