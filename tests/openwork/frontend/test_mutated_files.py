"""Mutated `.pt2` files, with every checksum right: each ends in a sentence, or in what the file means, and soon."""

import io
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.openwork.frontend.archives import archive_of, members_of
from torch import nn
from torch.nn import functional

from openwork.frontend import ImportingError, LoadingError, import_program
from openwork.frontend.loading import read_program

VALUES: list[Any] = [
    *(0, 1, -1, 2, 7, 1 << 20, 1 << 40, 1 << 62, 1 << 70, 1.5, None, True, False, "", "x", "relu", "s0", [], {}, [1]),
    *({"as_int": 5}, {"as_none": True}, "torch.ops.aten.relu.default", "torch.ops.aten.zeros.default", "2**2**2**2**9"),
]
SECONDS = 10
"""One file may take; it is a small model."""


class Small(nn.Module):
    """A bit of everything that a graph may hold."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.last = nn.Linear(4, 3)
        self.register_buffer("mean", torch.rand(3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = functional.relu(self.norm(self.first(images - self.mean)))
        maps = functional.max_pool2d(self.second(maps).add_(maps), 2)
        maps = functional.interpolate(maps[:, :, ::2, ::2], scale_factor=2)
        scores: torch.Tensor = self.last(torch.cat([maps[:, :2], maps[:, 2:]], 1).mean((2, 3)))
        return scores.clamp(-1, 1)


@pytest.fixture(scope="module")
def content() -> bytes:
    torch.manual_seed(0)
    shapes = ({0: torch.export.Dim.AUTO},)
    file = io.BytesIO()
    torch.export.save(torch.export.export(Small().eval(), (torch.randn(2, 3, 8, 8),), dynamic_shapes=shapes), file)
    return file.getvalue()


def places(document: Any, start: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a document."""
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, inner in pairs:
        yield (*start, key)
        yield from places(inner, (*start, key))


def at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def change_json(data: bytes, draw: random.Random) -> bytes:
    """One to three values gone, doubled, moved by one, exchanged, or replaced."""
    document = json.loads(data)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        known = list(places(document))
        place = draw.choice(known)
        holder, key = at(document, place[:-1]), place[-1]
        kind = draw.random()
        if kind < 0.15:
            del holder[key]
        elif kind < 0.3 and isinstance(holder, list):
            holder.append(json.loads(json.dumps(draw.choice(holder))))
        elif kind < 0.4 and isinstance(holder[key], int):
            holder[key] += draw.choice([-1, 1])
        elif kind < 0.6:
            holder[key] = json.loads(json.dumps(at(document, draw.choice(known))))
        else:
            holder[key] = draw.choice(VALUES)
    return json.dumps(document).encode()


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Bits of the archive flipped, most of them in its directory; or JSON changed, and the archive made anew."""
    if draw.random() < 0.2:
        data = bytearray(content)
        for _ in range(draw.randint(1, 3)):
            data[-1 - draw.randrange(2200) if draw.random() < 0.5 else draw.randrange(len(data))] ^= (
                1 << draw.randrange(8)
            )
        return bytes(data[: draw.randrange(len(data))] if draw.random() < 0.1 else data)
    name = draw.choice(["models/model.json"] * 4 + ["model_weights_config.json"])
    return archive_of(
        (full, change_json(data, draw) if full.endswith(name) else data) for full, data in members_of(content)
    )


@pytest.mark.parametrize("seeds", [range(80), pytest.param(range(80, 2000), marks=pytest.mark.slow)])
def test_a_mutated_file_ends_in_a_sentence_or_in_what_it_means(content: bytes, seeds: range, tmp_path: Path) -> None:
    path, batch = tmp_path / "model.pt2", torch.randn(2, 3, 8, 8)
    taken = 0
    for seed in seeds:
        path.write_bytes(mutated(content, random.Random(seed)))
        started = time.monotonic()
        try:
            program = read_program(path)
            network = import_program(program)
        except (LoadingError, ImportingError) as error:
            assert len(str(error)) > 20, seed
        else:
            taken += 1
            with torch.no_grad():
                expected = program.module()(batch)
            found = network.run(batch)
            assert torch.allclose(found.reshape(expected.shape), expected, atol=1e-4), seed
        assert time.monotonic() - started < SECONDS, seed
    assert taken
