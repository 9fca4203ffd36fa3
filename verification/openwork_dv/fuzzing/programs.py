"""Mutated `.pt2` files: archives whose directory, graph or weights say something else."""

import json
import struct
import zipfile
import zlib
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from numpy.random import Generator

from openwork_dv.fuzzing.values import change_value

if TYPE_CHECKING:
    from torch import nn

Member = tuple[str, bytes]


def members_of(content: bytes) -> list[Member]:
    """Names and contents, as Python's reader sees them."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def archive_of(members: Iterable[Member], method: int = 0, flags: int = 0, prefix: bytes = b"") -> bytes:
    """A zip archive of these members, in this order; names may stand there twice.

    Args:
        members: of the archive.
        method: 0 stores them, 8 compresses them; another one is only said.
        flags: of every member.
        prefix: stands before the first member.
    """
    body, directory = bytearray(prefix), bytearray()
    count = 0
    for name, data in members:
        packed = zlib.compress(data, 9, wbits=-15) if method == 8 else data
        head = (20, flags, method, 0, 0x21, zlib.crc32(data), len(packed), len(data), len(name.encode()))
        directory += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, *head, 0, 0, 0, 0, 0, len(body)) + name.encode()
        body += struct.pack("<4s5H3I2H", b"PK\3\4", *head, 0) + name.encode() + packed
        count += 1
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


def small_program() -> bytes:
    """The `.pt2` file of a model with a bit of everything that a graph may hold, and an open number of inputs."""
    import torch
    from torch.nn import functional

    torch.manual_seed(0)

    class Small(torch.nn.Module):
        mean: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 1)
            self.norm, self.last = torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 3)
            self.register_buffer("mean", torch.rand(3, 1, 1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = functional.relu(self.norm(self.first(images - self.mean)))
            maps = functional.max_pool2d(self.second(maps).add_(maps), 2)
            maps = functional.interpolate(maps[:, :, ::2, ::2], scale_factor=2)
            scores: torch.Tensor = self.last(torch.cat([maps[:, :2], maps[:, 2:]], 1).mean((2, 3)))
            return scores.clamp(-1, 1)

    return exported(Small())


def small_program_without_in_place() -> bytes:
    """The `.pt2` file of another model, with no in-place operator: PyTorch need not rewrite such a program."""
    import torch
    from torch.nn import functional

    torch.manual_seed(1)

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 6, 3, stride=(1, 2), padding=1, groups=3)
            self.second, self.last = torch.nn.Conv2d(6, 6, (1, 3), padding=(0, 1)), torch.nn.Linear(48, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = functional.relu6(self.first(images))
            maps = functional.avg_pool2d(functional.leaky_relu(self.second(maps) + maps, 0.25), 2)
            left, right = maps.chunk(2, 1)
            scores: torch.Tensor = self.last(torch.cat([right, left], 1).flatten(1))
            return functional.softmax(scores, -1)

    return exported(Small())


def exported(model: "nn.Module") -> bytes:
    """The `.pt2` file of a model of images [batch, 3, 8, 8]."""
    import torch

    file = BytesIO()
    shapes = ({0: torch.export.Dim.AUTO},)
    torch.export.save(torch.export.export(model.eval(), (torch.randn(2, 3, 8, 8),), dynamic_shapes=shapes), file)
    return file.getvalue()


def mutated_program(content: bytes, rng: Generator) -> bytes:
    """Bits of the archive flipped, most of them in its directory; or JSON changed, and the archive made anew."""
    if rng.random() < 0.2:
        data = bytearray(content)
        for _ in range(int(rng.integers(1, 4))):
            behind = rng.random() < 0.5
            place = -1 - int(rng.integers(2200)) if behind else int(rng.integers(len(data)))
            data[place] ^= 1 << int(rng.integers(8))
        return bytes(data[: int(rng.integers(len(data)))] if rng.random() < 0.1 else data)
    name = "model_weights_config.json" if rng.random() < 0.2 else "models/model.json"
    return archive_of(
        (full, _change_json(data, rng) if full.endswith(name) else data) for full, data in members_of(content)
    )


def _change_json(data: bytes, rng: Generator) -> bytes:
    document = json.loads(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        change_value(document, rng)
    return json.dumps(document).encode()
