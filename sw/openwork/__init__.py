"""Openwork: sparse neural networks on open FPGA tools, from a PyTorch model to the array's outputs."""

from openwork.api import load_network, quantize, save_network

__all__ = ["load_network", "quantize", "save_network"]
