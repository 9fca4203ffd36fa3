"""What the stages of the compiler print, and that docs/compiler.md shows it."""

from pathlib import Path

import torch

from openwork import PRESETS, quantize
from openwork.compiler.network import best_plan
from openwork.compiler.plan import stages_text
from openwork.models.digits_autoencoder import build

DOCUMENT = Path(__file__).parents[3] / "docs" / "compiler.md"


def test_every_stage_prints_a_table_and_the_document_shows_those_that_shapes_decide() -> None:
    plan = best_plan(quantize(build().eval(), torch.rand(20, 1, 8, 8)), PRESETS["demo"])
    parts = dict(part.split("\n", 1) for part in stages_text(plan).split("\n\n"))
    titles = [title.partition(":")[0] for title in parts]
    assert titles == ["forms", "segments", "schedule", "places", "passes"]
    shown = DOCUMENT.read_text(encoding="utf-8")
    for title, text in parts.items():
        if title.partition(":")[0] in ("segments", "schedule", "places"):
            assert f"```\n{text}\n```" in shown, text
    # Weights decide nonzeros and cycles: the steps and their words stay.
    passes = next(text for title, text in parts.items() if title.startswith("passes"))
    for line in passes.splitlines()[1:]:
        step, *_, words = line.split()
        assert any(row.split()[:1] == [step] and row.split()[-1] == words for row in shown.splitlines() if row), line
