"""Layers with weights, and batch norm."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from openwork.frontend.builder import Builder, Parts, fits, is_constant
from openwork.frontend.float_steps import FloatLayer
from openwork.frontend.node import Node
from openwork.frontend.operators.transposed import transposed_convolution
from openwork.operations.arguments import Unsupported, pair


def _conv2d(
    build: Builder,
    node: Node,
    self_: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    transposed: bool = False,
    output_padding: Any = None,  # of transposed convolutions only
) -> Parts:
    if transposed:
        return transposed_convolution(
            build, node, self_, build.constant(weight), bias, (stride, padding, dilation), groups
        )
    source, (top, left, bottom, right) = build.unpadded(build.parts(self_))
    weights = build.constant(weight)
    if weights.ndim != 4 or not weights.numel():
        raise Unsupported(f"weights of {list(weights.shape)}")
    kernel = weights.shape[2:]
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    if isinstance(padding, str):
        total = [dilation[axis] * (kernel[axis] - 1) if padding == "same" else 0 for axis in (0, 1)]
        before, after = (total[0] // 2, total[1] // 2), (total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        before = after = pair(padding, "padding")
    layer = FloatLayer(
        source,
        "",
        weights,
        torch.zeros(len(weights), dtype=torch.float64) if bias is None else build.constant(bias),
        stride,
        (top + before[0], left + before[1], bottom + after[0], right + after[1]),
        dilation,
        groups,
    )
    return build.emit_layer(node, layer)


def _linear(build: Builder, node: Node, self_: Any, weight: Any, bias: Any) -> Parts:
    return _dense(build, node, self_, build.constant(weight), None if bias is None else build.constant(bias))


def _addmm(build: Builder, node: Node, self_: Any, mat1: Any, mat2: Any, beta: Any, alpha: Any) -> Parts:
    if beta != 1 or alpha != 1:
        raise Unsupported(f"with factors {beta} and {alpha}")
    return _dense(build, node, mat1, build.constant(mat2).t(), build.constant(self_))


def _mm(build: Builder, node: Node, self_: Any, mat2: Any) -> Parts:
    return _dense(build, node, self_, build.constant(mat2).t(), None)


def _dense(build: Builder, node: Node, source_node: Node, weights: torch.Tensor, bias: torch.Tensor | None) -> Parts:
    source, shape = build.parts(source_node), source_node.shape
    if len(shape) != 2 or weights.ndim != 2 or not weights.numel():
        raise Unsupported(f"weights of {list(weights.shape)} on {list(map(str, shape))}")
    channels, height, width = weights.shape[1], 1, 1
    before = build.flattened.get(source[0], ()) if len(source) == 1 else ()
    if before:
        inner = (build.channels(before), *build.shapes[before[0]][1:])
        if fits(inner[1] * inner[2], inner[0]):
            source, (channels, height, width) = before, inner
    weights = weights.reshape(-1, channels, height, width)
    bias = torch.zeros(1, dtype=torch.float64) if bias is None else bias
    if bias.numel() not in (1, len(weights)) or bias.shape[-1:].numel() != bias.numel():
        raise Unsupported(
            f"a constant of {list(bias.shape)}; one number for each of the {len(weights)} outputs is possible"
        )
    bias = bias.reshape(-1).expand(len(weights)).clone()
    return build.emit_layer(node, FloatLayer(source, "", weights, bias))


def _batch_norm(
    build: Builder,
    node: Node,
    self_: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    eps: float,
    training: bool = False,
) -> Parts:
    if training:
        raise Unsupported("in training mode: export the model after model.eval()")
    if not is_constant(running_mean) or not is_constant(running_var):
        raise Unsupported("without running statistics")
    factor = 1 / torch.sqrt(build.constant(running_var) + eps)
    if weight is not None:
        factor = factor * build.constant(weight)
    offset = -build.constant(running_mean) * factor
    if bias is not None:
        offset = offset + build.constant(bias)
    return build.affine(node, build.parts(self_), factor, offset)


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "conv2d": _conv2d,
    "convolution": _conv2d,
    "linear": _linear,
    "addmm": _addmm,
    "mm": _mm,
    "batch_norm": _batch_norm,
    "native_batch_norm_legit_no_training": _batch_norm,
}
