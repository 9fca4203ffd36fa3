"""Reads a verified ONNX model as a graph of nodes, in which every operator is one of PyTorch's, or several.

A *translation* says for an operator of ONNX which operators of PyTorch compute the same. What the array makes of those is the
business of the lowerings, which know nothing of ONNX. PyTorch also says the shapes: its operators run on tensors without numbers.
What reads constants alone is computed here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from openwork.frontend.calls import call, with_values
from openwork.frontend.errors import ImportingError
from openwork.frontend.fx_nodes import NEEDLESS
from openwork.frontend.node import Graph, Node, Result
from openwork.frontend.onnx.model import OnnxInput, OnnxModel, OnnxNode
from openwork.frontend.tail import PRODUCTS
from openwork.limits import MAX_MAPS, check_limit
from openwork.operations.arguments import Unsupported

MAX_CONSTANTS = 1 << 28
"""Numbers of all constants together that are computed here."""

Made = Node | Sequence[Node | None]
"""What a translation makes: the node of the operator's result, or a node for each of its results."""

Replacement = tuple[float, float] | NDArray[Any] | None
"""What takes the place of an operator that quantizes or dequantizes: its input within limits, an array, or its input."""

Translation = Callable[["Site"], Made]


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """A model as nodes.

    Attributes:
        graph: of PyTorch's operators.
        shape: of its input; open sizes are filled in.
        replaced: results of operators that quantize and back, by name: an array for constants; for activations limits, or None:
            the result is the operator's input, within the limits, and is not rounded.
    """

    graph: Graph
    shape: tuple[int, ...]
    replaced: dict[str, Replacement]


@dataclass(eq=False)
class Site:
    """An operator of a model while it is translated.

    Attributes:
        node: of the file.
        opset: the version of ONNX's operators.
        inputs: the nodes of its inputs; None for an input that is left out.
        reader: makes the nodes.
        read: names of the attributes that the translation has asked for; any other one is refused.
    """

    node: OnnxNode
    opset: int
    inputs: tuple[Node | None, ...]
    reader: "Reader"
    read: set[str] = field(default_factory=set)

    def has(self, number: int) -> bool:
        """Whether an input is given."""
        return number < len(self.inputs) and self.inputs[number] is not None

    def input(self, number: int = 0) -> Node:
        """An input that must be there."""
        found = self.inputs[number] if number < len(self.inputs) else None
        if found is None:
            raise Unsupported(f"without its input {number}")
        return found

    def optional(self, number: int) -> Node | None:
        """An input that may be left out."""
        return self.inputs[number] if self.has(number) else None

    def constant(self, number: int, what: str) -> torch.Tensor:
        """The numbers of an input that must not depend on the model's input."""
        found = self.input(number)
        if not found.is_constant:
            raise Unsupported(f"with {what} that depends on the input")
        value: torch.Tensor = found.value
        return value

    def integers(self, number: int, what: str) -> list[int]:
        """The whole numbers of an input that must not depend on the model's input."""
        found = self.constant(number, what)
        if found.dtype.is_floating_point or found.ndim > 1 or found.numel() > 1 << 16:
            raise Unsupported(f"with {what} that is no list of whole numbers")
        return [int(one) for one in found.reshape(-1)]

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute, which must be of the type of its default; for a default of None, whole numbers."""
        self.read.add(name)
        value = self.node.attributes.get(name, default)
        kind = list if default is None or isinstance(default, list) else type(default)
        if value is not default and not isinstance(value, kind):
            raise Unsupported(f"with a {name} of another type")
        if isinstance(value, list) and not all(isinstance(one, int) for one in value):
            raise Unsupported(f"with a {name} that is no list of whole numbers")
        return value

    def axes(self, number: int, since: int) -> list[int] | None:
        """The axes of an operator: an attribute, and since a version of ONNX's operators an input; None where there are none."""
        if self.opset >= since:
            return self.integers(number, "axes") if self.has(number) else None
        found: list[int] | None = self.attribute("axes", None)
        return found

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the first one."""
        if not -rank <= axis < rank:
            raise Unsupported(f"along axis {axis} of {rank}")
        return axis % rank

    def emit(self, operation: str, **arguments: Any) -> Node:
        """A node of the operation; of constants alone, a constant. Arguments have the names that PyTorch's operator has."""
        return self.reader.emit(self.node, operation, arguments)

    def constant_of(self, value: torch.Tensor, name: str = "") -> Node:
        """A constant that a translation made."""
        return self.reader.constant(name or self.node.outputs[0], value)


def read_onnx(model: OnnxModel, example: Sequence[int], translations: Mapping[str, Translation]) -> OnnxGraph:
    """The graph of a model for one input at a time; for as many as the file says if the file says how many.

    Args:
        model: verified.
        example: shape of an input, with the batch. It says the sizes that are open.
        translations: by the name of the operator.

    Raises:
        ImportingError: the model has another number of inputs than one, takes inputs of another shape, or has larger maps than
            `openwork.limits` says.
    """
    if len(model.inputs) != 1:
        names = ", ".join(repr(one.name) for one in model.inputs[:8])
        raise ImportingError(
            f"the model takes {len(model.inputs)} inputs ({names}), and one tensor is what an array is given"
        )
    return Reader(model, example, translations).read()


class Reader:
    """The nodes so far."""

    def __init__(self, model: OnnxModel, example: Sequence[int], translations: Mapping[str, Translation]) -> None:
        self.model, self.translations = model, translations
        (one,) = model.inputs
        self.shape = _shape(one, example)
        self.source = Node(one.name, "input", results=(Result(self.shape, torch_dtype(one.dtype)),))
        self.nodes: list[Node] = []
        self.values: dict[str, Node] = {one.name: self.source}
        self.names = {one.name, *model.constants, *(name for node in model.nodes for name in node.outputs)}
        self.numbers = self.constants = 0
        self.replaced: dict[str, Replacement] = {}

    def read(self) -> OnnxGraph:
        """The whole graph."""
        for name, array in self.model.constants.items():
            tensor = torch.from_numpy(array.copy())
            self.values[name] = Node(
                name, "constant", results=(Result(tuple(tensor.shape), tensor.dtype),), value=tensor
            )
        for node in self.model.nodes:
            self._take(node)
        outputs = tuple(self.values[name] for name in self.model.outputs)
        return OnnxGraph(Graph(self.source, tuple(self.nodes), outputs, self.model.outputs), self.shape, self.replaced)

    def _take(self, node: OnnxNode) -> None:
        """Translate a node, or note why it cannot be."""
        inputs = tuple(self.values[name] if name else None for name in node.inputs)
        before = len(self.nodes)
        translation = self.translations.get(node.kind)
        refusal: str | None = None if translation else ""
        if translation and not any(one is not None and not one.results for one in inputs):
            site = Site(node, self.model.opset, inputs, self)
            try:
                made = translation(site)
                unread = sorted(node.attributes.keys() - site.read)
                if unread:
                    raise Unsupported(f"with {unread[0]} {_short(node.attributes[unread[0]])}")
                found = [made] if isinstance(made, Node) else [*made]
                for name, one in zip(node.outputs, found, strict=False):
                    if name and one is not None:
                        self.values[name] = one
                if any(name and name not in self.values for name in node.outputs):
                    raise Unsupported("with a result that is not its first one")
                self._name(node, before)
                return
            except Unsupported as reason:
                refusal = str(reason)
        # What reads a node that could not be translated cannot be looked at: there is no shape.
        del self.nodes[before:]
        read = [one for one in inputs if one is not None]
        name = next(name for name in node.outputs if name)
        made = Node(
            name, node.kind, {"inputs": read},
            module=node.path, is_module=bool(node.path), place=node.place, refusal=refusal, said=node.kind,
        )  # fmt: skip
        self.nodes.append(made)
        for name in node.outputs:
            if name:
                self.values[name] = made

    def _name(self, node: OnnxNode, before: int) -> None:
        """Give the node of each result the name that the result has in the file."""
        fresh = self.nodes[before:]
        for name in node.outputs:
            one = self.values.get(name)
            if one is not None and one in fresh and not any(one in other.inputs for other in fresh):
                self.values[name] = self.nodes[self.nodes.index(one, before)] = replace(one, name=name)

    def emit(self, node: OnnxNode, operation: str, arguments: dict[str, Any]) -> Node:
        """A node of an operation, as `Site.emit`."""
        probe = Node("", operation, arguments)
        try:
            with torch.no_grad():
                found = call(operation, with_values(arguments, _without_numbers))
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, OverflowError) as error:
            raise Unsupported(f"whose inputs do not fit: {str(error).strip().partition(chr(10))[0]}") from None
        several = isinstance(found, list | tuple)
        results = tuple(Result(tuple(one.shape), one.dtype) for one in (found if several else [found]))
        count = sum(prod(map(int, one.shape)) for one in results)
        if all(one.is_constant for one in probe.inputs):
            return self._computed(node, probe, count)
        self.numbers += count
        check_limit(ImportingError, "the model", self.numbers, MAX_MAPS, "values of all maps together")
        made = Node(
            self._unused(node), operation, arguments, NEEDLESS & arguments.keys(), results, several, node.path, bool(node.path),
            node.place, said=node.kind,
        )  # fmt: skip
        self.nodes.append(made)
        return made

    def _computed(self, node: OnnxNode, probe: Node, count: int) -> Node:
        """The constant that an operation makes of constants."""
        if any(probe.operation.startswith(one) or probe.operation.endswith(one) for one in PRODUCTS):
            raise Unsupported("of constants alone: fold them before the model is exported")
        self.constants += count
        if self.constants > MAX_CONSTANTS:
            raise Unsupported(f"of constants: all together may have {MAX_CONSTANTS:,} numbers")
        try:
            with torch.no_grad():
                value = call(probe.operation, with_values(probe.arguments, lambda one: one.value))
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, OverflowError) as error:
            raise Unsupported(f"of constants: {str(error).strip().partition(chr(10))[0]}") from None
        several = isinstance(value, list | tuple)
        results = tuple(Result(tuple(one.shape), one.dtype) for one in (value if several else [value]))
        name = probe.inputs[0].name if len(probe.inputs) == 1 else node.outputs[0]
        return Node(name, "constant", results=results, several=several, value=value)

    def constant(self, name: str, value: torch.Tensor) -> Node:
        """A constant."""
        self.constants += value.numel()
        if self.constants > MAX_CONSTANTS:
            raise Unsupported(f"of constants: all together may have {MAX_CONSTANTS:,} numbers")
        return Node(name, "constant", results=(Result(tuple(value.shape), value.dtype),), value=value)

    def _unused(self, node: OnnxNode) -> str:
        """A name for one of the several nodes of an operator."""
        base = next(name for name in node.outputs if name)
        number = 1
        while (name := f"{base}/{number}") in self.names:
            number += 1
        self.names.add(name)
        return name


def torch_dtype(dtype: "np.dtype[Any]") -> torch.dtype:
    """PyTorch's dtype for NumPy's."""
    return torch.from_numpy(np.zeros(0, dtype)).dtype


def _without_numbers(node: Node) -> Any:
    """A tensor, or the tensors, of a node's shape and dtype."""
    tensors = [torch.empty(tuple(map(int, one.shape)), dtype=one.dtype, device="meta") for one in node.results]
    return tensors if node.several else tensors[0]


def _shape(one: OnnxInput, example: Sequence[int]) -> tuple[int, ...]:
    """The shape of an input: one at a time, and open sizes as those of an example."""
    said = [str(size) if size is not None else "any" for size in one.shape]
    fits = len(one.shape) == len(example) and all(
        size in (None, given) for size, given in zip(one.shape[1:], example[1:], strict=True)
    )
    if not fits:
        raise ImportingError(f"the model takes inputs of [{', '.join(said)}], and these are {list(example)}")
    return (one.shape[0] or 1, *example[1:]) if example else ()


def _short(value: Any) -> str:
    return f"{value!s:.60}"


def every(nodes: Iterable[Node | None]) -> list[Node]:
    """The nodes, none of which may be left out."""
    found = []
    for one in nodes:
        if one is None:
            raise Unsupported("without one of its inputs")
        found.append(one)
    return found
