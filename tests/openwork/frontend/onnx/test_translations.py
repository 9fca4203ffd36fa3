"""Each operator of ONNX: what is read computes what ONNX's reference implementation computes, or is refused by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from tests.openwork.frontend.onnx.models import SHAPE, behind_a_layer, node, weights, whole

from openwork.frontend import FloatNetwork, ImportingError
from openwork.frontend.onnx.importer import import_onnx
from openwork.frontend.onnx.model import model_of
from openwork.frontend.onnx.operators import TRANSLATIONS
from openwork.frontend.tail import run_tail


@dataclass
class Sample:
    """Operators behind a layer that makes `m`, 4 x 6 x 6; the result is `y`."""

    nodes: Sequence[onnx.NodeProto]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    opset: int = 17


def one(
    kind: str, inputs: str = "m", /, opset: int = 17, constants: Mapping[str, Any] | None = None, **more: Any
) -> Sample:
    """A sample of one operator."""
    arrays = {name: np.asarray(value) for name, value in (constants or {}).items()}
    return Sample([node(kind, inputs, "y", **more)], arrays, opset)


def real(*numbers: float) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)


def scalar(number: float) -> NDArray[np.float32]:
    return np.array(number, np.float32)


BY_TWO = {"s": real(1, 1, 2, 2)}
KERNEL = {"w": weights(5, 4, 3, 2)}
ACROSS = {"w": weights(4, 3, 3, 3, seed=5), "b": weights(3)}

ON_THE_ARRAY = {
    "Conv, as large as the map": one("Conv", "m w", constants={"w": weights(5, 4, 6, 6)}),
    "Conv, all numbers": one(
        "Conv", "m w b", constants={"w": weights(6, 2, 3, 2), "b": weights(6)}, group=2, strides=[2, 1], dilations=[1, 2],
        pads=[1, 2, 1, 2], kernel_shape=[3, 2],
    ),
    "Conv, uneven pads": one("Conv", "m w", constants=KERNEL, pads=[0, 1, 2, 0]),
    "Conv, SAME_UPPER": one("Conv", "m w", constants=KERNEL, auto_pad="SAME_UPPER", strides=[2, 2]),
    "Conv, SAME_LOWER": one("Conv", "m w", constants=KERNEL, auto_pad="SAME_LOWER"),
    "Conv, VALID": one("Conv", "m w", constants=KERNEL, auto_pad="VALID"),
    "ConvTranspose": one("ConvTranspose", "m w b", constants=ACROSS, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0]),
    "ConvTranspose, uneven pads": one("ConvTranspose", "m w", constants={"w": ACROSS["w"]}, strides=[2, 2], pads=[0, 0, 1, 1]),
    "Gemm": Sample(
        [node("Flatten", "m", "f"), node("Gemm", "f w b", "y", transB=1, alpha=0.5, beta=2.0)],
        {"w": weights(5, 144), "b": weights(5)},
    ),
    "Gemm, transposed otherwise": Sample(
        [node("GlobalAveragePool", "m", "g"), node("Flatten", "g", "f"), node("Gemm", "f w", "y")], {"w": weights(4, 3)}
    ),
    "MatMul and a bias": Sample(
        [node("Flatten", "m", "f"), node("MatMul", "f w", "p"), node("Add", "p b", "y")],
        {"w": weights(144, 5), "b": weights(5)},
    ),
    "BatchNormalization": one(
        "BatchNormalization", "m s b e v", epsilon=0.01,
        constants={"s": weights(4), "b": weights(4, seed=3), "e": weights(4, seed=4), "v": np.abs(weights(4, seed=5))},
    ),
    "Relu": one("Relu"),
    "Clip": one("Clip", "m a b", constants={"a": scalar(-0.5), "b": scalar(0.25)}),
    "Clip, one limit": one("Clip", "m - b", constants={"b": scalar(0.25)}),
    "Min and Max": Sample([node("Max", "a m", "h"), node("Min", "h b", "y")], {"a": scalar(-0.5), "b": scalar(0.5)}),
    "LeakyRelu": one("LeakyRelu", alpha=0.2),
    "PRelu": one("PRelu", "m s", constants={"s": np.array([0.1, 0.2, 0.3, 0.4], np.float32).reshape(4, 1, 1)}),
    "HardSigmoid": one("HardSigmoid", alpha=0.3),
    "Add and Sub": Sample(
        [node("Relu", "m", "r"), node("Add", "m r", "a"), node("Sub", "a r", "b"), node("Sub", "c b", "y")],
        {"c": weights(4, 1, 1)},
    ),
    "Sum": Sample([node("Relu", "m", "r"), node("Sum", "m r c", "y")], {"c": weights(1, 4, 1, 1)}),
    "Mul and Div": Sample(
        [node("Mul", "c m", "a"), node("Div", "a d", "y")], {"c": weights(4, 1, 1), "d": np.array(3, np.float32)}
    ),
    "Neg and Abs": Sample([node("Neg", "m", "a"), node("Abs", "a", "y")]),
    "Concat": Sample([node("Relu", "m", "r"), node("Concat", "m r", "y", axis=1)]),
    "Concat of pixels": Sample([node("Relu", "m", "r"), node("Concat", "m r", "y", axis=-2)]),
    "Split, its sizes an attribute": Sample(
        [node("Split", "m", "a b", axis=1, split=[1, 3]), node("Concat", "b a", "y", axis=1)], opset=11
    ),
    "Split, its sizes an input": Sample(
        [node("Split", "m s", "a b", axis=1), node("Concat", "b a", "y", axis=1)], {"s": whole(3, 1)}
    ),
    "Split, without sizes": Sample(
        [node("Split", "m", "a b", axis=1, num_outputs=2), node("Concat", "b a", "y", axis=1)], opset=18
    ),
    "Slice of channels": one("Slice", "m s e a", constants={"s": whole(1), "e": whole(-1), "a": whole(1)}),
    "Slice of pixels": one(
        "Slice", "m s e a t",
        constants={"s": whole(0, 1), "e": whole(6, 1 << 62), "a": whole(2, -1), "t": whole(2, 2)},
    ),
    "Slice, backwards": one(
        "Slice", "m s e a t", constants={"s": whole(-1), "e": whole(-(1 << 62)), "a": whole(1), "t": whole(-1)}
    ),
    "Slice, backwards in steps": one(
        "Slice", "m s e a t", constants={"s": whole(4), "e": whole(0), "a": whole(3), "t": whole(-2)}
    ),
    "MaxPool": one("MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]),
    "MaxPool, ceil_mode": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "MaxPool, SAME_UPPER": one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "MaxPool, dilated": one("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]),
    "AveragePool": one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "AveragePool, counting pads": one("AveragePool", kernel_shape=[3, 3], pads=[0, 1, 1, 1], count_include_pad=1),
    "AveragePool, SAME_UPPER": one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "GlobalAveragePool": one("GlobalAveragePool"),
    "GlobalMaxPool": one("GlobalMaxPool"),
    "ReduceMean, its axes an attribute": one("ReduceMean", axes=[2, 3], keepdims=0),
    "ReduceMean, its axes an input": one("ReduceMean", "m a", constants={"a": whole(-1)}, opset=18),
    "Flatten": one("Flatten"),
    "Reshape, as Shape, Gather and Concat say": Sample(
        [
            node("Shape", "m", "s"),
            node("Gather", "s zero", "n"),
            node("Unsqueeze", "n zeros", "u"),
            node("Concat", "u rest", "t", axis=0),
            node("Reshape", "m t", "y"),
        ],
        {"zero": np.array(0, np.int64), "zeros": whole(0), "rest": whole(-1)},
    ),
    "Reshape, with zeros": one("Reshape", "m s", constants={"s": whole(0, 0, -1, 3)}),
    "Squeeze and Unsqueeze": Sample(
        [node("GlobalAveragePool", "m", "g"), node("Squeeze", "g a", "q"), node("Unsqueeze", "q a", "y")], {"a": whole(2, 3)}
    ),
    "Squeeze, an attribute": Sample([node("GlobalAveragePool", "m", "g"), node("Squeeze", "g", "y", axes=[2, 3])], opset=11),
    "Transpose, a shuffle of channels": Sample(
        [node("Reshape", "m a", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t b", "y")],
        {"a": whole(-1, 2, 2, 6, 6), "b": whole(-1, 4, 6, 6)},
    ),
    "Pad": Sample(
        [node("Pad", "m p v", "q"), node("Conv", "q w", "y")],
        {"p": whole(0, 0, 1, 2, 0, 0, 0, 1), "v": scalar(0.5), "w": weights(3, 4, 2, 2)},
    ),
    "Pad, reflected": one("Pad", "m p", constants={"p": whole(0, 0, 1, 2, 0, 0, 0, 1)}, mode="reflect"),
    "Pad, edge": one("Pad", "m p", constants={"p": whole(0, 0, 0, 1, 0, 0, 0, 0)}, mode="edge"),
    "Pad, with axes": one("Pad", "m p - a", constants={"p": whole(1, 2), "a": whole(2)}, opset=18),
    "Resize, nearest": one("Resize", "m - s", constants=BY_TWO, coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    "Resize, nearest, as by default": one("Resize", "m - s", constants={"s": real(1, 1, 3, 2)}),
    "Resize, nearest, no whole factors": one("Resize", "m - - z", constants={"z": whole(1, 4, 9, 4)}),
    "Resize, linear": one("Resize", "m - s", constants=BY_TWO, mode="linear"),
    "Resize, linear, corners": one(
        "Resize", "m - - z", constants={"z": whole(1, 4, 12, 11)}, mode="linear", coordinate_transformation_mode="align_corners"
    ),
    "Resize, with axes": one("Resize", "m - s", constants={"s": real(2, 2)}, axes=[2, 3], mode="linear", opset=18),
    "Resize, a factor that leaves a rest": one("Resize", "m - s", constants={"s": real(1, 1, 1.4, 1.75)}, mode="linear"),
    "Upsample": one("Upsample", "m s", constants=BY_TWO, opset=11),
    "Dropout and Identity": Sample([node("Dropout", "m", "d"), node("Identity", "d", "y")]),
    "Cast": one("Cast", to=onnx.TensorProto.FLOAT),
    "Gather of channels": one("Gather", "m i", constants={"i": whole(3, -4, 1)}, axis=1),
    "Gather of one channel": Sample(
        [node("Gather", "m i", "g", axis=1), node("Unsqueeze", "g a", "y")], {"i": np.array(2, np.int64), "a": whole(1)}
    ),
    "DepthToSpace": one("DepthToSpace", blocksize=2),
    "DepthToSpace, CRD": one("DepthToSpace", blocksize=2, mode="CRD"),
    "SpaceToDepth": one("SpaceToDepth", blocksize=2),
    "Expand and Tile": Sample(
        [node("Expand", "m s", "e"), node("Tile", "e r", "y")], {"s": whole(1, 4, 6, 6), "r": whole(1, 2, 1, 1)}
    ),
    "Constant, ConstantOfShape, Range": Sample(
        [
            node("Constant", "", "c", value_floats=[0.5]),
            node("ConstantOfShape", "s", "k", value=onnx.numpy_helper.from_array(np.array([2.0], np.float32))),
            node("Range", "a b d", "r"),
            node("Add", "c k", "t"),
            node("Add", "t r", "u"),
            node("Mul", "m u", "y"),
        ],
        {"s": whole(4, 1, 1), "a": scalar(1), "b": scalar(2), "d": scalar(1)},
    ),
    "Where and Equal, of constants": Sample(
        [node("Equal", "a b", "e"), node("Where", "e c d", "w"), node("Mul", "m w", "y")],
        {"a": whole(1, 2, 3, 4).reshape(4, 1, 1), "b": whole(2), "c": scalar(3), "d": scalar(4)},
    ),
}  # fmt: skip

AT_THE_END = {
    "Softmax": one("Softmax", axis=1),
    "Softmax, of all axes from one on": one("Softmax", axis=1, opset=11),
    "LogSoftmax": Sample(
        [node("GlobalAveragePool", "m", "g"), node("Flatten", "g", "f"), node("LogSoftmax", "f", "y")]
    ),
    "Sigmoid": one("Sigmoid"),
    "ArgMax": one("ArgMax", axis=1, keepdims=0),
    "TopK": Sample([node("Flatten", "m", "f"), node("TopK", "f k", "y z")], {"k": whole(3)}),
    "ReduceMax": one("ReduceMax", axes=[1]),
    "ReduceSum": one("ReduceSum", "m a", constants={"a": whole(1)}),
    "ReduceL2": one("ReduceL2", axes=[1]),
    "a product of two maps": Sample([node("Sigmoid", "m", "s"), node("Mul", "m s", "y")]),
    "Exp, Tanh, Sqrt": Sample([node("Exp", "m", "e"), node("Sqrt", "e", "s"), node("Tanh", "s", "y")]),
    "Pow and Reciprocal": Sample(
        [node("Pow", "m p", "q"), node("Add", "q o", "r"), node("Reciprocal", "r", "y")],
        {"p": scalar(2), "o": scalar(1)},
    ),
    "HardSwish": one("HardSwish"),
    "a cast to integers": one("Cast", to=onnx.TensorProto.INT32),
}


def batch(count: int) -> torch.Tensor:
    return torch.randn(count, *SHAPE[1:], generator=torch.Generator().manual_seed(count))


def expected(proto: onnx.ModelProto, inputs: torch.Tensor) -> list[torch.Tensor]:
    """What the reference gives for each input, by itself."""
    judge = ReferenceEvaluator(proto)
    found = [judge.run(None, {"x": single[None].numpy()}) for single in inputs]
    return [torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True)]


def network_of(sample: Sample, *, host: bool) -> tuple[FloatNetwork, onnx.ModelProto]:
    made = behind_a_layer(sample.nodes, sample.constants, opset=sample.opset)
    return import_onnx(model_of(made.SerializeToString(), "a.onnx"), batch(1), host=host), made


@pytest.mark.parametrize("name", ON_THE_ARRAY)
def test_an_operator_becomes_steps(name: str) -> None:
    network, made = network_of(ON_THE_ARRAY[name], host=False)
    if "Upsample" in name:  # the reference has no version of it that ONNX 11 still had
        made = behind_a_layer(ON_THE_ARRAY["Resize, nearest"].nodes, BY_TWO)
    (right,) = expected(made, batch(3))
    found = network.run(batch(3)).reshape(right.shape)
    assert torch.allclose(found, right, atol=1e-4), (found - right).abs().max()


@pytest.mark.parametrize("name", AT_THE_END)
def test_an_operator_at_the_end_is_left_to_the_host(name: str) -> None:
    network, made = network_of(AT_THE_END[name], host=True)
    assert network.tail is not None and network.steps[0].output == "first"
    (right,) = expected(made, batch(3))
    (found,) = run_tail(network.tail, network.results(batch(3))).values()
    if "all axes" in name:  # the reference knows the rule of later versions alone
        assert torch.allclose(found.double().sum((1, 2, 3)), torch.ones(3, dtype=torch.float64), atol=1e-4)
        return
    assert torch.allclose(found.double(), right.double(), atol=1e-4)


def test_every_operator_has_a_sample() -> None:
    samples = {one.op_type for sample in (*ON_THE_ARRAY.values(), *AT_THE_END.values()) for one in sample.nodes}
    elsewhere = {"QuantizeLinear", "DequantizeLinear"}  # test_quantized.py
    same = {"ArgMin", "Ceil", "Elu", "Erf", "Floor", "Gelu", "Log", "Mish", "Not", "ReduceL1", "ReduceMin", "Sign", "Size",
            "Softplus", "And", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or"}  # as others beside them  # fmt: skip
    assert samples | elsewhere | same == TRANSLATIONS.keys()


@pytest.mark.parametrize(
    ("nodes", "constants", "said"),
    [
        ([node("Einsum", "m", "y", equation="abcd->abcd")], {}, r"not supported: Einsum at node 'the Einsum'"),
        (
            [node("Einsum", "m", "p", equation="abcd->abcd"), node("Einsum", "p", "q", equation="abcd->abcd"),
             node("Conv", "q w", "y")],
            {"w": weights(5, 4, 1, 1)},
            r"2 operators that are not supported: Einsum x2, first at node 'the Einsum'",
        ),
        ([node("Sin", "m", "p"), node("Conv", "p w", "y")], {"w": weights(5, 4, 1, 1)}, r"Sin at node 'the Sin'"),
        (
            [node("Cos", "m", "p"), node("Conv", "p w", "y")],
            {"w": weights(90, 4, 1, 1)},
            r"Cos at node 'the Cos'",
        ),
        (
            [node("Conv", "m m", "p"), node("Conv", "p w", "y")],
            {"w": weights(512, 1, 1, 1)},
            r"Conv \(weights that depend on the input\) at node 'the Conv'",
        ),
        ([node("MaxPool", "m", "y", kernel_shape=[2, 2], storage_order=1)], {}, r"MaxPool \(with storage_order 1\)"),
        ([node("LeakyRelu", "m", "y", beta=2.0)], {}, r"LeakyRelu \(with beta 2.0\)"),
        ([node("Dropout", "m r t", "y")], {"r": scalar(0.5), "t": np.array(True)}, r"Dropout \(in training mode"),
        ([node("Conv", "m w", "y", pads=[1 << 40] * 4)], {"w": weights(5, 4, 1, 1)}, r"Conv|values of all maps"),
        ([node("Resize", "m - s", "y")], {"s": real(1, 1, 9e8, 9e8)}, r"Resize \("),
        ([node("Expand", "m s", "y")], {"s": whole(1, 4, 6, 6 << 40)}, r"Expand|values of all maps"),
        ([node("ConstantOfShape", "s", "c"), node("Add", "m c", "y")], {"s": whole(1 << 40)}, r"ConstantOfShape \(of \["),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused_by_name(nodes: Any, constants: Any, said: str) -> None:
    made = behind_a_layer(nodes, constants)
    with pytest.raises((ImportingError), match=said):
        import_onnx(model_of(made.SerializeToString(), "a.onnx"), batch(1))
