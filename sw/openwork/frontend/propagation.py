"""Compares the shapes and dtypes that a program claims with those that its operators make."""

from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram


class Contradiction(Exception):
    """Where a program says something else than it does, in words that follow the file's name."""


def check_values(program: ExportedProgram) -> None:
    """Make sure that shapes and dtypes in a loaded program are true: whoever imports it goes by them.

    The operators run on tensors without numbers, so this takes no memory, whatever the sizes are. Open sizes are those that the
    program was exported with.

    Raises:
        Contradiction: a weight or a value has another shape or dtype than is said of it, or an operator does not take its inputs.
    """
    weights = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target is not None}
    known = program.constants | dict(program.state_dict)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    inputs: list[Any] = []
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        said = node.meta.get("val")
        if node.name in weights:
            tensor = known.get(weights[node.name])
            if not isinstance(tensor, torch.Tensor):
                raise Contradiction(f"has no weight {weights[node.name]!r}, which its graph reads")
            inputs.append(mode.from_tensor(tensor.detach()))
            _compare(node.name, said, inputs[-1])
        elif isinstance(said, torch.Tensor):
            sizes = [_hint(size) for size in said.shape]
            if not all(isinstance(size, int) for size in sizes):
                return  # it is exported anew for the inputs that it will get
            with mode:
                inputs.append(torch.empty(sizes, dtype=said.dtype))
        else:
            inputs.append(_hint(said))
    try:
        with mode, torch.no_grad():
            _Watcher(program.graph_module).run(*inputs)
    except Contradiction as error:  # to which the interpreter has added where it was
        raise Contradiction(str(error).partition("\n")[0]) from None
    except Exception as error:  # whatever an operator raises for inputs that it does not take
        first = str(error).strip().partition("\n")[0]
        raise Contradiction(f"has operators that do not take their inputs: {type(error).__name__}: {first}") from error


class _Watcher(fx.Interpreter):
    """Runs a graph and compares each value with what is said of it."""

    def run_node(self, node: fx.Node) -> Any:
        """The value of one node."""
        result = super().run_node(node)
        if node.op == "call_function":
            _compare(node.name, node.meta.get("val"), result)
        return result


def _compare(name: str, said: Any, found: Any) -> None:
    if isinstance(said, list | tuple):
        for index, one in enumerate(said):
            _compare(name, one, found[index] if isinstance(found, list | tuple) and index < len(found) else None)
    elif isinstance(said, torch.Tensor):
        if not isinstance(found, torch.Tensor) or said.dtype != found.dtype or said.dim() != found.dim():
            raise Contradiction(f"says that {name} is {_kind(said)}, and it is {_kind(found)}")
        for size, real in zip(said.shape, found.shape, strict=True):
            if _hint(size) not in (None, real):
                raise Contradiction(f"says that {name} is {_kind(said)}, and it is {_kind(found)}")


def _hint(size: Any) -> Any:
    """A size as it was when the program was exported; None where that is not written."""
    return size.node.hint if isinstance(size, torch.SymInt | torch.SymFloat | torch.SymBool) else size


def _kind(value: Any) -> str:
    return f"{value.dtype} {list(map(str, value.shape))}" if isinstance(value, torch.Tensor) else type(value).__name__
