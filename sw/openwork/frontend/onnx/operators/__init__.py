"""The operators of ONNX that are read, each with a translation into operators of PyTorch."""

from collections.abc import Mapping

from openwork.frontend.onnx.operators import arithmetic, layers, moves, quantized, resizing
from openwork.frontend.onnx.reader import Translation

__all__ = ["TRANSLATIONS"]

TRANSLATIONS: Mapping[str, Translation] = {
    **layers.TRANSLATIONS,
    **arithmetic.TRANSLATIONS,
    **moves.TRANSLATIONS,
    **resizing.TRANSLATIONS,
    **quantized.TRANSLATIONS,
}
