"""The linear layers of a transformer's encoder, with the masks of a really pruned one; the values are seeded.

Tokens take the place of pixels: a sequence is a map in whose pixels it is laid out, and a linear layer a convolution of one tap.
"""

from math import sqrt

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from openwork.models.shared_data import read_archive

LAYERS = 6
WIDTH, WIDE = 512, 2048


class EncoderLayer(nn.Module):
    """Six linear layers and two residuals.

    What lies between is left out, for it is not linear with fixed weights: layer norms, and attention, in whose place the sum of
    query, key and value of each token stands.
    """

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Conv2d(WIDTH, WIDTH, 1, bias=False) for _ in range(4))
        self.wider = nn.Conv2d(WIDTH, WIDE, 1, bias=False)
        self.narrower = nn.Conv2d(WIDE, WIDTH, 1, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, width, tokens down, tokens across]."""
        mixed = self.query(tokens) + self.key(tokens) + self.value(tokens)
        tokens = tokens + self.output(mixed)
        outputs: torch.Tensor = tokens + self.narrower(functional.relu(self.wider(tokens)))
        return outputs


def masked_encoder(seed: int = 60) -> nn.Module:
    """Tokens [batch, 512, down, across] to as many; magnitude-pruned to 90 %, with values that keep maps near their size."""
    masks = read_archive("dlmc/transformer_magnitude_pruning_0.9.npz")
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(*(EncoderLayer() for _ in range(LAYERS)))
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        key = collection_name(name)
        rows, columns = (int(size) for size in masks[f"{key}__shape"])
        mask = torch.tensor(np.unpackbits(masks[key], count=rows * columns)).reshape(rows, columns, 1, 1)
        gain = {"query": 1 / 3, "key": 1 / 3, "value": 1 / 3, "wider": 2.0}.get(name.rpartition(".")[2], 0.125)
        values = torch.randn(mask.shape, generator=generator) * sqrt(gain * rows / int(mask.sum()))
        module.weight.detach().copy_(values * mask)
    return model.eval()


def collection_name(module: str) -> str:
    """What the collection of masks calls a layer.

    >>> collection_name("2.query"), collection_name("0.wider")
    ('body_encoder_layer_2_self_attention_multihead_attention_q_fully_connected', 'body_encoder_layer_0_ffn_conv1_fully_connected')
    """
    layer, _, part = module.partition(".")
    attention = {"query": "q", "key": "k", "value": "v", "output": "output_transform"}
    if part in attention:
        where = f"self_attention_multihead_attention_{attention[part]}"
    else:
        where = f"ffn_{'conv1' if part == 'wider' else 'conv2'}"
    return f"body_encoder_layer_{layer}_{where}_fully_connected"
