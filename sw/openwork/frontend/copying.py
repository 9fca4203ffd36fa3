"""Copies a user's model, so that the user's own model stays as it is."""

from copy import deepcopy
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn.parameter import is_lazy

from openwork_hw.arch.refusal import Refusal


class CopyingError(Refusal):
    """A model that cannot be copied. The message says why and what to do."""


def copy_of(model: nn.Module) -> nn.Module:
    """A copy that shares no weights with the model.

    PyTorch refuses to copy a tensor that was computed: the masked weights of `torch.nn.utils.prune`, those of the old
    `weight_norm` and `spectral_norm`, an activation that a module keeps. In the copy each of them is a plain tensor with the
    same values, until the model runs and computes it anew.

    Raises:
        CopyingError: the model holds something else that cannot be copied, such as a lock or an open file.
    """
    known: dict[int, Any] = {}
    for one in _reached(model):
        if isinstance(one, ModuleType):
            known[id(one)] = one
        elif isinstance(one, torch.Tensor) and _is_computed(one):
            known[id(one)] = _twin(one)
    try:
        return deepcopy(model, known)
    except Exception as error:  # whatever an object of a user's module raises when it is copied
        first = str(error).strip().partition("\n")[0]
        raise CopyingError(
            f"the model keeps something that cannot be copied ({type(error).__name__}: {first}), and work is done on a copy: "
            "take that out of the module, or export the model with torch.export first"
        ) from error


def _is_computed(tensor: torch.Tensor) -> bool:
    return isinstance(tensor, FakeTensor) or not (is_lazy(tensor) or tensor.is_leaf)


def _twin(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor with the same values. A tensor without values, which tracing leaves in a module, stays as it is."""
    return tensor if isinstance(tensor, FakeTensor) else tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _reached(model: nn.Module) -> list[Any]:
    """All tensors and Python modules that a model's attributes reach, through lists, mappings and other objects' attributes."""
    found: list[Any] = []
    seen: set[int] = set()
    waiting: list[Any] = [model]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | str | bytes | int | float):
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor | ModuleType):
            found.append(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset):
            waiting.extend(one)
        if not isinstance(one, ModuleType):
            waiting.extend(getattr(one, "__dict__", {}).values())
    return found
