"""What quantization refuses."""

from openwork_hw.arch.refusal import Refusal


class QuantizationError(Refusal):
    """A network or data that cannot be quantized; the message names the layer and the reason."""
