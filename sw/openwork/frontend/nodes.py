"""What the nodes of an exported program say: operator, arguments, module, place in the source."""

import operator
import re
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import torch
from torch import fx


class Unsupported(Exception):
    """Why one node cannot be taken, in words that follow the operator's name."""


NEEDLESS = frozenset({"allow_tf32", "benchmark", "cudnn_enabled", "deterministic", "memory_format", "momentum", "p"})
"""Arguments that do not change what an operator computes in eval mode: hints to a backend, and what only training reads."""


def name_of(node: fx.Node) -> str:
    """An operator's name, the same in place or not; with its namespace where that is not PyTorch's own."""
    if node.target is operator.getitem:
        return "getitem"
    if not isinstance(node.target, torch._ops.OpOverload):
        return str(getattr(node.target, "__name__", node.target))
    name = node.target._schema.name
    return name.removeprefix("aten::").strip("_") if node.target.namespace == "aten" else name


def arguments_of(node: fx.Node) -> dict[str, Any]:
    """An operator's arguments by name, with the defaults; the first tensor is always ``self_``."""
    if node.target is operator.getitem:
        return {"self_": node.args[0], "index": node.args[1]}
    if not isinstance(node.target, torch._ops.OpOverload):
        return {}
    names = [argument.name for argument in node.target._schema.arguments]
    arguments = defaults_of(node.target) | dict(zip(names, node.args, strict=False)) | node.kwargs
    return {RENAMED.get(name, name): value for name, value in arguments.items()}


RENAMED = {"self": "self_", "input": "self_"}
"""What the first tensor is called in some overloads, and what handlers call it in all."""


def defaults_of(target: torch._ops.OpOverload) -> dict[str, Any]:
    """The arguments of an overload that may be left out, and what they are then."""
    return {one.name: one.default_value for one in target._schema.arguments if one.has_default_value()}


def fitting(handler: Callable[..., Any], arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an overload that a handler reads; none that could change the result is left out.

    Args:
        handler: a function of the builder, the node, and arguments by the names of `arguments_of`.
        arguments: all of the overload.
        defaults: what the overload takes for arguments that are not given.

    Raises:
        Unsupported: the handler does not know an argument that is not at its default, or lacks one that it needs.
    """
    known = dict(list(signature(handler).parameters.items())[2:])
    for name, value in arguments.items():
        neutral = name in NEEDLESS or (
            name in defaults and type(value) is type(defaults[name]) and value == defaults[name]
        )
        if name not in known and not neutral:
            raise Unsupported(f"with {name} {value}")
    for name, parameter in known.items():
        if name not in arguments and parameter.default is parameter.empty:
            raise Unsupported(f"in a form without {name}")
    return {name: value for name, value in arguments.items() if name in known}


def module_of(node: fx.Node) -> tuple[str, bool]:
    """The path of the module that a node is in, and whether that is one of PyTorch's own."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "", False
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    return str(path), kind.startswith("torch.nn.")


def place_of(node: fx.Node) -> str:
    """Where in the model's own source a node comes from."""
    frames = re.findall(r'File "([^"]+)", line (\d+), in [^\n]+\n\s*(.*)', node.meta.get("stack_trace") or "")
    own = [frame for frame in frames if not re.search(r"[/\\]torch[/\\](nn|_|functional|fx|export)", frame[0])]
    if own:
        path, line, code = own[-1]
        return f" at {path}:{line}: {code.strip()}"
    module, _ = module_of(node)
    return f" in module {module!r}" if module else ""


def check_dtype(dtype: Any) -> None:
    """Refuse a result whose numbers have another precision than float32 and float64."""
    if dtype not in (None, torch.float32, torch.float64):
        raise Unsupported(f"with dtype {dtype}")


def integers(value: Any, what: str) -> list[int]:
    """The whole numbers of an argument that is one or a list of them."""
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(number, int) for number in numbers):
        raise Unsupported(f"with {what} {numbers}, which depends on the size of the input")
    return numbers


def pair(value: Any, what: str) -> tuple[int, int]:
    """Height and width of an argument that may be one number for both."""
    numbers = integers(value, what)
    return numbers[0], numbers[-1]


def equal(value: Any, what: str) -> int:
    """The one number of an argument that must be the same in both directions."""
    first, second = pair(value, what)
    if first != second:
        raise Unsupported(f"with {what} {first} x {second}: both directions must be equal")
    return first


def stride_of(node: fx.Node, value: Any) -> int:
    """The stride in both directions; along one in which there is one pixel it may be any."""
    result = node.meta["val"]
    _, _, height, width = (result[0] if isinstance(result, list | tuple) else result).shape
    down, across = pair(value, "stride")
    if height == 1 or width == 1:
        return across if height == 1 else down
    return equal(value, "stride")
