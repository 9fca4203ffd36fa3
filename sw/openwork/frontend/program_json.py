"""Checks the graph in a `.pt2` file. It refuses JSON that could run code or never end, and leaves out what is not needed.

PyTorch's reader makes Python source of the names in a graph, looks its operators up as attributes of `torch`, and evaluates its
sizes. So names are identifiers, operators are those of `aten` that compute tensors, and sizes are arithmetic.
"""

import json
import keyword
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch

from openwork.frontend.sizes import SYMBOL, SizeError, canonical

MAX_BYTES = 64 << 20
"""Of the JSON; a graph of a thousand operators takes less than 2 MB."""
MAX_DEPTH = 40
MAX_GRAPHS = 4
"""Graphs inside each other; `torch.no_grad()` makes one."""
MAX_NUMBER = 1 << 63
MAX_FACTORS = 64
"""Of a size that operators of the graph multiply together."""
MAX_SIZES, MAX_SIZE_TEXT = 50_000, 4 << 20
"""Sizes that are expressions, and their characters; each is evaluated when the file is loaded."""

SIZE_OPERATORS = re.compile(
    r"_operator\.(eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|mod|truediv|and_|or_)"
    r"|math\.(trunc|floor|ceil)|torch\.sym_(not|int|float|ite|max|min|sqrt)"
)
TENSOR_OPERATOR = re.compile(r"torch\.ops\.aten\.([A-Za-z_]\w{0,80})\.([A-Za-z_]\w{0,80})")
WRAPPER = "torch.ops.higher_order.wrap_with_set_grad_enabled"
ABOUT_SIZES = re.compile(r"sym_\w+|_assert_\w+|item|_local_scalar_dense|is_\w+")
"""Operators of `aten` that make no tensor, and check or ask for a size."""

PATH = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
TREE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
VERIFIERS = ("", "ATEN", "TRAINING")

NAME_KEYS = ("name", "as_name", "user_input_name")
PATH_KEYS = ("parameter_name", "buffer_name", "tensor_constant_name", "fqn")
VALUE_KEYS = ("tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values")
REFUSED = {
    "as_operator": "operators as arguments",
    "as_custom_obj": "custom objects",
    "custom_obj": "custom objects",
    "token": "effects besides its result",
    "as_string_to_argument": "arguments by name",
}
KEPT_METADATA = ("nn_module_stack", "stack_trace")
"""The key that says where in the model's source a node comes from."""


class ProgramError(Exception):
    """A program that is refused. The message says what of it, in words that follow the file's name."""


def parsed(content: bytes, what: str) -> Any:
    """JSON of a stranger.

    Raises:
        ProgramError: it is no JSON, or too large or deep.
    """
    if len(content) > MAX_BYTES:
        raise ProgramError(f"has a {what} of {len(content):,} bytes; {MAX_BYTES:,} are possible")
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"has a {what} that is no JSON: {str(error).partition(chr(10))[0]}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def checked_program(content: bytes, *, places: bool = True) -> bytes:
    """The JSON of a program anew, with what is known to be harmless alone.

    Args:
        content: the JSON.
        places: whether operators keep the place in the model's source that they come from.

    Raises:
        ProgramError: it holds what could run code or never end, or is no program.
    """
    document = parsed(content, "graph")
    program = _mapping(document, "graph_module", "opset_version", "range_constraints", "schema_version")
    module = _mapping(program["graph_module"], "graph", "signature", "module_call_graph")
    check = _Check(places)
    ranges = program["range_constraints"]
    if not isinstance(ranges, dict) or not all(isinstance(one, dict) for one in ranges.values()):
        raise ProgramError("has ranges of sizes that are none")
    dialects = program.get("verifiers", [])
    if not isinstance(dialects, list) or not all(dialect in VERIFIERS for dialect in dialects):
        raise ProgramError(f"is a program of the dialect {repr(dialects)[:100]}, and not one of torch.export.export")
    result = {
        "graph_module": {
            "graph": check.value(module["graph"], 0),
            "signature": check.value(module["signature"], 0),
            "module_call_graph": [_root_call(module["module_call_graph"], check)],
            "metadata": {},
            "treespec_namedtuple_fields": {},
        },
        "opset_version": check.value(program["opset_version"], 0),
        # A range of more than a symbol follows from those of its symbols.
        "range_constraints": {
            name: {side: check.value(limits.get(side), 0) for side in ("min_val", "max_val")}
            for name, limits in ranges.items()
            if SYMBOL.fullmatch(name)
        },
        "schema_version": check.value(program["schema_version"], 0),
        "verifiers": dialects,
        "torch_version": str(program.get("torch_version", ""))[:40],
        "guards_code": [],  # source that only says again what the inputs' sizes are
    }
    return json.dumps(result).encode()


def _mapping(value: Any, *keys: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not set(keys) <= set(value):
        raise ProgramError("is not a .pt2 file of torch.export: parts of its graph are missing")
    return value


def _root_call(calls: Any, check: "_Check") -> dict[str, Any]:
    """How the whole model is called. How its parts are called is not needed."""
    roots = (
        [call for call in calls if isinstance(call, dict) and call.get("fqn") == ""] if isinstance(calls, list) else []
    )
    if len(roots) != 1:
        raise ProgramError("does not say how the model is called")
    signature = _mapping(roots[0].get("signature"), "inputs", "outputs", "in_spec", "out_spec")
    names = signature.get("forward_arg_names") or []
    if not isinstance(names, list) or not all(_is_name(name) for name in names) or len({*names}) < len(names):
        raise ProgramError(f"has arguments {repr(names)[:100]}, which are no names, or not each another one")
    return {
        "fqn": "",
        "signature": {
            "inputs": check.value(signature["inputs"], 0),
            "outputs": check.value(signature["outputs"], 0),
            "in_spec": _tree(signature["in_spec"], _is_name),
            "out_spec": _tree(signature["out_spec"], lambda key: isinstance(key, str | int)),
            "forward_arg_names": names,
        },
    }


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= 1000 and text.isidentifier() and not keyword.iskeyword(text)


def _tree(text: Any, is_key: Callable[[Any], bool]) -> str:
    """How tensors are nested in tuples, lists and dicts, as PyTorch writes it."""

    def checked(node: Any, depth: int) -> dict[str, Any]:
        tree = _mapping(node, "type", "context", "children_spec")
        context = tree["context"]
        keys = None if context is None else parsed(context.encode(), "tree") if isinstance(context, str) else context
        if tree["type"] not in TREE_TYPES or depth > MAX_DEPTH or not isinstance(tree["children_spec"], list):
            raise ProgramError(
                f"takes or gives a {tree['type']!r:.100}; tensors in tuples, lists and dicts are possible"
            )
        if keys is not None and not (isinstance(keys, list) and all(map(is_key, keys))):
            raise ProgramError("takes or gives a dict whose keys are no names")
        children = [checked(child, depth + 1) for child in tree["children_spec"]]
        return {
            "type": tree["type"],
            "context": None if context is None else json.dumps(keys),
            "children_spec": children,
        }

    if not isinstance(text, str):
        raise ProgramError("does not say how the model is called")
    tree = parsed(text.encode(), "tree")
    if not isinstance(tree, list) or len(tree) != 2 or tree[0] != 1:
        raise ProgramError("does not say how the model is called")
    return json.dumps([1, checked(tree[1], 0)])


class _Check:
    """Walks through the JSON of a graph and makes it anew."""

    def __init__(self, places: bool = True) -> None:
        self.kept_metadata = KEPT_METADATA if places else ()
        self.sizes = self.size_text = 0
        self.graphs = 0
        self.may_hold_graph = False
        self.factors: dict[str, int] = {}

    def value(self, value: Any, depth: int) -> Any:
        """A value of any kind."""
        if depth > MAX_DEPTH:
            raise ProgramError(f"has a graph that is nested more than {MAX_DEPTH} deep")
        if isinstance(value, list):
            return [self.value(one, depth + 1) for one in value]
        if isinstance(value, dict):
            if "target" in value and "inputs" in value:
                return self.node(value, depth)
            if set(value) == {"type", "index"}:
                return {"type": "cpu", "index": None}  # weights are wanted here, wherever the model was trained
            return {key: self.entry(key, inner, depth) for key, inner in value.items()}
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise ProgramError("has a number beyond 64 bits")
        return value

    def entry(self, key: str, value: Any, depth: int) -> Any:
        """A value under a key that says what it means."""
        if key in REFUSED:
            raise ProgramError(f"holds {REFUSED[key]}")
        if key in NAME_KEYS and value not in ("", None) and not _is_name(value):
            raise ProgramError(f"has a name {value!r:.100}, which is no name in Python")
        if key in PATH_KEYS and value != "" and not (isinstance(value, str) and PATH.fullmatch(value)):
            raise ProgramError(f"has a weight {value!r:.100}, which is no name of one")
        if key in VALUE_KEYS and not (isinstance(value, dict) and all(map(_is_name, value))):
            raise ProgramError("has values without names")
        if key == "custom_obj_values" and value:
            raise ProgramError("holds custom objects")
        if key == "expr_str":
            return self.size(value)
        if key == "as_graph":
            return self.graph(value, depth)
        return self.value(value, depth + 1)

    def size(self, text: Any) -> str:
        """An expression, once it is known to be arithmetic that ends."""
        if not isinstance(text, str):
            raise ProgramError("has a size that is no text")
        self.sizes, self.size_text = self.sizes + 1, self.size_text + len(text)
        if self.sizes > MAX_SIZES or self.size_text > MAX_SIZE_TEXT:
            raise ProgramError(f"has more than {MAX_SIZES:,} sizes, or sizes of more than {MAX_SIZE_TEXT:,} characters")
        try:
            return canonical(text)
        except SizeError as error:
            raise ProgramError(f"holds a size that is more than arithmetic: {text[:60]!r} {error}") from None

    def graph(self, value: Any, depth: int) -> Any:
        """A graph as an argument of the one operator that may have one."""
        if not self.may_hold_graph or self.graphs >= MAX_GRAPHS:
            raise ProgramError("holds a graph in a graph, as of control flow")
        self.graphs += 1
        result = self.value(value, depth + 1)
        self.graphs -= 1
        return result

    def node(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        """An operator with its arguments and results."""
        target = node["target"]
        if not isinstance(node["inputs"], list):
            raise ProgramError("has an operator without arguments")
        if not isinstance(target, str) or not (
            SIZE_OPERATORS.fullmatch(target) or target == WRAPPER or _is_harmless(target)
        ):
            raise ProgramError(f"has an operator {target!r:.100}, which is none of PyTorch's that compute a tensor")
        if SIZE_OPERATORS.fullmatch(target):
            self.count_factors(node)
        metadata = node.get("metadata")
        kept = (
            {key: metadata[key] for key in self.kept_metadata if key in metadata} if isinstance(metadata, dict) else {}
        )
        self.may_hold_graph, before = target == WRAPPER, self.may_hold_graph
        inputs = [self.argument(one, depth) for one in node["inputs"]]
        self.may_hold_graph = before
        result: dict[str, Any] = {
            "target": target,
            "inputs": inputs,
            "outputs": self.value(node.get("outputs"), depth + 1),
            "metadata": {key: _printable(text) for key, text in kept.items() if isinstance(text, str)},
            "is_hop_single_tensor_return": node.get("is_hop_single_tensor_return"),
        }
        if node.get("name") is not None:
            result["name"] = self.entry("name", node["name"], depth)
        return result

    def count_factors(self, node: dict[str, Any]) -> None:
        """Refuse sizes that are multiplied with each other again and again: they would grow without end."""
        read = [self.factors.get(name, 1) for name in _values_of(node["inputs"], "as_name")] or [1]
        product = "mul" in node["target"]
        numbers = sum(1 for _ in _values_of(node["inputs"], "as_int"))
        count = sum(read) + numbers if product else max(read)
        if count > MAX_FACTORS:
            raise ProgramError(f"has a size of more than {MAX_FACTORS} factors")
        for name in _values_of(node.get("outputs"), "as_name"):
            self.factors[name] = count

    def argument(self, argument: Any, depth: int) -> dict[str, Any]:
        """An argument of an operator; the one name in a graph that may be a keyword of Python's, as PyTorch's own are."""
        entry = _mapping(argument, "name", "arg")
        if not isinstance(entry["name"], str) or not (entry["name"] == "" or entry["name"].isidentifier()):
            raise ProgramError(f"has an argument {entry['name']!r:.100}, which is no name in Python")
        return {
            "name": entry["name"],
            "arg": self.value(entry["arg"], depth + 1),
            "kind": self.value(entry.get("kind"), 0),
        }


def _values_of(value: Any, key: str) -> Iterator[Any]:
    """All that stands under a key, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key and isinstance(inner, str | int):
                yield inner
            else:
                yield from _values_of(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _values_of(inner, key)


def _is_harmless(target: str) -> bool:
    """Whether an operator of `aten` computes a tensor or checks a size, and reads no file."""
    found = TENSOR_OPERATOR.fullmatch(target)
    if found is None:
        return False
    packet = getattr(torch.ops.aten, found[1], None)
    operator = getattr(packet, found[2], None)
    if not isinstance(operator, torch._ops.OpOverload) or operator.namespace != "aten":
        return False
    if any("file" in argument.name for argument in operator._schema.arguments):
        return False
    makes = any("Tensor" in str(one.type) for one in operator._schema.returns)
    return makes or ABOUT_SIZES.fullmatch(found[1]) is not None


def _printable(text: str) -> str:
    """Without control characters, which a terminal would obey when the text is part of a message."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")
