"""Reads the nodes of a `torch.export` program: operator, arguments, module, place in the source."""

import operator
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

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
        return {f"argument {number}": value for number, value in enumerate(node.args)}
    names = [argument.name for argument in node.target._schema.arguments]
    arguments = defaults_of(node.target) | dict(zip(names, node.args, strict=False)) | node.kwargs
    return {RENAMED.get(name, name): value for name, value in arguments.items()}


RENAMED = {"self": "self_", "input": "self_"}
"""What the first tensor is called in some overloads, and what lowerings call it in all."""


def defaults_of(target: torch._ops.OpOverload) -> dict[str, Any]:
    """The arguments of an overload that may be left out, and what they are then."""
    return {one.name: one.default_value for one in target._schema.arguments if one.has_default_value()}


def needless(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> frozenset[str]:
    """The arguments that change nothing: they are at their defaults, or mean nothing in eval mode."""
    return frozenset(
        name
        for name, value in arguments.items()
        if name in NEEDLESS or (name in defaults and type(value) is type(defaults[name]) and value == defaults[name])
    )


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
