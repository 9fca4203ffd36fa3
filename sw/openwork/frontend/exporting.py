"""Exports a user's model into a `.pt2` file: the two lines of torch that everyone would otherwise write."""

from io import BytesIO
from typing import Any

import torch
from torch import nn

from openwork.frontend.functional import silenced
from openwork.frontend.loading import call, model_and_example
from openwork.frontend.model_files import LoadingError

LINES = """program = torch.export.export(model.eval(), (example,))
torch.export.save(program, {path!r})"""
"""What `exported` runs."""


def exported(name: str, example: torch.Tensor | None = None) -> tuple[bytes, tuple[int, ...]]:
    """The content of a `.pt2` file of the model that a function returns, and the shape of the model's input.

    Args:
        name: ``package.module:function``, looked for in the working directory first. The function is called without
            arguments, and returns (model, example input), or the model alone if `example` is given.
        example: an input of the model, with the batch in front; it comes before the function's own.

    Raises:
        LoadingError: there is no such function, it returns something else, or `torch.export` cannot trace the model.
    """
    result = call(name)
    model, own = model_and_example(result)
    given = own if example is None else example
    if not isinstance(model, nn.Module):
        raise LoadingError(f"{name} returned a {_kind(result)}: it must return (model, example input)")
    if not isinstance(given, torch.Tensor):
        said = "no example input" if given is None else f"a {_kind(given)} as the example input"
        raise LoadingError(
            f"{name} returned {said}: it must return (model, example input), a tensor with the batch in front; or name a "
            ".npy file of inputs with --example"
        )
    content = BytesIO()
    try:
        with silenced():
            program = torch.export.export(model.eval(), (given,))
            torch.export.save(program, content)
    except Exception as error:  # whatever a model's own code or the tracer raises
        first = str(error).strip().partition("\n")[0]
        raise LoadingError(
            f"torch.export cannot export the model of {name} with an input of {list(given.shape)}: {type(error).__name__}: "
            f"{first}"
        ) from error
    return content.getvalue(), tuple(given.shape)


def _kind(value: Any) -> str:
    return type(value).__name__
