"""The golden model: what every other part must compute, in exact integers; never imports the compiler."""

from openwork.golden.integer import partial_sums, run_layer
from openwork.golden.network import run_network, run_step, trace_network

__all__ = ["partial_sums", "run_layer", "run_network", "run_step", "trace_network"]
