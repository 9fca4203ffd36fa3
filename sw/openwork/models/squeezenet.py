"""SqueezeNet 1.0 with the weights of Deep Compression: a third of them not 0."""

import torch
from torch import nn

from openwork.models.shared_data import CIFAR_DEVIATION as IMAGENET_DEVIATION
from openwork.models.shared_data import CIFAR_MEAN as IMAGENET_MEAN
from openwork.models.shared_data import read_archive

CAFFE_MEAN = (104.0, 117.0, 123.0)
"""Of blue, green and red, subtracted from images from 0 to 255."""


class Fire(nn.Module):
    """A narrow 1 x 1 layer, and what a 1 x 1 and a 3 x 3 layer make of it, one behind the other."""

    def __init__(self, channels: int, narrow: int, rows: int) -> None:
        super().__init__()
        self.conv1x1_1 = nn.Conv2d(channels, narrow, 1)
        self.conv1x1_2 = nn.Conv2d(narrow, rows, 1)
        self.conv3x3_2 = nn.Conv2d(narrow, rows, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, 2 x rows, height, width]."""
        squeezed = self.relu(self.conv1x1_1(inputs))
        return torch.cat([self.relu(self.conv1x1_2(squeezed)), self.relu(self.conv3x3_2(squeezed))], dim=1)


class SqueezeNet(nn.Module):
    """Images as `caffe_images` gives them [batch, 3, 224, 224] to 1,000 scores."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, stride=2)
        self.fire2, self.fire3, self.fire4 = Fire(96, 16, 64), Fire(128, 16, 64), Fire(128, 32, 128)
        self.fire5, self.fire6, self.fire7 = Fire(256, 32, 128), Fire(256, 48, 192), Fire(384, 48, 192)
        self.fire8, self.fire9 = Fire(384, 64, 256), Fire(512, 64, 256)
        self.conv_final = nn.Conv2d(512, 1000, 1)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.relu = nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The scores."""
        maps = self.pool(self.relu(self.conv1(images)))
        maps = self.pool(self.fire4(self.fire3(self.fire2(maps))))
        maps = self.pool(self.fire8(self.fire7(self.fire6(self.fire5(maps)))))
        scores: torch.Tensor = self.relu(self.conv_final(self.fire9(maps))).mean(dim=(2, 3))
        return scores


def caffe_images(images: torch.Tensor) -> torch.Tensor:
    """RGB images from 0 to 255 in the order blue, green, red, with their mean subtracted."""
    return images.flip(1) - torch.tensor(CAFFE_MEAN)[:, None, None]


def pretrained_squeezenet() -> nn.Module:
    """With its published weights; those that were pruned are 0."""
    model = SqueezeNet()
    archive = read_archive("squeezenet/squeezenet1.0_deepcompression_decoded.npz")
    model.load_state_dict({name: torch.tensor(archive[name]) for name in model.state_dict()})
    return model.eval()


class SqueezeNet11(nn.Module):
    """SqueezeNet 1.1: fewer products, and pooled earlier; images as `imagenet_images` gives them to 1,000 scores.

    Modules are called as in the published weights: ``conv0`` to ``conv25`` in the order in which they run.
    """

    STAGES = ((1, 2), (3, 4), (5, 6, 7, 8))
    """Fire modules by number, after each pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(3, 64, 3, stride=2)
        channels = 64
        for number, narrow in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
            rows = 4 * narrow
            self.add_module(f"conv{3 * number + 1}", nn.Conv2d(channels, narrow, 1))
            self.add_module(f"conv{3 * number + 2}", nn.Conv2d(narrow, rows, 1))
            self.add_module(f"conv{3 * number + 3}", nn.Conv2d(narrow, rows, 3, padding=1))
            channels = 2 * rows
        self.conv25 = nn.Conv2d(512, 1000, 1)
        self.pool = nn.MaxPool2d(3, 2)
        self.relu = nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The scores."""
        maps = self.relu(self.conv0(images))
        for stage in self.STAGES:
            maps = self.pool(maps)
            for fire in stage:
                squeeze, one, three = (self.get_submodule(f"conv{3 * fire + place}") for place in (-2, -1, 0))
                squeezed = self.relu(squeeze(maps))
                maps = torch.cat([self.relu(one(squeezed)), self.relu(three(squeezed))], dim=1)
        scores: torch.Tensor = self.relu(self.conv25(maps)).mean(dim=(2, 3))
        return scores


def imagenet_images(images: torch.Tensor) -> torch.Tensor:
    """RGB images from 0 to 255, normalized as most networks are trained on them."""
    mean, deviation = (torch.tensor(numbers)[:, None, None] for numbers in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (images / 255 - mean) / deviation


def pretrained_squeezenet11() -> nn.Module:
    """With its published weights, dense."""
    model = SqueezeNet11()
    archive = read_archive("squeezenet/squeezenet1.1_fp32.npz")
    model.load_state_dict({name: torch.tensor(archive[name]) for name in model.state_dict()})
    return model.eval()
