"""From a float network to int8: activations calibrated, scales in agreement, requantization by shifts: `quantize`."""

from openwork.quantization.agreement import agree
from openwork.quantization.errors import QuantizationError
from openwork.quantization.observers import Observer, observe
from openwork.quantization.quantizer import calibration_inputs, decide, integer_network, quantize
from openwork.quantization.residuals import Plan, join_residuals, plan
from openwork.quantization.scales import ActivationScale, ScaleKind, activation_scale, weight_scales
from openwork.quantization.trainable import TrainableNetwork

__all__ = [
    "ActivationScale",
    "Observer",
    "Plan",
    "QuantizationError",
    "ScaleKind",
    "TrainableNetwork",
    "activation_scale",
    "agree",
    "calibration_inputs",
    "decide",
    "integer_network",
    "join_residuals",
    "observe",
    "plan",
    "quantize",
    "weight_scales",
]
