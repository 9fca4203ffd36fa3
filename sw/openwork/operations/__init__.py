"""The operations of a network, each with everything that Openwork knows of it in a file of its own."""

from openwork.operations.layer import LayerStep
from openwork.operations.max_pool import MaxPool
from openwork.operations.operation import Picking, Step
from openwork.operations.reshape import Reshape
from openwork.operations.upsample import Upsample

__all__ = ["STEPS", "LayerStep", "MaxPool", "Picking", "Reshape", "Step", "Upsample"]

STEPS: tuple[type[Step], ...] = (LayerStep, MaxPool, Upsample, Reshape)
"""All operations that a quantized network can have."""
