"""Designs after synthesis, after place and route, and read back from a bitstream, as Verilog that a simulator can run."""
