"""A model as a list of nodes, for any format of model: readers make the list, rewrites change it, lowerings read it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from inspect import signature
from typing import Any, NamedTuple

import torch

from openwork.operations.arguments import Unsupported

Open = int | str
"""A size; if it is not known, the text of a symbol."""


class Result(NamedTuple):
    """The shape and dtype of a tensor that a node makes."""

    shape: tuple[Open, ...]
    dtype: torch.dtype


@dataclass(frozen=True, eq=False)
class Node:
    """One operator of a model, or its input, or a constant. Two nodes are equal if they are the same one.

    Attributes:
        name: of this node alone; of a constant that is the model's own, its name there.
        operation: what it does, by the name that PyTorch has for it: "conv2d"; "input" and "constant" do nothing.
        arguments: by name, those at their default, too; nodes among them, also inside lists, are what it reads. The first
            tensor is called ``self_``.
        at_default: names of arguments that have the value they have where nothing is said.
        results: the tensors that it makes; none for sizes and checks, which are no tensors.
        several: it makes a list of tensors, of which ``getitem`` takes one.
        module: path of the module that it is in.
        is_module: that module does nothing else, so it can give its name.
        place: where in the user's own source it stands, in words that follow its name; empty if nobody knows.
        value: of a constant: a tensor, or a number that was read out of one.
        refusal: why the reader could not make a node of what it read, in words that follow the name; empty if the name says it
            all, and None if the reader could.
        said: the operator's name in the user's model, where that is another one than `operation`.
    """

    name: str
    operation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    at_default: frozenset[str] = frozenset()
    results: tuple[Result, ...] = ()
    several: bool = False
    module: str = ""
    is_module: bool = False
    place: str = ""
    value: Any = None
    refusal: str | None = None
    said: str = ""

    @cached_property
    def inputs(self) -> tuple["Node", ...]:
        """The nodes that the node reads, in the order of its arguments."""
        return tuple(_nodes_in(self.arguments.values()))

    @property
    def title(self) -> str:
        """The operator's name as the user's model has it; of a pick, the name of the last operator that it stands for."""
        return self.said or str(self.arguments.get("operator", self.operation))

    @property
    def is_constant(self) -> bool:
        """Whether the node does not depend on the input of the model."""
        return self.operation == "constant"

    @property
    def shape(self) -> tuple[Open, ...]:
        """The shape of the node's tensor, or of its first tensor."""
        return self.results[0].shape

    @property
    def texts(self) -> list[str]:
        """The shape as people read it in a list."""
        return list(map(str, self.shape))

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Graph:
    """A model of one input.

    Attributes:
        input: the node of the input.
        nodes: in the order in which they run; each reads only nodes before it. Constants and the input are not among them.
        outputs: what the model gives back; None for a result that is no tensor.
        names: of the outputs; empty where nobody says them.
    """

    input: Node
    nodes: tuple[Node, ...]
    outputs: tuple[Node | None, ...]
    names: tuple[str, ...] = ()

    @cached_property
    def _readers(self) -> Mapping[Node, frozenset[Node]]:
        found: dict[Node, set[Node]] = {}
        for node in self.nodes:
            for source in node.inputs:
                found.setdefault(source, set()).add(node)
        return {source: frozenset(readers) for source, readers in found.items()}

    def readers(self, node: Node) -> frozenset[Node]:
        """The nodes that read a node."""
        return self._readers.get(node, frozenset())

    def rewritten(self, rule: Callable[[Node], Node]) -> "Graph":
        """The graph in which `rule` took the place of each node: it gets nodes that read what became of those before.

        What nobody reads afterwards, and did before, is left out.
        """
        new: dict[Node, Node] = {}

        def of(value: Any) -> Any:
            if isinstance(value, Node):
                return new.get(value, value)
            return type(value)(map(of, value)) if isinstance(value, list | tuple) else value

        for node in self.nodes:
            arguments = {name: of(value) for name, value in node.arguments.items()}
            same = all(new.get(source, source) is source for source in node.inputs)
            new[node] = rule(node if same else replace(node, arguments=arguments))
        used = {new[node] for node in self.nodes if self.readers(node) or node in self.outputs}
        nodes = tuple(node for node in dict.fromkeys(new.values()) if node is not self.input and not node.is_constant)
        result = replace(self, nodes=nodes, outputs=tuple(of(node) for node in self.outputs))
        while idle := {one for one in used if not result.readers(one) and one not in result.outputs}:
            used -= idle
            result = replace(result, nodes=tuple(node for node in result.nodes if node not in idle))
        return result


def _nodes_in(values: Iterable[Any]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, Node):
            yield value
        elif isinstance(value, list | tuple):
            yield from _nodes_in(value)


def fitting(
    lowering: Callable[..., Any], arguments: Mapping[str, Any], at_default: Iterable[str] = ()
) -> dict[str, Any]:
    """The arguments of a node that a lowering reads; none that could change the result is left out.

    Args:
        lowering: a function of the builder, the node, and arguments by their names.
        arguments: all of the node.
        at_default: names of those that say nothing.

    Raises:
        Unsupported: the lowering does not know an argument that is not at its default, or lacks one that it needs.
    """
    known = dict(list(signature(lowering).parameters.items())[2:])
    for name, value in arguments.items():
        if name not in known and name not in at_default:
            raise Unsupported(f"with {name} {value}")
    for name, parameter in known.items():
        if name not in arguments and parameter.default is parameter.empty:
            raise Unsupported(f"in a form without {name}")
    return {name: value for name, value in arguments.items() if name in known}


def check_dtype(dtype: Any) -> None:
    """Refuse a result whose numbers have another precision than float32 and float64."""
    if dtype not in (None, torch.float32, torch.float64):
        raise Unsupported(f"with dtype {dtype}")
