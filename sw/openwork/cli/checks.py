"""Checks of options. A command makes them first, before it reads anything and before it spends seconds to import torch."""

from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SEED = (1 << 63) - 1
"""The largest seed that every random generator takes."""

MAX_CLOCK_MHZ = 1e6


class OptionError(Refusal):
    """An option with a value that has no meaning. The message gives the option, the rule and the value."""


def check_share(what: str, value: float) -> None:
    """Refuse a value that is not above 0 and at most 1."""
    if not 0 < value <= 1:
        raise OptionError(f"{what} must be over 0 and at most 1, not {value}")


def check_above_zero(what: str, value: float | None, most: float = float("inf")) -> None:
    """Refuse what is no finite number over 0, or more than `most`."""
    if value is not None and not (isfinite(value) and 0 < value <= most):
        end = f" and at most {most:,.0f}" if isfinite(most) else ""
        raise OptionError(f"{what} must be a number over 0{end}, not {value}")


def check_clock(value: float | None) -> None:
    """Refuse a clock, in MHz, that no array has."""
    check_above_zero("--clock", value, MAX_CLOCK_MHZ)


def check_model(name: str) -> None:
    """Refuse what names no model, or a file that is not there; the rest is seen when the model is loaded."""
    from openwork.files import check_input
    from openwork.recipes import recipe

    if sentence := recipe(name):
        raise OptionError(sentence)
    if Path(name).suffix in (".pt2", ".onnx"):
        check_input(Path(name))
    elif not all(part for part in name.rpartition(":")):
        raise OptionError(
            f"a model is a .pt2 file, an .onnx file or package.module:function, not {name or 'an empty name'}"
        )


def check_files(inputs: Iterable[Path | None], outputs: Iterable[Path | None]) -> None:
    """Refuse files that cannot be read, or written."""
    from openwork.files import check_input, check_output

    for path in inputs:
        if path is not None:
            check_input(path)
    for path in outputs:
        if path is not None:
            check_output(path)


def check_labels(path: Path, labels: "NDArray[Any]", classes: int) -> None:
    """Refuse labels of classes that the model does not have."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise OptionError(
            f"{path} holds labels from {low} to {high}, and the model has {classes} outputs: labels must be from 0 to {classes - 1}"
        )


def check_real(path: Path, inputs: "NDArray[Any]") -> None:
    """Refuse inputs that no model can learn from: no numbers, no inputs at all, or numbers that are not finite."""
    if inputs.dtype.name not in ("float32", "float64") or inputs.ndim < 2 or not inputs.size:
        raise OptionError(
            f"{path} must hold float32 or float64 [inputs, ...], at least one, not {inputs.dtype} {list(inputs.shape)}"
        )
    if not isfinite(float(abs(inputs).max())):
        raise OptionError(f"{path} holds inputs that are NaN or infinite")


def check_list(what: str, text: str) -> list[str]:
    """The parts of an option with commas. Refuses an option without parts."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise OptionError(f"{what} must be names or numbers with commas between them, not {text or 'empty'}")
    return parts


def check_shape(path: Path, found: Sequence[int], expected: Sequence[int]) -> None:
    """Refuse inputs with another shape than the model takes. Vectors may be [batch, features]."""
    shapes = [tuple(expected), tuple(expected[:1])] if tuple(expected[1:]) == (1, 1) else [tuple(expected)]
    if tuple(found[1:]) not in shapes:
        known = " or ".join(f"[inputs, {', '.join(map(str, shape))}]" for shape in shapes)
        raise OptionError(f"{path} must hold inputs {known} for this model, not {list(found)}")


def check_record(path: Path | None) -> None:
    """Refuse a file that cannot be written. Its folder need not exist yet."""
    from openwork.files import check_folder, check_output

    if path is not None:
        check_folder(path.parent)
        if path.parent.is_dir():
            check_output(path)
