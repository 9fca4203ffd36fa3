"""SqueezeNet 1.0 with the weights of Deep Compression: a third of them not 0."""

import numpy as np
import torch
from torch import nn

from openwork.models.shared_data import data_path

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
    archive = np.load(data_path("squeezenet/squeezenet1.0_deepcompression_decoded.npz"))
    model.load_state_dict({name: torch.tensor(archive[name]) for name in model.state_dict()})
    return model.eval()
