"""Openwork: sparse neural networks on open FPGA tools, from a PyTorch model to the array's outputs.

    import openwork

    network = openwork.quantize(model, calibration)       # a torch module, floating point inputs
    image = openwork.compile(network, "ecp5-85k")         # the name of a preset, or an ArrayConfig
    outputs = image.run(inputs, "rtl")                    # golden, model, rtl or board

Packages are imported when their names are used, so `import openwork` takes no time and needs NumPy alone.
"""

from importlib import import_module

from openwork.api import TYPE_CHECKING, compile, load_image, load_network, quantize, save_image, save_network
from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    from typing import Any

    from openwork_hw.arch.config import PRESETS, ArrayConfig

_LATER = {
    "ArrayConfig": "openwork_hw.arch.config",
    "PRESETS": "openwork_hw.arch.config",
    "BOARDS": "openwork_fpga.boards.catalogue",
}
"""Names that come from another module, which is imported when one of them is used."""

_PACKAGES = ("golden", "host", "pruning", "quantization", "records", "report")

__all__ = [
    "BOARDS",
    "PRESETS",
    "ArrayConfig",
    "Refusal",
    "compile",
    "golden",
    "host",
    "load_image",
    "load_network",
    "pruning",
    "quantization",
    "quantize",
    "records",
    "report",
    "save_image",
    "save_network",
]


def __getattr__(name: str) -> "Any":
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    if name in _PACKAGES:
        return import_module(f"openwork.{name}")
    raise AttributeError(f"module 'openwork' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
