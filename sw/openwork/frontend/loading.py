"""A model as a person has it: a module, an exported program, or the name of a `.pt2` file or of a function."""

import importlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.importer import import_module, import_program
from openwork_hw.arch.refusal import Refusal

SYMBOL = re.compile(r"Symbol\('[su]\d+'(?:, [a-z]+=(?:True|False))*\)")
ARITHMETIC = re.compile(r"(?:[su]?\d+|Max|Min|Mod|FloorDiv|CleanDiv|CeilDiv|Integer|[\s+*(),<>=-])*")


class LoadingError(Refusal):
    """A model that cannot be had under its name; the message holds the name and the reason."""


def load(model: str | Path | nn.Module | ExportedProgram, example: torch.Tensor) -> FloatNetwork:
    """The network of a model.

    Args:
        model: itself; or the path of a `.pt2` file of `torch.export.save`; or ``package.module:function``, looked for in the
            working directory first, whose function is called without arguments and returns an nn.Module or an
            ExportedProgram.
        example: inputs like those that the model will see, to trace an nn.Module with.

    Raises:
        LoadingError: there is no such model, or the file is not whole or not safe.
        ImportingError: see `import_program`.
    """
    result: Any = model
    if isinstance(model, str | Path):
        result = read_program(Path(model)) if Path(model).suffix == ".pt2" else _call(str(model))
    if isinstance(result, ExportedProgram):
        return import_program(result)
    if isinstance(result, nn.Module):
        return import_module(result, example)
    what = f"{model} returned" if isinstance(model, str | Path) else "a model is"
    raise LoadingError(f"{what} a {type(result).__name__}, not an nn.Module or an ExportedProgram")


def read_program(path: Path) -> ExportedProgram:
    """The program in a `.pt2` file; nothing in the file is run.

    `torch.export.load` alone would unpickle whatever an archive asks for and evaluate its size expressions, so files
    that hold pickled weights, custom objects, sample inputs that are more than tensors, or expressions that are more than
    arithmetic are refused before it sees them.

    Raises:
        LoadingError: the file is not a whole `.pt2` archive, or holds more than a graph and its tensors.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise LoadingError(f"there is no file {path}") from None
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if (broken := archive.testzip()) is not None:
                raise LoadingError(f"{path} is damaged: its part {broken} does not match its checksum")
            reason = next(_dangers(archive), None)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        if isinstance(error, LoadingError):
            raise
        raise LoadingError(f"{path} is not a whole .pt2 file: {error}") from None
    if reason is not None:
        raise LoadingError(f"{path} {reason}, which could run code when it is loaded: export the model again without")
    try:
        return torch.export.load(BytesIO(content))
    except Exception as error:  # whatever a damaged archive makes the reader stumble over
        first = str(error).strip().partition("\n")[0]
        raise LoadingError(f"{path} is not a .pt2 file of torch.export: {type(error).__name__}: {first}") from error


def _dangers(archive: zipfile.ZipFile) -> Iterator[str]:
    """What in an archive could run code, in words that follow the file's name."""
    for name in archive.namelist():
        if name.endswith(".json"):
            for key, value in _entries(json.loads(archive.read(name))):
                if key == "use_pickle" and value:
                    yield "holds pickled objects"
                if key == "path_name" and "custom_obj" in str(value):
                    yield "holds custom objects"
                if key == "expr_str" and not ARITHMETIC.fullmatch(SYMBOL.sub("s0", str(value))):
                    yield "holds a size that is more than arithmetic"
        elif "/sample_inputs/" in name:
            try:
                torch.load(BytesIO(archive.read(name)), weights_only=True)
            except Exception:  # the unpickler's own refusals, and what damaged bytes cause
                yield "holds sample inputs that are more than tensors"
        elif name.endswith((".so", ".pkl", ".py")):
            yield "holds programs"


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)


def _call(name: str) -> Any:
    module_name, colon, function_name = name.partition(":")
    if not colon or not re.fullmatch(r"\w+(\.\w+)*", module_name) or not function_name.isidentifier():
        raise LoadingError(f"a model is a .pt2 file or package.module:function, not {name}")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise LoadingError(f"there is no module {error.name} for {name}") from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise LoadingError(f"module {module_name} has no function {function_name}")
    return function()
