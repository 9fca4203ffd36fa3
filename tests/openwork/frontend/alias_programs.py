"""Random small models that are full of aliases and in-place operators."""

import random
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

Change = Callable[[torch.Tensor], torch.Tensor | None]

VIEWS: dict[str, Change] = {
    "slice of channels": lambda x: x[:, :2],
    "slice of rows": lambda x: x[:, :, 2:],
    "every other pixel": lambda x: x[:, :, ::2, ::2],
    "flatten": lambda x: x.flatten(1),
    "view": lambda x: x.view(x.shape[0], -1, 2, x.shape[3]),
    "reshape": lambda x: x.reshape(x.shape[0], -1),
    "detach": lambda x: x.detach(),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(1, 0),
    "unbind": lambda x: x.unbind(1)[1],
    "chunk": lambda x: x.chunk(2, dim=1)[1],
    "split": lambda x: torch.split(x, 1, dim=1)[0],
    "transpose": lambda x: x.transpose(2, 3),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "expand_as": lambda x: x.expand_as(x),
    "squeeze": lambda x: x.unsqueeze(0).squeeze(0),
    "contiguous": lambda x: x.contiguous(),
    "dropout in eval mode": lambda x: functional.dropout(x, training=False),
    "dropout2d in eval mode": lambda x: functional.dropout2d(x, training=False),
    "identity": lambda x: x,
    "data": lambda x: x.data,
    "to": lambda x: x.to(x.dtype),
    "type_as": lambda x: x.type_as(x),
    "clone": lambda x: x.clone(),
    "relu": lambda x: functional.relu(x),
    "movedim": lambda x: x.movedim(1, 1),
    "view_as": lambda x: x.view_as(x),
    "unflatten": lambda x: torch.unflatten(x, 1, (1, -1)).flatten(1, 2),
    "diagonal": lambda x: x.diagonal(dim1=2, dim2=3),
    "as_strided": lambda x: x.as_strided((x.shape[0], 2), (x.stride(0), 1)),
}

CHANGES: dict[str, Change] = {
    "relu_": lambda x: functional.relu_(x),
    "relu inplace": lambda x: functional.relu(x, inplace=True),
    "relu6 inplace": lambda x: functional.relu6(x, inplace=True),
    "hardtanh_": lambda x: functional.hardtanh_(x, -0.5, 0.5),
    "clamp_": lambda x: x.clamp_(-0.25, 0.75),
    "clamp_min_": lambda x: x.clamp_min_(0.1),
    "mul_": lambda x: x.mul_(0.25),
    "add_": lambda x: x.add_(0.5),
    "add_ itself": lambda x: x.add_(x.clone()),
    "sub_": lambda x: x.sub_(0.5, alpha=1),
    "div_": lambda x: x.div_(4),
    "zero_": lambda x: x.zero_(),
    "fill_": lambda x: x.fill_(0.5),
    "copy_": lambda x: x.copy_(torch.zeros_like(x)),
    "neg_": lambda x: x.neg_(),
    "trunc_": lambda x: x.trunc_(),
    "remainder_": lambda x: x.remainder_(1.0),
    "masked_fill_": lambda x: x.masked_fill_(x > 0.5, 0.25),
    "index_put_": lambda x: x.index_put_((torch.tensor([0]),), torch.tensor(0.5)),
    "index_fill_": lambda x: x.index_fill_(1, torch.tensor([0]), 0.5),
    "augmented": lambda x: x.__iadd__(0.5),
    "set item": lambda x: x.__setitem__((slice(None), 0), 0.5),
    "dropout_ in eval mode": lambda x: functional.dropout(x, training=False, inplace=True),
    "hardswish_": lambda x: functional.hardswish(x, inplace=True),
    "leaky_relu_": lambda x: functional.leaky_relu_(x, 0.1),
    "swap": lambda x: x.copy_(x.flip(-1)),
    "unsqueeze_": lambda x: x.view_as(x).unsqueeze_(0),
    "one minus": lambda x: x.mul_(-1).add_(1),
    "batch norm": lambda x: functional.batch_norm(x, torch.zeros(x.shape[1]), torch.ones(x.shape[1])),
}


class AliasProgram(nn.Module):
    """A convolution, views of its map, changes of those in place, and reads of what was there before.

    Attributes:
        story: what it does, one after the other: what, and to which of the tensors made so far.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 1)
        self.scale = nn.Parameter(torch.rand(4, 1, 1) + 0.5)
        self.story: list[tuple[str, int]] = []
        draw = random.Random(seed)
        for _ in range(draw.randint(2, 5)):
            kinds = draw.choice([[*VIEWS], [*CHANGES], ["residual", "scaled"]])
            self.story.append((draw.choice(kinds), draw.randrange(len(self.story) + 1)))
            try:
                with torch.no_grad():
                    self(torch.zeros(1, 3, 6, 6)), self(torch.zeros(3, 3, 6, 6))
            except (RuntimeError, ValueError, IndexError):
                self.story.pop()  # nothing that a tensor of this shape can be asked for

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """A map of the sum of all that is there at the end."""
        maps = self.first(images)
        made: list[torch.Tensor] = [maps]
        for name, place in self.story:
            read = made[place]
            if name == "residual":
                result = read.add_(self.second(maps))
            elif name == "scaled":
                result = read * self.scale
            else:
                changed = (VIEWS | CHANGES)[name](read)
                result = read if changed is None else changed
            made.append(result)
        for one in made[1:]:
            if one.shape == maps.shape:
                maps = maps + one
            elif one.dim() == 2 and one.shape[1] == maps[0].numel():
                maps = maps + one.reshape(maps.shape)
        outputs: torch.Tensor = self.second(maps)
        return outputs
