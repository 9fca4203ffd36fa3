"""The operations of a network, one file per operation with all that Openwork knows about it."""

from collections.abc import Mapping

from openwork.operations import channels, leaky_relu, max_pool, pixel_shuffle, reshape
from openwork.operations.layer import LayerStep
from openwork.operations.max_pool import MaxPool
from openwork.operations.operation import Lowering, Picking, Step
from openwork.operations.pixel_shuffle import PixelShuffle
from openwork.operations.reshape import Reshape
from openwork.operations.upsample import Upsample

__all__ = ["LOWERINGS", "STEPS", "LayerStep", "MaxPool", "Picking", "PixelShuffle", "Reshape", "Step", "Upsample"]

STEPS: tuple[type[Step], ...] = (LayerStep, MaxPool, Upsample, PixelShuffle, Reshape)
"""All operations that a quantized network can have."""

LOWERINGS: Mapping[str, Lowering] = {
    **max_pool.LOWERINGS,
    **pixel_shuffle.LOWERINGS,
    **reshape.LOWERINGS,
    **leaky_relu.LOWERINGS,
    **channels.LOWERINGS,
}
"""What the front end makes of the operators of a model, by their names; those that become layers are in `frontend.operators`."""
