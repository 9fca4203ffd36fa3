"""The golden model: what every other part must compute, in exact integers; never imports the compiler.

What an operation computes stands in its own file in `openwork.operations`; here is the walk over a network.
"""

from openwork.golden.network import run_network, trace_network
from openwork.operations.layer import partial_sums, run_layer

__all__ = ["partial_sums", "run_layer", "run_network", "trace_network"]
