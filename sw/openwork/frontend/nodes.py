"""What the nodes of an exported program say: operator, arguments, module, place in the source."""

import operator
import re
from typing import Any

import torch
from torch import fx


class Unsupported(Exception):
    """Why one node cannot be taken, in words that follow the operator's name."""


def arguments_of(node: fx.Node) -> tuple[str, dict[str, Any]]:
    """An operator's name, the same in place or not, and its arguments by name, with the defaults; ``self`` as ``self_``."""
    if node.target is operator.getitem:
        return "getitem", {"source": node.args[0], "index": node.args[1]}
    if not isinstance(node.target, torch._ops.OpOverload):
        return str(node.target), {}
    schema = node.target._schema
    arguments = {argument.name: argument.default_value for argument in schema.arguments if argument.has_default_value()}
    arguments |= dict(zip((argument.name for argument in schema.arguments), node.args, strict=False))
    arguments |= node.kwargs
    if "self" in arguments:
        arguments["self_"] = arguments.pop("self")
    return schema.name.partition("::")[2].strip("_"), arguments


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


def pair(value: Any) -> tuple[int, int]:
    """Height and width of an argument that may be one number for both."""
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers[0], numbers[-1]


def equal(value: Any, what: str) -> int:
    """The one number of an argument that must be the same in both directions."""
    first, second = pair(value)
    if first != second:
        raise Unsupported(f"with {what} {first} x {second}: both directions must be equal")
    return first


def stride_of(node: fx.Node, value: Any) -> int:
    """The stride in both directions; along one in which there is one pixel it may be any."""
    result = node.meta["val"]
    _, _, height, width = (result[0] if isinstance(result, list | tuple) else result).shape
    down, across = pair(value)
    if height == 1 or width == 1:
        return across if height == 1 else down
    return equal(value, "stride")
