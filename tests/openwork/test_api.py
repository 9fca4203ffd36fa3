"""What a script calls does what the commands do, and costs nothing before it is called."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.openwork.frontend.zoo import inputs, trained
from tests.slow import slow_but

import openwork
from openwork.files import FileError, encode_network
from openwork.frontend import LoadingError, import_module
from openwork.network import NetworkError
from openwork.quantization import Observer, QuantizationError
from openwork.quantization import quantize as quantize_network


@pytest.mark.parametrize("observer", slow_but(Observer, Observer.PERCENTILE))
def test_quantize_takes_a_model_in_every_form(tmp_path: Path, observer: Observer) -> None:
    model, batch = trained("joined").eval(), inputs("joined", 20)
    program = torch.export.export(model, (batch[:1],))
    torch.export.save(program, tmp_path / "model.pt2")
    expected = encode_network(quantize_network(import_module(model, batch[:1]), batch, observer))
    for form in (model, program, tmp_path / "model.pt2", str(tmp_path / "model.pt2")):
        assert encode_network(openwork.quantize(form, batch, str(observer))) == expected
    assert encode_network(openwork.quantize(model, batch.numpy(), str(observer))) == expected


def test_quantize_by_the_name_of_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_model.py").write_text("import torch\ndef small():\n    return torch.nn.Linear(3, 2)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert openwork.quantize("a_model:small", torch.randn(10, 3)).output_shape == (2, 1, 1)


def test_networks_are_saved_and_loaded(tmp_path: Path) -> None:
    network = openwork.quantize(trained("joined"), inputs("joined", 20))
    openwork.save_network(network, str(tmp_path / "model.int8"))
    loaded = openwork.load_network(str(tmp_path / "model.int8"))
    assert encode_network(loaded) == encode_network(network) == (tmp_path / "model.int8").read_bytes()


def test_refuses_in_a_sentence(tmp_path: Path) -> None:
    model, batch = trained("joined"), inputs("joined", 2)
    with pytest.raises(
        QuantizationError, match="there is no observer best: there are min-max, percentile, mean-square"
    ):
        openwork.quantize(model, batch, "best")
    with pytest.raises(QuantizationError, match="must be float32 or float64, not int64"):
        openwork.quantize(model, np.zeros((2, 2, 9, 8), np.int64))
    with pytest.raises(LoadingError, match=r"there is no file .*none\.pt2"):
        openwork.quantize(tmp_path / "none.pt2", batch)
    with pytest.raises(LoadingError, match="a model is a int, not an nn"):
        openwork.quantize(7, batch)  # type: ignore[arg-type]
    with pytest.raises(FileError, match=r"there is no file .*none\.int8"):
        openwork.load_network(tmp_path / "none.int8")


def test_every_refusal_is_of_one_class(tmp_path: Path) -> None:
    for wrong in (
        lambda: openwork.quantize("none.pt2", inputs("joined", 2)),
        lambda: openwork.load_network(tmp_path),
        lambda: openwork.load_image(tmp_path / "none.image"),
        lambda: openwork.compile(openwork.quantize(trained("joined"), inputs("joined", 20)), "huge"),
    ):
        with pytest.raises(openwork.Refusal):
            wrong()
    assert issubclass(openwork.Refusal, ValueError)


def test_an_image_runs_what_becomes_an_array_and_refuses_the_rest() -> None:
    batch = torch.rand(20, 3)
    image = openwork.compile(openwork.quantize(torch.nn.Linear(3, 2), batch), "demo")
    expected = image.run(batch.numpy())
    for form in (batch, batch.clone().requires_grad_(), batch.double().tolist(), batch.numpy()[::-1][::-1]):
        assert np.array_equal(image.run(form), expected)
    for wrong in ([[1.0], [1.0, 2.0]], None, "inputs", batch[:, :2], batch[:0], 7, {"x": batch}):
        with pytest.raises(openwork.Refusal, match="inputs"):
            image.run(wrong)


def test_importing_openwork_imports_nothing_large() -> None:
    program = "import sys, openwork; print([name for name in ('torch', 'numpy', 'safetensors') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


FORMS: dict[str, Callable[[torch.Tensor], Any]] = {
    "an array": lambda batch: batch.numpy(),
    "an array of negative strides": lambda batch: np.flip(np.flip(batch.numpy(), 3).copy(), 3),
    "an array of other strides": lambda batch: np.asfortranarray(batch.numpy()),
    "an array of the other byte order": lambda batch: batch.numpy().astype(">f4"),
    "a read-only array": lambda batch: np.broadcast_to(batch.numpy(), batch.shape),
    "a tensor": lambda batch: batch,
    "a tensor with gradients": lambda batch: batch.clone().requires_grad_(),
    "a tensor of other strides": lambda batch: batch.contiguous(memory_format=torch.channels_last),
    "a list": lambda batch: batch.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_inputs_may_have_any_form(form: str) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU())
    batch = torch.randn(20, 2, 6, 6)
    made = FORMS[form]
    network = openwork.quantize(model, batch)
    if form != "a list":  # of Python's numbers, which are of double precision
        assert encode_network(openwork.quantize(model, made(batch))) == encode_network(network)
    image = openwork.compile(network)
    expected = image.run(batch.numpy())
    assert np.array_equal(image.run(made(batch)), expected)
    integers = torch.tensor(network.quantize_inputs(batch.numpy()))
    if form != "a list" and "byte order" not in form and "gradients" not in form:
        for backend in ("golden", "model"):
            assert np.array_equal(image.run(made(integers), backend), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_inputs_of_16_bits_are_the_same_numbers_as_in_32(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU())
    batch = torch.randn(20, 2, 6, 6).to(dtype)
    network = openwork.quantize(model, batch)
    assert encode_network(network) == encode_network(openwork.quantize(model, batch.float()))
    image = openwork.compile(network)
    assert np.array_equal(image.run(batch), image.run(batch.float()))


def test_what_is_no_array_gets_a_sentence() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3))
    image = openwork.compile(openwork.quantize(model, torch.randn(20, 2, 6, 6)))
    meta = torch.empty(2, 2, 6, 6, device="meta")
    sparse = torch.randn(2, 2, 6, 6).to_sparse()
    cases: list[Any] = [
        [[1.0], [1.0, 2.0]],
        "text",
        None,
        {"a": 1},
        [object()],
        meta,
        sparse,
        torch.zeros(2, 2, 6, 6) * 1j,
    ]
    for what in cases:
        with pytest.raises(QuantizationError, match="calibration inputs"):
            openwork.quantize(model, what)
        with pytest.raises(NetworkError, match="the inputs"):
            image.run(what)
