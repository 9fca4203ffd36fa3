"""Handwritten digits through twelve numbers and back: a map becomes a vector, and a vector a map."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional

from openwork.models import digits
from openwork.progress import Progress, silent

LATENT = 12


def build(seed: int = 0) -> nn.Sequential:
    """The untrained model, float32 [images, 1, 8, 8] to the same; 8,736 weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            OrderedDict(
                narrow=nn.Sequential(
                    nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
                ),
                flatten=nn.Flatten(),
                encode=nn.Linear(16 * 4 * 4, LATENT),
                decode=nn.Sequential(nn.Linear(LATENT, 16 * 4 * 4), nn.ReLU()),
                map=nn.Unflatten(1, (16, 4, 4)),
                enlarge=nn.Upsample(scale_factor=2),
                wide=nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
                paint=nn.Conv2d(16, 1, 3, padding=1),
            )
        )


def train(seed: int = 0, epochs: int = 30, progress: Progress = silent) -> nn.Sequential:
    """The float model, trained; the same for the same seed on the same machine."""
    model = build(seed)
    digits.fit(model, {}, digits.load(), epochs, 8e-3, seed, progress, "training", _painted)
    return model


def _painted(outputs: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(outputs, images)
