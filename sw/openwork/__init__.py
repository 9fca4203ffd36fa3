"""Openwork: sparse neural networks on open FPGA tools, from a PyTorch model to the array's outputs."""
