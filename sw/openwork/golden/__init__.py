"""The golden model: what every other part must compute, in exact PyTorch integers; never imports the compiler."""

from openwork.golden.integer import partial_sums, run_layer, run_model

__all__ = ["partial_sums", "run_layer", "run_model"]
