"""Arrays as users have them: NumPy's, PyTorch's, lists; of any layout in memory and any floating point format."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.refusal import Refusal


class ArrayError(Refusal):
    """What is no array of numbers; the message is the rest of a sentence that begins with what the array is for."""


def user_array(values: Any) -> NDArray[Any]:
    """The numbers as a contiguous NumPy array, in the byte order of this machine.

    float16 and bfloat16 become float32, which holds the same numbers.

    >>> user_array([[1.0, 2.0]]).dtype, user_array(np.zeros((2, 3), np.float16)[::-1, ::-1]).dtype
    (dtype('float64'), dtype('float32'))

    Args:
        values: an array, a PyTorch tensor on any device, or nested lists of numbers.

    Raises:
        ArrayError: there are no numbers, or rows of different lengths.
    """
    try:
        if hasattr(values, "detach"):  # a tensor; this file does without importing PyTorch
            values = values.detach().cpu()
            if values.is_floating_point() and values.element_size() < 4:
                values = values.float()
            values = values.resolve_conj().resolve_neg().numpy()
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ArrayError(f"must be an array of numbers, and a {type(values).__name__} is none: {first}") from error
    if array.dtype.kind not in "fiub":
        raise ArrayError(f"must be real numbers, not {array.dtype}")
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).reshape(array.shape)
