"""What a script calls does what the commands do, and costs nothing before it is called."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.openwork.frontend.zoo import inputs, trained

import openwork
from openwork.files import FileError, encode_network
from openwork.frontend import LoadingError, import_module
from openwork.quantization import Observer, QuantizationError
from openwork.quantization import quantize as quantize_network


@pytest.mark.parametrize("observer", Observer)
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
    for wrong in (batch.bfloat16(), [[1.0], [1.0, 2.0]], None, "inputs", batch[:, :2], batch[:0], 7, {"x": batch}):
        with pytest.raises(openwork.Refusal, match="inputs"):
            image.run(wrong)


def test_importing_openwork_imports_nothing_large() -> None:
    program = "import sys, openwork; print([name for name in ('torch', 'numpy', 'safetensors') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
