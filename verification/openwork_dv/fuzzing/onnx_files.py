"""Mutated `.onnx` files: messages whose fields say something else, and other bytes."""

from typing import Any

import numpy as np
from numpy.random import Generator

from openwork_dv.fuzzing.values import change_bytes

NUMBERS = (0, 1, 2, 3, 7, 13, 255, -1, -2, 1 << 20, 1 << 31, (1 << 63) - 1, -(1 << 63))
"""Whole numbers that a field may get."""

REALS = (0.0, 1.0, -1.0, 0.5, 3.0, 1e-30, 1e30, float("inf"), float("nan"))


def small_onnx(quantized: bool) -> bytes:
    """The `.onnx` file of a model with a bit of everything: layers, shape arithmetic, quantized weights, an end for the host.

    Args:
        quantized: whether an activation is quantized, too.
    """
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)

    def reals(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    constants = {
        "first.weight": reals(4, 3, 3, 3),
        "first.bias": reals(4),
        **{f"norm.{name}": np.abs(reals(4)) for name in ("weight", "bias", "mean", "var")},
        "second.weight": rng.integers(-100, 100, (4, 4, 1, 1)).astype(np.int8),
        "scales": np.array([0.01, 0.02, 0.01, 0.03], np.float32),
        "zeros": np.zeros(4, np.int8),
        "scale": np.array(0.05, np.float32),
        "zero": np.array(100, np.uint8),
        "last.weight": reals(4, 3),
        "high": np.array(2.0, np.float32),
        "rest": np.array([-1], np.int64),
        "ends": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first.weight", "first.bias"], ["a"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["a", *(f"norm.{name}" for name in ("weight", "bias", "mean", "var"))], ["b"]),
        helper.make_node("Relu", ["b"], ["c"], "relu"),
        *([
            helper.make_node("QuantizeLinear", ["c", "scale", "zero"], ["d"]),
            helper.make_node("DequantizeLinear", ["d", "scale", "zero"], ["e"]),
        ] if quantized else [helper.make_node("LeakyRelu", ["c"], ["e"], alpha=0.5)]),
        helper.make_node("DequantizeLinear", ["second.weight", "scales", "zeros"], ["w"], axis=0),
        helper.make_node("Conv", ["e", "w"], ["f"], "second", strides=[2, 2]),
        helper.make_node("Clip", ["f", "", "high"], ["g"]),
        helper.make_node("MaxPool", ["g"], ["h"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Shape", ["h"], ["s"]),
        helper.make_node("Slice", ["s", "zeros64", "ends"], ["t"]),
        helper.make_node("Concat", ["t", "rest"], ["u"], axis=0),
        helper.make_node("GlobalAveragePool", ["h"], ["i"]),
        helper.make_node("Reshape", ["i", "u"], ["j"]),
        helper.make_node("MatMul", ["j", "last.weight"], ["k"]),
        helper.make_node("Softmax", ["k"], ["y"], axis=-1),
    ]  # fmt: skip
    constants["zeros64"] = np.zeros(1, np.int64)
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8
    ).SerializeToString()
    return content


def mutated_onnx(content: bytes, rng: Generator) -> bytes:
    """A few fields of messages changed, or bytes of the file."""
    import onnx

    if rng.random() < 0.25:
        return change_bytes(content, rng)
    model = onnx.ModelProto.FromString(content)
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        _change(_some_message(model, rng), names, rng)
    changed: bytes = model.SerializeToString()
    return changed


def _some_message(model: Any, rng: Generator) -> Any:
    """A message of a model: one level down at a time, with some chance to stay."""
    message = model.graph
    while rng.random() < 0.8:
        inner = []
        for field, value in message.ListFields():
            if field.message_type is not None:
                inner += [*value] if field.is_repeated else [value]
        if not inner:
            break
        message = inner[int(rng.integers(len(inner)))]
    return message


def _change(message: Any, names: list[str], rng: Generator) -> None:
    """One field of a message gets another value, goes, or stands twice."""
    fields = message.ListFields()
    if rng.random() < 0.2 or not fields:  # a field that is not there yet
        known = [one for one in message.DESCRIPTOR.fields if one.message_type is None]
        field, value = known[int(rng.integers(len(known)))], None
    else:
        field, value = fields[int(rng.integers(len(fields)))]
    if field.is_repeated:
        _change_list(message, field, names, rng)
    elif field.message_type is not None or (value is not None and rng.random() < 0.2):
        message.ClearField(field.name)
    else:
        _set(message, field, _other(field, value, names, rng))


def _change_list(message: Any, field: Any, names: list[str], rng: Generator) -> None:
    values = getattr(message, field.name)
    count, kind = len(values), rng.random()
    place = int(rng.integers(max(count, 1)))
    if field.message_type is None:
        changed = list(values)
        other = _other(field, changed[place] if count else None, names, rng)
        if kind < 0.3 and count:
            del changed[place]
        elif kind < 0.5 or not count:
            changed.insert(place, other)
        else:
            changed[place] = other
        message.ClearField(field.name)
        try:
            getattr(message, field.name).extend(changed)
        except (TypeError, ValueError, UnicodeEncodeError):  # a number beyond the field's type
            return
    elif count and kind < 0.3:
        del values[place]
    elif count and kind < 0.6:
        values.add().CopyFrom(values[place])
    elif count > 1:
        other = int(rng.integers(count))
        first, second = type(values[0])(), type(values[0])()
        first.CopyFrom(values[place])
        second.CopyFrom(values[other])
        values[place].CopyFrom(second)
        values[other].CopyFrom(first)


def _other(field: Any, value: Any, names: list[str], rng: Generator) -> Any:
    """Another value of a field's type."""
    if field.type == field.TYPE_BYTES:
        data = bytearray(value or b"\0\0\0\0")
        if rng.random() < 0.5 and data:
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
            return bytes(data)
        return bytes(data[: int(rng.integers(len(data) + 1))])
    if field.type == field.TYPE_STRING:
        kinds = (
            "",
            "If",
            "Loop",
            "Gemm",
            "Transpose",
            "Resize",
            "ConvTranspose",
            "Einsum",
            "\n",
            "ü" * 2000,
            "axis",
            "../x",
        )
        pool = kinds if rng.random() < 0.5 else tuple(names)
        return pool[int(rng.integers(len(pool)))]
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return REALS[int(rng.integers(len(REALS)))]
    number = NUMBERS[int(rng.integers(len(NUMBERS)))]
    return number if rng.random() < 0.6 else int(value or 0) + int(rng.integers(-2, 3))


def _set(message: Any, field: Any, value: Any) -> None:
    try:
        setattr(message, field.name, value)
    except (TypeError, ValueError, UnicodeEncodeError):  # a number beyond the field's type, or none of an enumeration
        return
