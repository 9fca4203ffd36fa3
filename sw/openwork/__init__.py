"""Openwork: sparse neural networks on open FPGA tools, from a PyTorch model to the array's outputs."""

from openwork.api import compile, load_image, load_network, quantize, save_image, save_network
from openwork_hw.arch.refusal import Refusal

__all__ = ["Refusal", "compile", "load_image", "load_network", "quantize", "save_image", "save_network"]
