"""What quantization refuses."""


class QuantizationError(ValueError):
    """A network or data that cannot be quantized; the message names the layer and the reason."""
