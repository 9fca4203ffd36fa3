"""`.onnx` files from end to end: the integers are those of the same model as a PyTorch module, on the array, too."""

import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from tests.openwork.frontend.onnx.models import behind_a_layer, node, proto, weights
from tests.openwork.frontend.zoo import MODELS, inputs, trained
from torch import nn

import openwork
from openwork.compiler.network import compile_network
from openwork.frontend import ImportingError, LoadingError, import_module, load
from openwork.frontend.onnx import importer
from openwork.frontend.onnx.importer import import_onnx
from openwork.frontend.onnx.model import model_of
from openwork.frontend.onnx.operators import TRANSLATIONS
from openwork.golden import run_network
from openwork.network import IntegerNetwork
from openwork.quantization import calibration_inputs, quantize
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS


def exported(model: nn.Module, example: torch.Tensor) -> bytes:
    """The `.onnx` file that PyTorch writes; its older exporter needs no further package. Batch norm stays as it is."""
    file = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (example,), file, dynamo=False,  # type: ignore[arg-type]  # a file is as good as a path here
            input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "n"}},
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        )  # fmt: skip
    return file.getvalue()


def check_same(found: IntegerNetwork, expected: IntegerNetwork) -> None:
    """Two networks are the same but for the names of their tensors."""
    # ONNX keeps the epsilon of a batch norm in 32 bits, so that the real numbers differ in their ninth digit.
    for mine, right in zip(found.tensors, expected.tensors, strict=True):
        assert (mine.shape, mine.zero_point) == (right.shape, right.zero_point)
        assert mine.scale == pytest.approx(right.scale, rel=1e-8)
    assert len(found.layers) == len(expected.layers) > 0
    for one, other in zip(found.layers, expected.layers, strict=True):
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.bias, other.bias) and np.array_equal(one.shift, other.shift)
    assert [type(step) for step in found.steps] == [type(step) for step in expected.steps]


@pytest.mark.parametrize("name", MODELS)
def test_the_integers_are_those_of_the_module(name: str) -> None:
    model, batch = trained(name).eval(), inputs(name, 6)
    network = import_onnx(model_of(exported(model, batch[:1]), "a.onnx"), batch[:1])
    own, other = quantize(network, batch), quantize(import_module(model, batch[:1]), batch)
    check_same(own, other)
    integers = own.integer_inputs(batch.numpy())
    assert np.array_equal(run_network(own, integers), run_network(other, integers))
    image = compile_network(own, replace(PRESETS["demo"], feature_words=4096))
    assert np.array_equal(image.outputs(run_image(image, integers[0])), run_network(own, integers[:1])[0])


def test_a_file_is_quantized_compiled_and_run(tmp_path: Path) -> None:
    made = behind_a_layer(
        [
            node("Relu", "m", "r"),
            node("GlobalAveragePool", "r", "g"),
            node("Flatten", "g", "f"),
            node("Softmax", "f", "y", axis=1),
        ]
    )
    onnx.save_model(made, tmp_path / "a.onnx")
    batch = np.random.default_rng(1).standard_normal((50, 3, 6, 6)).astype(np.float32)
    network = openwork.quantize(tmp_path / "a.onnx", batch)
    answer = openwork.compile(network, "demo").answer(batch[:3], backend="model")
    judge: Any = ReferenceEvaluator(made)
    expected = [judge.run(None, {"x": one[None]})[0] for one in batch[:3]]
    assert np.allclose(answer["y"], np.concatenate(expected), atol=0.02)
    openwork.save_network(network, tmp_path / "a.int8")
    assert openwork.load_network(tmp_path / "a.int8").tail is not None


@pytest.mark.slow
def test_a_quantized_file_runs_on_the_array_in_rtl(tmp_path: Path) -> None:
    onnx.save_model(quantized_model(), tmp_path / "a.onnx")
    batch = np.random.default_rng(1).standard_normal((20, 3, 6, 6)).astype(np.float32)
    image = openwork.compile(openwork.quantize(tmp_path / "a.onnx", batch), "demo")
    assert np.array_equal(image.run(batch[:2], backend="rtl"), image.run(batch[:2], backend="golden"))


def test_a_size_that_is_open_is_that_of_the_example(tmp_path: Path) -> None:
    made = behind_a_layer([node("GlobalMaxPool", "m", "y")], shape=("n", 3, "h", "w"))
    network = import_onnx(model_of(made.SerializeToString(), "a.onnx"), torch.zeros(1, 3, 9, 8))
    assert network.shapes["first"] == (4, 9, 8)
    with pytest.raises(ImportingError, match=r"takes inputs of \[any, 3, any, any\], and these are \[1, 2, 9, 8\]"):
        import_onnx(model_of(made.SerializeToString(), "a.onnx"), torch.zeros(1, 2, 9, 8))


def test_a_model_of_two_inputs_is_refused_by_their_names() -> None:
    made = behind_a_layer([node("Add", "m other", "y")])
    made.graph.input.append(onnx.helper.make_tensor_value_info("other", 1, ["n", 4, 6, 6]))
    with pytest.raises(ImportingError, match="takes 2 inputs \\('x', 'other'\\)"):
        import_onnx(model_of(made.SerializeToString(), "a.onnx"), torch.zeros(1, 3, 6, 6))


def test_a_model_is_cut_at_a_node_or_a_value() -> None:
    nodes = [node("Conv", "m w", "n"), node("Relu", "n", "r"), node("Conv", "r w", "y")]
    made = behind_a_layer(nodes, {"w": weights(4, 4, 1, 1)}).SerializeToString()
    for name in ("the Relu", "r"):
        network = import_onnx(model_of(made, "a.onnx"), torch.zeros(1, 3, 6, 6), cut=[name])
        assert network.tail is not None and len(network.steps) == 2


def test_several_results_have_the_names_of_the_file() -> None:
    nodes = [node("Relu", "m", "one"), node("Conv", "m w", "two")]
    made = behind_a_layer(nodes, {"w": weights(2, 4, 6, 6)}, outputs=("one", "two"))
    network = import_onnx(model_of(made.SerializeToString(), "a.onnx"), torch.zeros(1, 3, 6, 6))
    assert [(one.name, one.shape) for one in network.named] == [("one", (4, 6, 6)), ("two", (2, 1, 1))]


def test_a_translation_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = dict(TRANSLATIONS) | {"Relu": lambda at: at.emit("neg", self_=at.input())}
    monkeypatch.setattr(importer, "TRANSLATIONS", broken)
    made = behind_a_layer([node("Relu", "m", "y")]).SerializeToString()
    with pytest.raises(ImportingError, match="away from what was understood of it"):
        import_onnx(model_of(made, "a.onnx"), torch.zeros(1, 3, 6, 6))


def quantized_model(*, dtype: type = np.uint8, clip: bool = False) -> onnx.ModelProto:
    """Weights of int8, and an activation with a scale and a zero point of its own, of ONNX's operators of version 21."""
    limits = np.iinfo(dtype)
    constants: dict[str, NDArray[Any]] = {
        "a": np.random.default_rng(1).integers(-100, 100, (4, 3, 3, 3)).astype(np.int8),
        "a.scales": np.array([0.01, 0.02, 0.005, 0.01], np.float32),
        "a.zeros": np.zeros(4, np.int8),
        "b": weights(3, 4, 3, 3),
        "b.scale": np.array(0.03, np.float32),
        "b.zero": np.zeros((), np.int8),
        "x.scale": np.array(0.0625, np.float32),
        "x.zero": np.array((limits.min + limits.max + 1) // 2, dtype),
        "m.scale": np.array(0.03, np.float32),
        "m.zero": np.array(limits.min + 40, dtype),
        "low": np.array(limits.min + 50, dtype),
        "high": np.array(limits.max - 1, dtype),
    }
    nodes = [
        node("QuantizeLinear", "x x.scale x.zero", "xq"),
        node("DequantizeLinear", "xq x.scale x.zero", "xd"),
        node("DequantizeLinear", "a a.scales a.zeros", "ad", axis=0),
        node("Conv", "xd ad", "m"),
        node("QuantizeLinear", "m m.scale m.zero", "mq"),
        *([node("Clip", "mq low high", "mc")] if clip else []),
        node("DequantizeLinear", f"{'mc' if clip else 'mq'} m.scale m.zero", "md"),
        node("QuantizeLinear", "b b.scale b.zero", "bq"),
        node("DequantizeLinear", "bq b.scale b.zero", "bd"),
        node("Conv", "md bd", "y"),
    ]
    return proto(nodes, constants, opset=21)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("clip", [False, True])
def test_scales_of_activations_are_taken_over_and_weights_are_rounded_anew(dtype: type, clip: bool) -> None:
    made = quantized_model(dtype=dtype, clip=clip)
    network = import_onnx(model_of(made.SerializeToString(), "a.onnx"), torch.zeros(1, 3, 6, 6))
    assert [step.output for step in network.steps] == ["the_Conv", "the_Conv_2"]
    batch = torch.randn(40, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    found = quantize(network, batch)
    x, m = found.tensor("input"), found.tensor("the_Conv")
    assert x.zero_point == 0 and m.zero_point == -128 + 40
    assert x.scale == pytest.approx(0.0625, rel=1e-6) and m.scale == pytest.approx(0.03, rel=1e-6)
    # The reference rounds as the file says. What Openwork makes of it differs by the rounding of weights alone.
    judge: Any = ReferenceEvaluator(made)
    expected = np.concatenate([judge.run(None, {"x": one[None].numpy()})[0] for one in batch])
    real = found.real_results(run_network(found, found.integer_inputs(batch.numpy())))["y"]
    noise = float(np.square(real - expected).mean() / np.square(expected).mean())
    assert 10 * np.log10(1 / noise) > 30
    assert any("2 activations" in note for note in network.notes)


def test_a_scale_that_differs_between_the_two_operators_is_refused() -> None:
    made = quantized_model()
    made.graph.node[5].input[1] = "x.scale"
    with pytest.raises(ImportingError, match="DequantizeLinear \\(with another scale or zero point"):
        import_onnx(model_of(made.SerializeToString(), "a.onnx"), torch.zeros(1, 3, 6, 6))


def test_the_name_of_a_file_says_its_format(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no model")
    with pytest.raises(LoadingError, match="the file is damaged, or for a newer onnx"):
        load(str(tmp_path / "a.onnx"), calibration_inputs(np.zeros((1, 3, 6, 6), np.float32)))
    with pytest.raises(LoadingError, match=r"a model is a .pt2 file, an .onnx file or package.module:function"):
        load("a.bin", torch.zeros(1, 3, 6, 6))
