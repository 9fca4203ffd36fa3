"""Convolutions that are padded as TensorFlow does it: outputs are inputs / stride, rounded up, and the odd zero is behind."""

import torch
from torch import nn
from torch.nn import functional


class SameConv2d(nn.Conv2d):
    """`nn.Conv2d` with TensorFlow's padding SAME, which for a stride of 2 is not the same on both sides."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, rows, ceil(height / stride), ceil(width / stride)]."""
        sides: list[int] = []
        for axis in (1, 0):  # width first, as `pad` wants it
            size, kernel, stride = input.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            sides += [total // 2, total - total // 2]
        return super().forward(functional.pad(input, sides) if any(sides) else input)
