"""What the scripts of the sparsity table share: the record, checkpoints, and how a pruned network is measured."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from io import BytesIO
from math import sqrt
from pathlib import Path
from statistics import mean

import torch
from rich.progress import track
from torch import nn

from openwork.files import write_whole
from openwork.frontend import import_module
from openwork.network import IntegerNetwork
from openwork.quantization import quantize
from openwork.quantization.evaluation import accuracy
from openwork.records import Origin, Value, merged, read_record, write_record
from openwork.report.compression import Sizes

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "results" / "sparsity.json"
CURVES = ROOT / "docs" / "results" / "sparsity_curves.json"
CHECKPOINTS = ROOT / "build" / "sparsity"
BATCH = 50

Figure = tuple[str, str, Value]
"""Name, unit, value."""


def counting(steps: Sequence[int], title: str) -> Iterable[int]:
    """Progress on the terminal."""
    return track(steps, title)


def kept(path: Path, build: Callable[[], nn.Module], train: Callable[[], nn.Module]) -> nn.Module:
    """A trained model: from the file of an earlier run, or trained now and kept in it."""
    if path.exists():
        model = build()
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
    model = train()
    content = BytesIO()
    torch.save(model.state_dict(), content)
    write_whole(path, content.getvalue())
    return model


def float_accuracy(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Right answers in %."""
    with torch.no_grad():
        answers = torch.cat([model(batch).argmax(dim=1) for batch in torch.split(inputs, BATCH)])
    return 100 * float((answers == labels).double().mean())


def quantized(model: nn.Module, calibration: torch.Tensor) -> IntegerNetwork:
    """A pruned model in int8, its weights rounded with the inputs in sight."""
    with torch.no_grad():
        return quantize(import_module(model, calibration[:2]), calibration, error_aware=True)


def int8_accuracy(network: IntegerNetwork, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Right answers in %, of the golden model's integers."""
    return 100 * accuracy(network, inputs, labels)


def figures(
    dense: Sequence[float], sparse: Sequence[float], allowed: float, inputs: int, density: float, sizes: Sizes
) -> list[Figure]:
    """A line of the table: accuracies in %, a number for each seed; `allowed`: points that may be lost, on the average."""
    lost = [before - after for before, after in zip(dense, sparse, strict=True)]
    share = mean(sparse) / 100
    return [
        ("density", "%", 100 * density),
        ("dense float", "%", mean(dense)),
        ("sparse int8", "%", mean(sparse)),
        ("lost", "points", mean(lost)),
        ("may lose", "points", allowed),
        ("met", "", "yes" if mean(lost) <= allowed else "no"),
        ("seeds", "", len(dense)),
        ("lost, least to most", "points", f"{min(lost):.2f} to {max(lost):.2f}"),
        ("test inputs", "", inputs),
        ("sampling error of an accuracy", "points", 100 * sqrt(share * (1 - share) / inputs)),
        ("dense float32 / packed", "x", sizes.dense_float32 / sizes.packed),
        ("dense int8 / packed", "x", sizes.dense_int8 / sizes.packed),
    ]


@cache
def origin() -> Origin:
    """Of everything that this process measures. A benchmark asks for it first: files may change while it runs."""
    return Origin.of_script(sys.argv[0], packages=["torch"])


def kept_figures(path: Path, configuration: str) -> list[Figure]:
    """What an interrupted run of today's sources left in a record."""
    ours = (configuration, origin().sources)
    runs = [run for run in read_record(path) if (run.configuration, run.sources) == ours]
    return [(one.name, one.unit, one.value) for run in runs for one in run.figures]


def record(path: Path, configuration: str, found: Sequence[Figure]) -> None:
    """Keep a run in a record, in the place of what was measured of this configuration before, and print it."""
    figures = [(name, unit, round(value, 3) if isinstance(value, float) else value) for name, unit, value in found]
    for name, unit, value in figures:
        print(f"{configuration:50} {name:30} {value} {unit}", flush=True)
    run = origin().measured(configuration, figures)
    write_record(path, merged(read_record(path), [run], lambda one: one.setting))
