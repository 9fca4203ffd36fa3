"""What is swept, from a TOML file: models, how they are pruned, and what they are compiled for."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from openwork.files import FileError, read_whole
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.refusal import Refusal

MOST_BYTES = 1 << 20
"""Of a plan."""

MOST_POINTS = 100_000
"""Of a sweep: each takes seconds."""


class SweepError(Refusal):
    """A plan that means nothing; the message names the entry, the rule and the value."""


@dataclass(frozen=True)
class ModelChoice:
    """A model, and the files that it is fitted to and measured with.

    Attributes:
        model: a `.pt2` file, or package.module:function.
        data: `.npy` file of inputs to fit and calibrate with.
        labels: `.npy` file of labels of `data`; empty for none.
        test, test_labels: likewise, to measure with; without `test`, every fifth input of `data` is held back.
    """

    model: str
    data: str = ""
    labels: str = ""
    test: str = ""
    test_labels: str = ""


@dataclass(frozen=True)
class ArrayChoice:
    """An array, or a board, which has an array.

    Attributes:
        name: as tables show it.
        config: the array.
        board: name of the board; empty for an array alone.
    """

    name: str
    config: ArrayConfig
    board: str = ""


@dataclass(frozen=True)
class SweepPlan:
    """What is swept: every model with every method and density, on every array and board, in every encoding.

    Attributes:
        models: at least one.
        densities: over 0 and up to 1; the dense model is always there.
        methods: names of `openwork.pruning.METHODS`.
        arrays: names of presets, or PESxLANES.
        boards: names.
        encodings: names; empty takes the one that suits each array best.
        scope, epochs, rate, seed: as the options of `openwork prune`.
    """

    models: tuple[ModelChoice, ...] = ()
    densities: tuple[float, ...] = (0.5, 0.2, 0.1)
    methods: tuple[str, ...] = ("obc",)
    arrays: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    encodings: tuple[str, ...] = ()
    scope: str = "layer"
    epochs: int = 0
    rate: float = 1e-3
    seed: int = 0

    @property
    def networks(self) -> list[tuple[ModelChoice, str, float]]:
        """Every model with every method and density, the dense model first."""
        return [
            one
            for model in self.models
            for one in (
                (model, "dense", 1.0),
                *((model, method, level) for method in self.methods for level in self.densities),
            )
        ]

    def checked(self) -> "SweepPlan":
        """The plan itself, if it means something.

        Raises:
            SweepError: a list is empty or has an entry twice, a number is out of its range, or there are too many points.
        """
        if not self.models:
            raise SweepError("a sweep needs a model: name one with --model, or in the plan as models = [...]")
        if not self.arrays and not self.boards:
            raise SweepError("a sweep needs an array or a board: name them with --arrays and --boards, or in the plan")
        for name in ("densities", "methods", "arrays", "boards", "encodings"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise SweepError(f"{name} has an entry twice: {', '.join(map(str, values))}")
        for level in self.densities:
            if not 0 < level <= 1:
                raise SweepError(f"each density must be over 0 and at most 1, not {level}")
        for model in self.models:
            if not model.data:
                raise SweepError(f"the model {model.model} needs inputs: name them with --data, or in the plan as data")
            if (model.test_labels and not model.test) or (model.labels and not model.data):
                raise SweepError(f"the model {model.model} has labels of no inputs")
        points = len(self.networks) * (len(self.arrays) + len(self.boards)) * max(1, len(self.encodings))
        if points > MOST_POINTS:
            raise SweepError(f"the sweep has {points:,} points, and the limit is {MOST_POINTS:,}")
        return self


TEXTS = ("methods", "arrays", "boards", "encodings")
FILES = ("data", "labels", "test", "test_labels")


def read_plan(path: Path) -> SweepPlan:
    """The plan in a TOML file. Paths in it count from the folder of the file.

    Raises:
        FileError: there is no such file, or it is too large, or no TOML.
        SweepError: an entry is unknown, or of another type.
    """
    content = read_whole(path, MOST_BYTES)
    try:
        values = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"{path} is no TOML file: {error}") from None
    shared = {name: _text(path, name, values.pop(name, ""), path.parent) for name in FILES}
    known = {one.name for one in fields(SweepPlan)}
    if unknown := sorted(values.keys() - known):
        raise SweepError(
            f"{path} has the entry {unknown[0]!r}: a plan may have {', '.join(sorted(known | set(FILES)))}"
        )
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == "models":
            found[name] = tuple(_model(path, one, shared) for one in _list(path, name, value))
        elif name == "densities":
            found[name] = tuple(float(_number(path, name, one)) for one in _list(path, name, value))
        elif name in TEXTS:
            found[name] = tuple(_text(path, name, one) for one in _list(path, name, value))
        elif name == "scope":
            found[name] = _text(path, name, value)
        else:
            number = _number(path, name, value)
            found[name] = float(number) if name == "rate" else _whole(path, name, number)
    return SweepPlan(**found)


def _model(path: Path, value: Any, shared: dict[str, str]) -> ModelChoice:
    """A model, by its name or as a table that also names its files."""
    table = {"model": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not table.keys() <= {"model", *FILES} or "model" not in table:
        raise SweepError(f"{path}: each of models is a name, or a table of model, {', '.join(FILES)}, not {value!r}")
    given = {name: _text(path, name, one, path.parent if name in FILES else None) for name, one in table.items()}
    if given["model"].endswith(".pt2"):
        given["model"] = str(path.parent / given["model"])
    return ModelChoice(**(shared | given))


def _list(path: Path, name: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise SweepError(f"{path}: {name} must be a list with at least one entry, not {value!r}")
    return value


def _text(path: Path, name: str, value: Any, folder: Path | None = None) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise SweepError(f"{path}: {name} must be text, not {value!r}")
    return str(folder / value) if folder is not None and value else value


def _number(path: Path, name: str, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SweepError(f"{path}: {name} must be a number, not {value!r}")
    return value


def _whole(path: Path, name: str, value: int | float) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise SweepError(f"{path}: {name} must be a whole number from 0 on, not {value!r}")
    return value


def with_options(plan: SweepPlan, models: Sequence[str], files: dict[str, str], **options: Any) -> SweepPlan:
    """A plan in which options take the place of entries.

    Args:
        models: take the place of the plan's models, with the files; files alone go to all models of the plan.
        files: paths by `FILES`; empty ones do not count.
        options: entries of the plan; None does not count.
    """
    given = {name: path for name, path in files.items() if path}
    chosen = tuple(ModelChoice(name) for name in models) if models else plan.models
    if models and plan.models:
        own = {one.model: one for one in plan.models}
        chosen = tuple(own.get(name, ModelChoice(name)) for name in models)
    return replace(
        plan,
        models=tuple(replace(one, **given) for one in chosen),
        **{name: value for name, value in options.items() if value is not None},
    )
