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
from openwork.frontend.model_files import LoadingError
from openwork.frontend.pt2 import read_program
from openwork.recipes import recipe


def load(
    model: str | Path | nn.Module | ExportedProgram, example: torch.Tensor | None, *, cut: Sequence[str] = ()
) -> FloatNetwork:
    """The network of a model.

    Args:
        model: itself; or the path of a `.pt2` file of `torch.export.save`, or of an `.onnx` file; or
            ``package.module:function``, looked for in the working directory first, whose function is called without arguments
            and returns an nn.Module, an ExportedProgram, or (nn.Module, example input).
        example: inputs like those that the model will see, to trace an nn.Module with; None takes the function's own.
        cut: names of modules or operators; what follows them is left to the host.

    Raises:
        LoadingError: there is no such model, or the file is not whole or not safe.
        ImportingError: see `import_program`.
    """
    result: Any = model
    if isinstance(model, str | Path) and Path(model).suffix == ".onnx":
        from openwork.frontend.onnx.importer import import_file  # onnx is an extra of its own

        if example is None:
            raise LoadingError(f"{model} has no example input: name a file of inputs")
        return import_file(Path(model), example, cut=cut)
    if isinstance(model, str | Path):
        result = read_program(Path(model)) if Path(model).suffix == ".pt2" else call(str(model))
    result, own = model_and_example(result)
    example = own if example is None and isinstance(own, torch.Tensor) else example
    if isinstance(result, ExportedProgram):
        return import_program(result, example, cut=cut)
    if isinstance(result, nn.Module):
        if example is None:
            raise LoadingError(
                f"{model} returned no example input: let it return (model, example input), or name a file of inputs"
            )
        return import_module(result, example, cut=cut)
    what = f"{model} returned" if isinstance(model, str | Path) else "a model is"
    raise LoadingError(f"{what} a {type(result).__name__}, not an nn.Module or an ExportedProgram")


def model_and_example(result: Any) -> tuple[Any, Any]:
    """A model and its example input, of what a function returned: both, or the model alone and None."""
    model, example = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if isinstance(example, tuple) and len(example) == 1:
        (example,) = example
    return model, example


def call(name: str) -> Any:
    """What a function returns that is called without arguments: ``package.module:function``, the working directory first.

    Raises:
        LoadingError: there is no such function.
    """
    if sentence := recipe(name):
        raise LoadingError(sentence)
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
