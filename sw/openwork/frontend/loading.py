"""Loads a model in any form that a user has: a module, an exported program, a `.pt2` file, or the name of a function."""

import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.importer import import_module, import_program
from openwork.frontend.pt2 import LoadingError, read_program


def load(
    model: str | Path | nn.Module | ExportedProgram, example: torch.Tensor, *, cut: Sequence[str] = ()
) -> FloatNetwork:
    """The network of a model.

    Args:
        model: itself; or the path of a `.pt2` file of `torch.export.save`, or of an `.onnx` file; or
            ``package.module:function``, looked for in the working directory first, whose function is called without arguments
            and returns an nn.Module or an ExportedProgram.
        example: inputs like those that the model will see, to trace an nn.Module with.
        cut: names of modules or operators; what follows them is left to the host.

    Raises:
        LoadingError: there is no such model, or the file is not whole or not safe.
        ImportingError: see `import_program`.
    """
    result: Any = model
    if isinstance(model, str | Path) and Path(model).suffix == ".onnx":
        from openwork.frontend.onnx.importer import import_file  # onnx is an extra of its own

        return import_file(Path(model), example, cut=cut)
    if isinstance(model, str | Path):
        result = read_program(Path(model)) if Path(model).suffix == ".pt2" else _call(str(model))
    if isinstance(result, ExportedProgram):
        return import_program(result, example, cut=cut)
    if isinstance(result, nn.Module):
        return import_module(result, example, cut=cut)
    what = f"{model} returned" if isinstance(model, str | Path) else "a model is"
    raise LoadingError(f"{what} a {type(result).__name__}, not an nn.Module or an ExportedProgram")


def _call(name: str) -> Any:
    module_name, colon, function_name = name.partition(":")
    if not colon or not re.fullmatch(r"\w+(\.\w+)*", module_name) or not function_name.isidentifier():
        raise LoadingError(f"a model is a .pt2 file, an .onnx file or package.module:function, not {name}")
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
