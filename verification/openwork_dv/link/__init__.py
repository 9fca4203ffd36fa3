"""The link without gateware: a model of the board's side, and lines that lose bytes."""

from openwork_dv.link.line import Faults, ModelLine, Noise
from openwork_dv.link.model import ArrayModel, BoardModel, image_taking

__all__ = ["ArrayModel", "BoardModel", "Faults", "ModelLine", "Noise", "image_taking"]
