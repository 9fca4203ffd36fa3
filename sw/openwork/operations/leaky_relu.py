"""LeakyReLU, PReLU and the absolute value: a sum of the map and of what its negative values are to change by."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from openwork.operations.arguments import Unsupported
from openwork.operations.operation import Lowering

if TYPE_CHECKING:
    import torch

    from openwork.frontend.builder import Builder, Parts
    from openwork.frontend.node import Node


def lower_leaky_relu(build: "Builder", node: "Node", self_: Any, negative_slope: Any = 0.01) -> "Parts":
    """Lower `leaky_relu`, which has one slope for all channels."""
    import torch

    if not isinstance(negative_slope, int | float) or not isfinite(negative_slope):
        raise Unsupported(f"with a slope of {negative_slope}; a finite number is possible")
    channels = build.channels(build.parts(self_))
    return _leaky(build, node, build.parts(self_), torch.full((channels,), float(negative_slope), dtype=torch.float64))


def lower_abs(build: "Builder", node: "Node", self_: Any) -> "Parts":
    """Of `abs`: a slope of -1."""
    return lower_leaky_relu(build, node, self_, -1.0)


def lower_prelu(build: "Builder", node: "Node", self_: Any, weight: Any) -> "Parts":
    """Lower `prelu`, which has one slope, or one slope per channel."""
    parts, slopes = build.parts(self_), build.constant(weight).reshape(-1)
    return _leaky(build, node, parts, slopes.expand(build.channels(parts)).clone())


def _leaky(build: "Builder", node: "Node", source: "Parts", slopes: "torch.Tensor") -> "Parts":
    """``x + (1 - slope) * relu(-x)``: a layer with one nonzero per row, and a sum.

    Both summands have scales of their own. They are chosen so that the weights of layer and sum are whole numbers.

    Args:
        build: the network so far.
        node: the operator.
        source: its operand.
        slopes: float64 [channels], for negative values.
    """
    import torch

    from openwork.frontend.float_steps import FloatAdd, FloatLayer
    from openwork.frontend.limits import Limits

    if bool((slopes == 0).all()):
        return build.limit(node, source, Limits(0.0))
    change = 1 - slopes
    if bool((change == 0).all()):
        return source
    sign = 1 if bool((change >= 0).all()) else -1
    if not bool((sign * change >= 0).all()):
        raise Unsupported("with slopes above 1 and below it; all on one side of 1 are possible")
    weights, bias = (-sign * change)[:, None, None, None], torch.zeros_like(change)
    below = FloatLayer(source, "", weights, bias, groups=len(change), limits=Limits(0.0))
    added = build.emit_layer(replace(node, operation="negative", is_module=False, arguments={}), below)
    return build.emit(node, FloatAdd((*source, *added), "", len(source), (1, sign)), build.shape(node))


LOWERINGS: Mapping[str, Lowering] = {"abs": lower_abs, "leaky_relu": lower_leaky_relu, "prelu": lower_prelu}
