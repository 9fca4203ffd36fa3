"""From a float model to int8: batch norm folded, activations calibrated, requantization by shifts: `quantize`."""

from openwork.quantization.folding import FloatLayer, QuantizationError, fold
from openwork.quantization.quantizer import quantize
from openwork.quantization.scales import ActivationScale, ScaleKind, activation_scale, weight_scales

__all__ = [
    "ActivationScale",
    "FloatLayer",
    "QuantizationError",
    "ScaleKind",
    "activation_scale",
    "fold",
    "quantize",
    "weight_scales",
]
