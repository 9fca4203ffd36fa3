"""ResNet-50 as it is trained: with batch norm, and with the names that published weights have."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from openwork.models.resnet50 import BLOCKS, WIDTHS
from openwork.models.shared_data import DataError, reading


class Bottleneck(nn.Module):
    """Narrower, 3 x 3, wider, each with its batch norm, and the sum with the input."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = nn.Sequential()
        if channels != 4 * width:
            projection = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(4 * width))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, 4 x width, height / stride, width / stride]."""
        maps = functional.relu(self.bn1(self.conv1(inputs)))
        maps = functional.relu(self.bn2(self.conv2(maps)))
        return functional.relu(self.bn3(self.conv3(maps)) + self.downsample(inputs))


class ResNet50WithNorms(nn.Module):
    """Normalized images [batch, 3, height, width] to 1,000 scores."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        channels = 64
        for number, (blocks, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
            members = nn.Sequential()
            for index in range(blocks):
                members.append(Bottleneck(channels, width, 2 if number and not index else 1))
                channels = 4 * width
            self.add_module(f"layer{number + 1}", members)
        self.fc = nn.Linear(channels, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The scores."""
        maps = self.maxpool(functional.relu(self.bn1(self.conv1(images))))
        for number in range(len(BLOCKS)):
            maps = self.get_submodule(f"layer{number + 1}")(maps)
        scores: torch.Tensor = self.fc(maps.mean(dim=(2, 3)))
        return scores


def resnet50(weights: Path) -> ResNet50WithNorms:
    """With weights from a file, `.safetensors` or a state dict of `torch.save`.

    Raises:
        DataError: the file is missing, or holds the weights of another network.
    """
    if not weights.exists():
        raise DataError(f"there is no {weights}: name a file of weights with the names of torchvision's ResNet-50")
    model = ResNet50WithNorms()
    with reading(weights):
        tensors = load_file(weights) if weights.suffix == ".safetensors" else torch.load(weights, weights_only=True)
    try:
        model.load_state_dict(tensors)
    except (RuntimeError, TypeError) as error:
        raise DataError(f"{weights} is no ResNet-50: {str(error).splitlines()[-1].strip()}") from None
    return model.eval()
