"""The reader of `torch.export` programs: it turns a program into a graph of nodes, and computes constants."""

import operator
from collections.abc import Callable
from math import prod
from typing import Any, TypeGuard

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind
from torch.utils._pytree import tree_flatten_with_path, tree_unflatten

from openwork.frontend.errors import ImportingError
from openwork.frontend.functional import outputs_of
from openwork.frontend.fx_nodes import arguments_of, defaults_of, module_of, name_of, needless, place_of
from openwork.frontend.node import Graph, Node, Open, Result
from openwork.operations.arguments import Unsupported

FACTORIES = ("arange", "eye", "full", "linspace", "ones", "scalar_tensor", "zeros")
"""Operators that make a constant without reading a tensor."""

MAX_CONSTANT = 1 << 28
"""Numbers of a constant that is computed here: more than any layer has weights, less than a computer has memory."""

TRAINING = "random numbers or statistics of a batch, as of a model in training mode: export it after model.eval()"
REASONS = {
    name: TRAINING
    for name in (
        *("bernoulli", "native_dropout", "rand", "rand_like", "randn", "randn_like"),
        *("native_batch_norm", "native_batch_norm_legit", "native_batch_norm_legit_functional"),
    )
}
"""Of operators that are not supported, where their name alone does not tell what to do."""


def read_program(program: ExportedProgram) -> Graph:
    """The graph of a program without in-place operators, of one size.

    Raises:
        ImportingError: the program has another number of inputs than one, or weights without values.
    """
    nodes, graph_input = _placeholders(program)
    operators: list[Node] = []
    for one in program.graph.nodes:
        if one.op == "call_function":
            nodes[one] = node = _node(one, nodes)
            if not node.is_constant:
                operators.append(node)
    outputs = tuple(nodes[one] if is_tensor(one) else None for one in outputs_of(program))
    return Graph(graph_input, tuple(operators), outputs, names_of_outputs(program))


def is_tensor(value: object) -> TypeGuard[fx.Node]:
    """Whether a result of a program is a tensor."""
    return isinstance(value, fx.Node) and isinstance(value.meta.get("val"), torch.Tensor)


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of a value of a program without its batch. All of these sizes are known."""
    return tuple(int(size) for size in node.meta["val"].shape[1:])


def names_of_outputs(program: ExportedProgram) -> tuple[str, ...]:
    """A name for each result: its key in a dict, its number in a tuple or list, points between them; "output" for a lone one."""
    count = len(outputs_of(program))
    spec = program.call_spec.out_spec
    if spec is None or spec.num_leaves != count:
        return tuple(f"output_{number}" for number in range(count)) if count > 1 else ("output",) * count
    paths = [path for path, _ in tree_flatten_with_path(tree_unflatten(range(count), spec))[0]]
    return tuple(".".join(map(_key, path)) or "output" for path in paths)


def _key(key: Any) -> str:
    """A step on the way to a result."""
    found = next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name))
    return str(found)


def _placeholders(program: ExportedProgram) -> tuple[dict[fx.Node, Node], Node]:
    """The nodes of parameters and constants, and that of the one input, which is among them."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    inputs, nodes = [], {}
    for spec in program.graph_signature.input_specs:
        one = placeholders[spec.arg.name]
        if spec.kind is InputKind.USER_INPUT:
            nodes[one] = Node(one.name, "input", results=_results(one.meta.get("val")))
            if not isinstance(spec.arg, ConstantArgument) or spec.arg.value is not None:
                inputs.append(one)
        elif spec.target is not None:
            known = program.state_dict if spec.target in program.state_dict else program.constants
            nodes[one] = _constant(spec.target, _checked(spec.target, known.get(spec.target)))
        else:
            nodes[one] = Node(one.name, "input")
    if len(inputs) != 1 or not isinstance(inputs[0].meta.get("val"), torch.Tensor):
        raise ImportingError(f"the model takes {len(inputs)} inputs, and one tensor is what an array is given")
    return nodes, nodes[inputs[0]]


def _checked(name: str, value: Any) -> torch.Tensor:
    """A parameter, buffer or constant of a program, as it is."""
    if not isinstance(value, torch.Tensor):
        raise ImportingError(f"the model's {name!r} is a {type(value).__name__}, and tensors are possible")
    if isinstance(value, FakeTensor) or value.device.type == "meta":
        raise ImportingError(f"the model's {name!r} has no values: load the weights, and export the model again")
    if value.layout is not torch.strided or value.is_quantized:
        raise ImportingError(
            f"the model's {name!r} is a sparse or quantized tensor; dense floating point numbers are possible"
        )
    return value.detach().cpu()


def _constant(name: str, value: Any) -> Node:
    results = _results(value)
    return Node(name, "constant", results=results, several=isinstance(value, list | tuple), value=value)


def _node(one: fx.Node, nodes: dict[fx.Node, Node]) -> Node:
    """The node of a call, whose inputs have nodes already."""
    name = name_of(one)
    for source in one.all_input_nodes:
        nodes.setdefault(source, Node(source.name, source.op))  # what is no tensor of this graph
    read = [nodes[source] for source in one.all_input_nodes]
    refusal = REASONS.get(name)
    if all(source.is_constant for source in read) and _is_computable(one, name):
        try:
            return _constant(one.name, _computed(one, nodes))
        except Unsupported as reason:
            refusal = str(reason)
    arguments = arguments_of(one)
    defaults = defaults_of(one.target) if isinstance(one.target, torch._ops.OpOverload) else {}
    value = one.meta.get("val")
    module, is_module = module_of(one)
    return Node(
        one.name,
        name,
        {key: _argument(argument, nodes) for key, argument in arguments.items()},
        needless(arguments, defaults),
        _results(value),
        isinstance(value, list | tuple),
        module,
        is_module,
        place_of(one),
        refusal=refusal,
    )


def _argument(value: Any, nodes: dict[fx.Node, Node]) -> Any:
    """An argument in which nodes took the places of fx nodes."""
    if isinstance(value, list | tuple):
        found = [_argument(one, nodes) for one in value]
        return tuple(found) if isinstance(value, tuple) else found
    return nodes[value] if isinstance(value, fx.Node) else value


def _results(value: Any) -> tuple[Result, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(Result(_shape(one), one.dtype) for one in values if isinstance(one, torch.Tensor))


def _shape(tensor: torch.Tensor) -> tuple[Open, ...]:
    return tuple(size if isinstance(size, int) else str(size) for size in tensor.shape)


def _is_computable(node: fx.Node, name: str) -> bool:
    """Whether a node that reads constants alone is one, too; it would draw other random numbers in every run."""
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace != "aten":
        return False
    if (
        name in REASONS
        or torch.Tag.nondeterministic_seeded in node.target.tags
        or name.startswith(("empty", "new_empty"))
    ):
        return False
    return bool(node.all_input_nodes) or name in FACTORIES


def _computed(node: fx.Node, nodes: dict[fx.Node, Node]) -> Any:
    """The value of a node that reads constants alone."""
    results = node.meta.get("val")
    for result in results if isinstance(results, list | tuple) else [results]:
        if isinstance(result, torch.Tensor) and not prod(result.shape) <= MAX_CONSTANT:
            raise Unsupported(f"a constant of {list(result.shape)}; at most {MAX_CONSTANT:,} numbers are possible")
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda source: nodes[source].value)
    compute: Callable[..., Any] = node.target  # type: ignore[assignment]  # an overload or getitem, as was checked
    try:
        with torch.no_grad():
            return compute(*args, **kwargs)
    except (
        RuntimeError,
        ValueError,
        TypeError,
        NotImplementedError,
    ) as error:  # PyTorch's own, of constants that do not fit
        raise Unsupported(f"of constants: {str(error).strip().partition(chr(10))[0]}") from error
