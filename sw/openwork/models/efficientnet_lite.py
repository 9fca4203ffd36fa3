"""EfficientNet-Lite0: inverted residuals with depthwise convolutions, ReLU6, no squeeze-and-excite."""

import torch
from safetensors.torch import load_file
from torch import nn

from openwork.models.same_padding import SameConv2d
from openwork.models.shared_data import data_path, reading
from openwork.pruning import prune_model, reestimate_norms

STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
"""Blocks, kernel, stride of the first block, expansion, channels, rows."""

NORM_EPS = 1e-3


class Block(nn.Module):
    """Wider, depthwise, narrower; added to its input where that has the same shape."""

    def __init__(self, channels: int, rows: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.adds = stride == 1 and channels == rows
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=NORM_EPS)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, eps=NORM_EPS)
        self._project_conv = nn.Conv2d(wide, rows, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(rows, eps=NORM_EPS)
        self._relu6 = nn.ReLU6()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, rows, height / stride, width / stride]."""
        wide = self._relu6(self._bn0(self._expand_conv(inputs))) if self.expands else inputs
        wide = self._relu6(self._bn1(self._depthwise_conv(wide)))
        outputs: torch.Tensor = self._bn2(self._project_conv(wide))
        return outputs + inputs if self.adds else outputs


class EfficientNetLite0(nn.Module):
    """Images as `lite_images` gives them [batch, 3, 224, 224] to 1,000 scores; names are those of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=NORM_EPS)
        self._blocks = nn.Sequential(
            *(
                Block(rows if index else channels, rows, kernel, 1 if index else stride, expansion)
                for blocks, kernel, stride, expansion, channels, rows in STAGES
                for index in range(blocks)
            )
        )
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=NORM_EPS)
        self._relu6 = nn.ReLU6()
        self._pool = nn.AdaptiveAvgPool2d(1)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The scores."""
        maps = self._blocks(self._relu6(self._bn0(self._conv_stem(images))))
        maps = self._pool(self._relu6(self._bn1(self._conv_head(maps))))
        scores: torch.Tensor = self._fc(maps.flatten(1))
        return scores


def lite_images(images: torch.Tensor) -> torch.Tensor:
    """RGB images from 0 to 255 as the network takes them."""
    return (images - 127) / 128


def pretrained_efficientnet_lite0() -> nn.Module:
    """With its published weights."""
    model = EfficientNetLite0()
    with reading(data_path("efficientnet_lite0/efficientnet_lite0_fp16w.safetensors")) as path:
        tensors = load_file(path)
        model.load_state_dict({name: values.to(model.state_dict()[name].dtype) for name, values in tensors.items()})
    return model.eval()


def pruned_efficientnet_lite0(images: torch.Tensor, density: float = 0.5) -> nn.Module:
    """The published weights, pruned by magnitude in one shot: of the convolutions of one tap and the classifier together.

    The other layers hold 4 % of the weights, and stay. The statistics of the batch norms are measured again, on `images`;
    nothing is trained.
    """
    model = pretrained_efficientnet_lite0()
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))
    ]
    pruned = prune_model(model, density, "global", names=names).model
    reestimate_norms(pruned, images)
    return pruned
