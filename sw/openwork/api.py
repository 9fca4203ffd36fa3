"""What a script calls: each function does what the command of its name does. Packages are imported when one needs them."""

TYPE_CHECKING = False
"""That of `typing`, which takes longer to import than all of this; and Ctrl-C is not heard before this is imported."""

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    import torch
    from numpy.typing import NDArray

    from openwork.image import Image
    from openwork.network import IntegerNetwork
    from openwork.runnable import RunnableImage
    from openwork_hw.arch.config import ArrayConfig


def quantize(
    model: "str | Path | torch.nn.Module | torch.export.ExportedProgram",
    calibration: "NDArray[Any] | torch.Tensor | Sequence[Any]",
    observer: str = "min-max",
    outputs: "Sequence[str]" = (),
) -> "IntegerNetwork":
    """Quantize a PyTorch model to int8, as `openwork quantize` does.

    What stands at the model's end and is not the array's, as a softmax, is left to the host (`RunnableImage.answer`).

    >>> import torch, openwork
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 10))
    >>> network = openwork.quantize(model, torch.rand(100, 1, 8, 8))
    >>> network.input.shape, network.output_shape, [layer.name for layer in network.layers]
    ((1, 8, 8), (10, 1, 1), ['0', '3'])

    Args:
        model: a module, which stays as it is; an exported program; or a name, as the command takes it: the path of a `.pt2`
            or `.onnx` file, or ``package.module:function``.
        calibration: floating point numbers [inputs, channels, height, width] or [inputs, features], like what the model will
            see, 100 inputs or so; an array, a tensor on any device, or a list.
        observer: how the ranges of activations are chosen: min-max, percentile or mean-square-error.
        outputs: modules or operators at which the array's part ends; the host computes what follows.

    Raises:
        ImportingError, LoadingError, QuantizationError: what the model or the data lacks, in a sentence; all are
            `openwork.Refusal`, a ValueError.
    """
    import torch

    from openwork import quantization
    from openwork.arrays import ArrayError, user_array
    from openwork.frontend import load

    known = [one.value for one in quantization.Observer]
    if observer not in known:
        raise quantization.QuantizationError(f"there is no observer {observer}: there are {', '.join(known)}")
    try:
        inputs = quantization.calibration_inputs(user_array(calibration))
    except ArrayError as error:
        raise quantization.QuantizationError(f"calibration inputs {error}") from None
    with torch.no_grad():
        return quantization.quantize(load(model, inputs[:1], cut=outputs), inputs, quantization.Observer(observer))


def load_network(path: "str | Path") -> "IntegerNetwork":
    """The network in a `.int8` file.

    Raises:
        FileError: there is no such file, or it is damaged, of another version, or holds a network that means nothing.
    """
    from pathlib import Path

    from openwork.files import read_network

    return read_network(Path(path))


def save_network(network: "IntegerNetwork", path: "str | Path") -> None:
    """Write a `.int8` file, as a whole or not at all.

    >>> import tempfile, torch, openwork
    >>> network = openwork.quantize(torch.nn.Linear(3, 2), torch.rand(100, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     openwork.save_network(network, f"{folder}/model.int8")
    ...     openwork.load_network(f"{folder}/model.int8").output_shape
    (2, 1, 1)

    Raises:
        FileError: it cannot be written; what was there before still is.
    """
    from pathlib import Path

    from openwork.files import write_network

    write_network(Path(path), network)


def compile(
    network: "IntegerNetwork", array: "str | ArrayConfig" = "demo", encoding: str | None = None
) -> "RunnableImage":
    """Compile a quantized network for an array, as `openwork compile` does.

    >>> import numpy as np, torch, openwork
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 10))
    >>> image = openwork.compile(openwork.quantize(model, torch.rand(100, 1, 8, 8)), "demo")
    >>> outputs = image.run(torch.rand(3, 1, 8, 8), backend="model")
    >>> outputs.shape, image.compute_cycles > 0
    ((3, 10, 1, 1), True)

    Args:
        network: quantized.
        array: the name of a preset, or sizes of one's own.
        encoding: of the weight streams: csr, triplet or packed; where it is left out, packed, and csr for a compact array.

    Raises:
        CompileError, ConfigError: what does not fit, in a sentence; both are `openwork.Refusal`, a ValueError.
    """
    from openwork.compiler.network import compile_network
    from openwork.runnable import RunnableImage
    from openwork_hw.arch.config import PRESETS, ConfigError
    from openwork_hw.arch.encodings import encodings_of
    from openwork_hw.arch.nonzeros import Encoding

    if isinstance(array, str):
        if array not in PRESETS:
            raise ConfigError(f"there is no preset {array}: there are {', '.join(PRESETS)}")
        array = PRESETS[array]
    known = {kind.name.lower(): kind for kind in Encoding}
    if encoding is not None and encoding not in known:
        raise ConfigError(f"there is no encoding {encoding}: there are {', '.join(known)}")
    chosen = encodings_of(array)[-1] if encoding is None else known[encoding]
    return RunnableImage.of(compile_network(network, array, chosen))


def load_image(path: "str | Path") -> "RunnableImage":
    """The image in a `.image` file.

    Raises:
        FileError, ImageError: there is no such file, or it is damaged, of another version, or for another array than it says.
    """
    from pathlib import Path

    from openwork.files import read_image
    from openwork.runnable import RunnableImage

    return RunnableImage.of(read_image(Path(path)))


def save_image(image: "Image", path: "str | Path") -> None:
    """Write a `.image` file, as a whole or not at all.

    Raises:
        FileError: it cannot be written; what was there before still is.
    """
    from pathlib import Path

    from openwork.files import write_image

    write_image(Path(path), image)
