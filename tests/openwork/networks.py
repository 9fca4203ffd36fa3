"""Random integer networks of every kind of step, for the tests of all that reads them."""

import numpy as np
from hypothesis import strategies as st

from openwork.activation import Activation, Clip, Table
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, PixelShuffle, Reshape, Shape, Step, Tensor, Upsample

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
"""Strides down and across."""


@st.composite
def integer_networks(draw: st.DrawFn, *, tables: bool = True) -> IntegerNetwork:
    """Up to six steps over small maps: concatenations, a tensor read twice or by several, odd sizes, extreme values.

    Args:
        tables: whether there may be activation tables, which not every array has.
    """
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)))
    scale, zero_point = draw(st.sampled_from([(0.1, 0), (3.0e-7, -128), (1 / 3, 127)]))
    tensors = [Tensor("input", shape, scale, zero_point)]
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 6))):
        first = draw(st.sampled_from(tensors))
        alike = [one for one in tensors if one.shape[1:] == first.shape[1:] and one.zero_point == first.zero_point
                 and one.scale == first.scale and one is not first]  # fmt: skip
        two = bool(alike) and draw(st.booleans())
        twice = draw(st.integers(0, 4)) == 0
        read = (first, first) if twice else (first, draw(st.sampled_from(alike))) if two else (first,)
        names = tuple(one.name for one in read)
        source = (sum(one.shape[0] for one in read), *first.shape[1:])
        kinds = ("layer",) if twice else ("layer", "layer", "pool", "upsample", "shuffle", "reshape")
        step = draw(_steps(f"step {number}/é", names, source, first.zero_point, kinds, tables))
        steps.append(step)
        keeps = not isinstance(step, LayerStep) or draw(st.booleans())
        tensors.append(
            Tensor(step.output, step.output_shape(source), first.scale if keeps else 0.7, _zero_point(step, first))
        )
    return IntegerNetwork(tuple(tensors), tuple(steps), (tensors[-1].name,))


def _zero_point(step: Step, before: Tensor) -> int:
    """Behind a table, what becomes of the zero point before the table."""
    for layer in step.layers:
        zero_point = layer.output_zero_point
        return zero_point if layer.activation.table is None else layer.activation.table[zero_point + 128]
    return before.zero_point


@st.composite
def _steps(
    draw: st.DrawFn,
    name: str,
    inputs: tuple[str, ...],
    shape: Shape,
    zero_point: int,
    kinds: tuple[str, ...],
    tables: bool,
) -> Step:
    channels, height, width = shape
    kind = draw(st.sampled_from(kinds))
    kernel = (draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width))))
    if kind == "pool":
        padding = [draw(st.integers(0, kernel[side % 2] - 1)) for side in range(4)]
        dilation = draw(
            st.tuples(
                *(
                    st.integers(1, 2 if side > kernel[axis] and kernel[axis] == 2 else 1)
                    for axis, side in enumerate((height, width))
                )
            )
        )
        return MaxPool(inputs, name, kernel, draw(PAIRS), (padding[0], padding[1], padding[2], padding[3]), dilation)
    if kind == "upsample" and height * width < 50:
        return Upsample(inputs, name, draw(PAIRS))
    if kind == "shuffle":
        down, across = draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2)]))
        alone = len(inputs) == 1 or (down, across) == (1, 1)
        if height * width > 1 and alone and channels % (down * across) == 0:
            size = draw(st.integers(1, height * down)), draw(st.integers(1, width * across))
            return PixelShuffle(inputs, name, (down, across), size)
    if kind == "reshape":
        return Reshape(
            inputs, name, draw(st.sampled_from([(channels * height * width, 1, 1), (width, channels, height)]))
        )
    generator = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    groups = draw(st.sampled_from([1, channels]))
    rows = groups * draw(st.integers(1, 2))
    activation: Activation = Clip(*draw(st.sampled_from([(-128, 127), (-7, 50), (3, 3)])))
    if tables and draw(st.integers(0, 3)) == 0:
        activation = Table(tuple(generator.integers(-128, 128, 256).tolist()))
    layer = IntegerLayer(
        name=name,
        weights=generator.integers(-128, 128, (rows, channels // groups, *kernel), np.int8)
        * generator.binomial(1, draw(st.sampled_from([0.05, 0.5, 1.0])), (rows, channels // groups, *kernel)).astype(
            np.int8
        ),
        bias=generator.integers(-(1 << 31), 1 << 31, rows) >> generator.integers(0, 30, rows),
        shift=generator.integers(0, 23, rows),
        input_zero_point=zero_point,
        output_zero_point=draw(st.sampled_from([zero_point, 5])),
        activation=activation,
        input_shape=shape,
        stride=draw(PAIRS),
        padding=draw(st.tuples(*[st.integers(0, 2)] * 4)),
        groups=groups,
    )
    return LayerStep(inputs, name, layer)
