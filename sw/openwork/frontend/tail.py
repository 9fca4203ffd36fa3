"""The tail of a model: what stands at its end and is not the array's. It is kept as an exported program, which the host runs.

Who gets a tail out of a file checks it as every `.pt2` file of a stranger is checked (`pt2.program_of`), and then runs its
operators one by one. No code of the file is run.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_leaves

from openwork.frontend.calls import End
from openwork.frontend.errors import ImportingError
from openwork.frontend.functional import outputs_of, silenced
from openwork.frontend.model_files import LoadingError
from openwork.frontend.node import Graph, Node
from openwork.frontend.pt2 import canonical, program_of
from openwork.network import IntegerNetwork
from openwork.outputs import Tail

PRODUCTS = ("conv", "linear", "matmul", "mm", "bmm", "einsum", "lstm", "gru", "rnn", "scaled_dot_product_attention")
"""What the names of operators begin or end with that multiply matrices: the array's work."""

MOST_WEIGHTS = 64
"""Weights that a tail by rule may multiply with: what decodes the boxes of a detector has 16."""

MOST_SHARE = 0.02
"""Of a model's multiplications, what may be in a tail by rule."""


def tail_nodes(graph: Graph, refused: Iterable[Node]) -> frozenset[Node] | None:
    """The nodes at the end of a graph that the host computes, by rule; None if that is not only an end.

    The rule: everything that the array cannot do, and everything behind it. In between stand no layers: at most
    `MOST_WEIGHTS` weights and `MOST_SHARE` of all products. A model in training mode has no tail.

    Args:
        graph: of the model.
        refused: the operators that the array cannot do.
    """
    tail = set(refused)
    for node in graph.nodes:
        if any(source in tail for source in node.inputs):
            tail.add(node)
    if any(
        node.refusal is not None or True in (node.arguments.get("train"), node.arguments.get("training"))
        for node in tail
    ):
        return None
    if any(0 in result.shape for node in tail for result in node.results):
        return None
    if sum(_weights(node) for node in tail) > MOST_WEIGHTS:
        return None
    everything = sum(map(_products, graph.nodes))
    if sum(map(_products, tail)) > MOST_SHARE * everything:
        return None
    return frozenset(tail)


def at_the_end(graph: Graph, operations: Collection[str]) -> frozenset[Node]:
    """The nodes of some operations with no layer behind them: a table of int8 would only make the host's results coarser."""
    inside: set[Node] = set()
    for node in reversed(graph.nodes):
        if _weights(node) > MOST_WEIGHTS or any(reader in inside for reader in graph.readers(node)):
            inside.add(node)
    return frozenset(node for node in graph.nodes if node.operation in operations and node not in inside)


def before_layers(graph: Graph, refused: Iterable[Node]) -> list[Node]:
    """Of refused operators, those that stand in the way of a layer; all of them if none does. The host could do the others."""
    refused = list(refused)
    inside: set[Node] = set()
    for node in reversed(graph.nodes):
        if _weights(node) > MOST_WEIGHTS or any(reader in inside for reader in graph.readers(node)):
            inside.add(node)
    found = [node for node in refused if any(reader in inside for reader in graph.readers(node))]
    return found or refused


def with_structure(graph: Graph, tail: Iterable[Node], structural: Iterable[str]) -> frozenset[Node]:
    """A tail and what only moves values right before it: tensors that are joined there need no common scale."""
    found, free = set(tail), frozenset(structural)
    for node in reversed(graph.nodes):
        readers = graph.readers(node)
        if node.operation in free and readers and readers <= found and node not in graph.outputs:
            found.add(node)
    return frozenset(found)


def frontier(graph: Graph, tail: frozenset[Node]) -> tuple[Node, ...]:
    """The nodes that a tail reads, and those that are results themselves, in the order in which they are made."""
    waiting = [source for node in tail for source in node.inputs]
    waiting += [node for node in graph.outputs if node is not None and node not in tail]
    found: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node.is_constant or node in tail:
            continue
        if node.several:  # a list of tensors: the tail makes the list anew
            waiting.extend(node.inputs)
        elif node.results:
            found.add(node)
    order = {node: number for number, node in enumerate((graph.input, *graph.nodes))}
    return tuple(sorted(found, key=order.__getitem__))


def _is_product(node: Node) -> bool:
    name = node.operation
    return any(name.startswith(one) or name.endswith(one) for one in PRODUCTS)


def _weights(node: Node) -> int:
    """Numbers of a node's weights."""
    if not _is_product(node):
        return 0
    constants = [one.value for one in node.inputs if one.is_constant and isinstance(one.value, torch.Tensor)]
    return sum(one.numel() for one in constants if one.ndim > 1)


def _products(node: Node) -> int:
    """Multiplications of a node, per input."""
    if not _is_product(node) or not node.results or not all(isinstance(size, int) for size in node.shape[1:]):
        return 0
    outputs = int(np.prod([size for size in node.shape[1:] if isinstance(size, int)], dtype=np.int64))
    weights = [
        tuple(one.value.shape)
        for one in node.inputs
        if one.is_constant and isinstance(one.value, torch.Tensor) and one.value.ndim > 1
    ]
    if weights:
        return outputs * max(int(np.prod(shape)) // min(shape[0], shape[-1]) for shape in weights)
    last = node.inputs[0].shape[-1] if node.inputs and node.inputs[0].results else 1
    return outputs * (last if isinstance(last, int) else 1)


def tail_of(program: ExportedProgram, cuts: Sequence[str], names: Sequence[str]) -> Tail:
    """The end of a program, from some of its values to its results.

    Args:
        program: without in-place operators, of one batch size. It stays as it is.
        cuts: names of the values.
        names: of the results that are tensors.

    Raises:
        ImportingError: the end cannot be exported.
    """
    module, examples = _module(program, cuts)
    return _exported(module, examples, names)


def tail_of_nodes(nodes: Iterable[Node], cuts: Sequence[Node], outputs: Sequence[Node], names: Sequence[str]) -> Tail:
    """The end of a graph whose operations are PyTorch's, as `tail_of`.

    Args:
        nodes: of the graph, before it is rewritten.
        cuts: the values at which the graph is cut.
        outputs: the results.
        names: of the results.

    Raises:
        ImportingError: the end cannot be exported.
    """
    shapes = [[int(size) for size in node.shape] for node in cuts]
    examples = [torch.zeros(shape, dtype=node.results[0].dtype) for shape, node in zip(shapes, cuts, strict=True)]
    return _exported(End(nodes, cuts, outputs), examples, names)


def _exported(module: nn.Module, examples: Sequence[torch.Tensor], names: Sequence[str]) -> Tail:
    """A module as a tail."""
    try:
        with silenced(), torch.no_grad():
            exported = torch.export.export(module, tuple(examples))
        content = canonical(exported)
        program_of(content, "the end of the model")
    except LoadingError as error:
        raise ImportingError(f"the end of the model cannot be left to the host: {error}") from None
    except Exception as error:  # whatever PyTorch raises
        first = str(error).strip().partition("\n")[0]
        raise ImportingError(
            f"the end of the model cannot be left to the host: {type(error).__name__}: {first}"
        ) from error
    return Tail(content, len(examples[0]), tuple(names))


def _module(program: ExportedProgram, cuts: Sequence[str]) -> tuple[fx.GraphModule, list[torch.Tensor]]:
    """The end of a program as a module, and inputs for it."""
    known = program.constants | dict(program.state_dict)
    targets = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target is not None}
    nodes = {node.name: node for node in program.graph.nodes}
    root, graph, made = nn.Module(), fx.Graph(), dict[fx.Node, fx.Node]()
    examples: list[torch.Tensor] = []
    for name in cuts:
        made[nodes[name]] = graph.placeholder(f"tail_{len(examples)}")
        value = nodes[name].meta["val"]
        examples.append(torch.zeros(tuple(value.shape), dtype=value.dtype))
    results = [one for one in outputs_of(program) if isinstance(one, fx.Node) and _is_tensor(one)]
    needed, waiting = set(made), list(results)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(node.all_input_nodes)
    for node in program.graph.nodes:
        if node not in needed or node in made:
            continue
        if node.op == "placeholder":
            attribute = f"constant_{len(made)}"
            root.register_buffer(attribute, known[targets[node.name]].detach().cpu().clone())
            made[node] = graph.get_attr(attribute)
        else:
            made[node] = graph.node_copy(node, made.__getitem__)
            made[node].meta = {}
    graph.output(tuple(made[node] for node in results))
    return fx.GraphModule(root, graph), examples


def _is_tensor(node: fx.Node) -> bool:
    return isinstance(node.meta.get("val"), torch.Tensor)


def model_results(network: IntegerNetwork, outputs: NDArray[np.int8]) -> dict[str, NDArray[np.generic]]:
    """What the model gives for a batch, by the names of its results: of int8 outputs, and the tail.

    Args:
        network: quantized.
        outputs: int8 [batch, ...], what the network gives.

    Raises:
        LoadingError: the tail is not a whole program, or holds more than operators and tensors.
    """
    reals = network.real_results(outputs)
    if network.tail is None:
        return dict(reals)
    found = run_tail(network.tail, [torch.tensor(reals[one.name]) for one in network.results])
    return {name: value.numpy() for name, value in found.items()}


def run_tail(tail: Tail, results: Sequence[torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The results of a model.

    Args:
        tail: of the model.
        results: what the tail reads, [batch, ...] each.

    Raises:
        LoadingError: the tail is not a whole program, does not take the results, or gives others than it says.
    """
    program = program_of(tail.program, "the tail of the network")
    inputs = [one.arg.name for one in program.graph_signature.input_specs if one.kind is InputKind.USER_INPUT]
    said = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    dtypes = [said[name].dtype for name in inputs if isinstance(said[name], torch.Tensor)]
    if len(dtypes) != len(results):
        raise LoadingError(f"the tail of the network reads {len(inputs)} tensors, and the network gives {len(results)}")
    count, parts = len(results[0]), list[list[torch.Tensor]]()
    for start in range(0, count, tail.batch):
        batch = [one[start : start + tail.batch] for one in results]
        used = len(batch[0])
        if used < tail.batch:
            batch = [torch.cat([one, one[-1:].expand(tail.batch - used, *one.shape[1:])]) for one in batch]
        values = _run(program, [one.to(dtype) for one, dtype in zip(batch, dtypes, strict=True)])
        if len(values) != len(tail.names):
            raise LoadingError(f"the tail of the network gives {len(values)} tensors, and {len(tail.names)} have names")
        # What has no batch, such as the places of a detector's boxes, is given for each input.
        parts.append([one[:used] if one.shape[:1] == (tail.batch,) else one[None] for one in values])
    return {name: torch.cat([part[index] for part in parts]) for index, name in enumerate(tail.names)}


def _run(program: ExportedProgram, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The tensors that a program gives, operator by operator."""
    known = program.constants | dict(program.state_dict)
    given = iter(inputs)
    values = [
        next(given) if spec.kind is InputKind.USER_INPUT else known.get(spec.target or "")
        for spec in program.graph_signature.input_specs
    ]
    try:
        with silenced(), torch.no_grad():
            found = fx.Interpreter(program.graph_module).run(*values)
    except Exception as error:  # whatever an operator raises
        first = str(error).strip().partition("\n")[0]
        raise LoadingError(f"the tail of the network cannot be run: {type(error).__name__}: {first}") from error
    return [one for one in tree_leaves(found) if isinstance(one, torch.Tensor)]
