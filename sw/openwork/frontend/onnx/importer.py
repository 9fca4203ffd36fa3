"""Turns a verified ONNX model into a float network, and compares the two at the end."""

from collections.abc import Sequence
from pathlib import Path

import torch

from openwork.frontend.comparison import random_inputs
from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.importer import compared, with_results
from openwork.frontend.lowering import lower
from openwork.frontend.node import Node
from openwork.frontend.onnx.judge import outputs_of_model
from openwork.frontend.onnx.model import OnnxModel, path_of, read_model
from openwork.frontend.onnx.operators import TRANSLATIONS
from openwork.frontend.onnx.reader import read_onnx, torch_dtype
from openwork.frontend.tail import tail_of_nodes
from openwork.outputs import Tail


def import_file(path: Path, example: torch.Tensor, *, cut: Sequence[str] = ()) -> FloatNetwork:
    """The network of an `.onnx` file; arguments and errors as in `import_onnx`.

    Raises:
        LoadingError: the file is not whole or not safe.
    """
    return import_onnx(read_model(path), example, cut=cut)


def import_onnx(model: OnnxModel, example: torch.Tensor, *, host: bool = True, cut: Sequence[str] = ()) -> FloatNetwork:
    """The network of a model of one input, with the batch in front.

    Args:
        model: verified.
        example: inputs like those that the network will see. They say the sizes that are open.
        host: whether what stands at the end and is not the array's may be left to the host; if not, it is refused.
        cut: names of nodes or values; what follows them is left to the host.

    Raises:
        ImportingError: it has another number of inputs, operators that are not supported, nothing to quantize, or weights
            that are NaN or infinite.
    """
    read = read_onnx(model, tuple(example.shape), TRANSLATIONS)
    nodes = {node.name: node for node in (read.graph.input, *read.graph.nodes)}
    lowered = lower(read.graph, host=host, cut=[name if name in nodes else path_of(name) for name in cut])
    outputs = [node for node in read.graph.outputs if node is not None]

    def tail(cuts: Sequence[str], names: Sequence[str]) -> Tail:
        return tail_of_nodes(read.graph.nodes, [nodes[name] for name in cuts], outputs, names)

    network = with_results(
        lowered, model.outputs, [_shape(one) for one in outputs], lambda name: _shape(nodes[name]), tail
    )
    inputs = random_inputs(read.shape, torch_dtype(model.inputs[0].dtype))
    return compared(network, inputs, outputs_of_model(model, inputs, read.replaced))


def _shape(node: Node) -> tuple[int, ...]:
    """The shape of a value without its batch."""
    return tuple(int(size) for size in node.shape[1:])
