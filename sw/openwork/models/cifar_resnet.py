"""The CIFAR-10 ResNets of He et al. with parameterless shortcuts: every second pixel, and channels of zeros."""

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from openwork.models.shared_data import DataError, data_path, reading


class BasicBlock(nn.Module):
    """Two convolutions and the sum with their input."""

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, rows, 3, rows // channels, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(rows)
        self.conv2 = nn.Conv2d(rows, rows, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(rows)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, rows, height, width], height and width halved where the rows are twice the channels."""
        outputs = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(inputs)))))
        missing = outputs.shape[1] - inputs.shape[1]
        if missing:
            inputs = functional.pad(inputs[:, :, ::2, ::2], (0, 0, 0, 0, missing // 2, missing // 2))
        return functional.relu(outputs + inputs)


class CifarResNet(nn.Module):
    """Normalized CIFAR-10 images [batch, 3, 32, 32] to 10 scores; 6 x `blocks` + 2 layers."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(BasicBlock(16, 16) for _ in range(blocks)))
        self.layer2 = nn.Sequential(*(BasicBlock(32 if index else 16, 32) for index in range(blocks)))
        self.layer3 = nn.Sequential(*(BasicBlock(64 if index else 32, 64) for index in range(blocks)))
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The scores."""
        maps = functional.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        scores: torch.Tensor = self.linear(maps.mean(dim=(2, 3)))
        return scores


def pretrained_resnet20() -> nn.Module:
    """20 layers, with their published weights."""
    return _pretrained(20)


def pretrained_resnet56() -> nn.Module:
    """56 layers, with their published weights."""
    return _pretrained(56)


def _pretrained(depth: int) -> nn.Module:
    model = CifarResNet((depth - 2) // 6)
    with reading(data_path(f"cifar10_resnets/resnet{depth}_cifar10_fp32.safetensors")) as path:
        missing, unexpected = model.load_state_dict(load_file(path), strict=False)
    if unexpected or any("num_batches_tracked" not in name for name in missing):
        raise DataError(f"the weights of ResNet-{depth} are others: {unexpected} too many, {missing} missing")
    return model.eval()
