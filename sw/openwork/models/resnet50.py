"""ResNet-50 with the masks of a really pruned one; the values are seeded, for the collection that holds the masks has none."""

from math import sqrt

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from openwork.models.shared_data import read_archive

BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)


class Bottleneck(nn.Module):
    """Narrower, 3 x 3, wider, and the sum with the input, which goes through a layer of its own where the shape changes."""

    def __init__(self, channels: int, width: int, stride: int, projects: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 1)
        self.second = nn.Conv2d(width, width, 3, stride, padding=1)
        self.third = nn.Conv2d(width, 4 * width, 1)
        self.projection = nn.Conv2d(channels, 4 * width, 1, stride) if projects else nn.Identity()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, 4 x width, height / stride, width / stride]."""
        outputs = self.third(functional.relu(self.second(functional.relu(self.first(inputs)))))
        return functional.relu(outputs + self.projection(inputs))


class ResNet50(nn.Module):
    """Normalized images [batch, 3, 224, 224] to 1,000 scores; batch norm would be folded, so there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.initial_conv = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.groups = nn.ModuleList()
        channels = 64
        for group, (blocks, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
            members = nn.Sequential()
            for index in range(blocks):
                members.append(Bottleneck(channels, width, 2 if group and not index else 1, projects=not index))
                channels = 4 * width
            self.groups.append(members)
        self.final_dense = nn.Linear(channels, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The scores."""
        maps = self.pool(functional.relu(self.initial_conv(images)))
        for group in self.groups:
            maps = group(maps)
        scores: torch.Tensor = self.final_dense(maps.mean(dim=(2, 3)))
        return scores


def masked_resnet50(sparsity: float, seed: int = 50) -> nn.Module:
    """With the masks of magnitude pruning to `sparsity`, 0.8 or 0.9, or dense: 0; seeded values keep maps at their size."""
    masks = read_archive(f"dlmc/rn50_magnitude_pruning_{sparsity}.npz") if sparsity else {}
    generator = torch.Generator().manual_seed(seed)
    model = ResNet50()
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        key = collection_name(name)
        shape = module.weight.shape
        rows = len(module.weight)
        mask = torch.ones(shape)
        if sparsity:
            mask = torch.tensor(np.unpackbits(masks[key], count=mask.numel()))
            if len(shape) == 4:  # the collection's columns are kernel row, kernel column, channel
                mask = mask.reshape(rows, shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)
        gain = sqrt(0.5 if name.endswith(("third", "projection")) else 2.0)
        values = torch.randn(shape, generator=generator) * (gain / sqrt(int(mask.sum()) / rows))
        module.weight.detach().copy_(values * mask.reshape(shape))
        if module.bias is not None:
            module.bias.detach().zero_()
    return model.eval()


def collection_name(module: str) -> str:
    """What the collection of masks calls a layer.

    >>> collection_name("groups.2.0.second"), collection_name("groups.2.1.third"), collection_name("final_dense")
    ('bottleneck_2_block_group_projection_block_group3', 'bottleneck_3_block_group3_1_1', 'final_dense')
    """
    if not module.startswith("groups."):
        return module
    _, group, block, layer = module.split(".")
    part = {"first": "1", "second": "2", "third": "3", "projection": "projection"}[layer]
    where = f"projection_block_group{int(group) + 1}" if block == "0" else f"{int(group) + 1}_{block}_1"
    return f"bottleneck_{part}_block_group{'_' if block == '0' else ''}{where}"
