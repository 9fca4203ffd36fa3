"""How large a network or a file may be: the one place of these limits, which are checked before anything is allocated.

A file of a kilobyte can ask for terabytes: by one step that enlarges a map, or by weights of which only the nonzeros are
stored. The limits are far above what any array here runs, and a machine with 16 GiB of memory bears them. For comparison,
ResNet-50 for 224 x 224 pixels has 25.5 million weights, 11 million bytes of maps, up to 1.9 million operands in a step, and
4.1 thousand million products.
"""

from openwork_hw.arch.refusal import Refusal

GIB = 1 << 30

MAX_STEPS = 1 << 14
"""Steps of a network. Each takes the compiler some milliseconds, and a report a line."""

MAX_WEIGHTS = 2 * GIB
"""Weights of all layers together, zeros included: a byte each."""

FREE_WEIGHTS = 1 << 26
"""Weights, zeros included, that a file of any size may unpack to: 64 MiB, more than ResNet-50 has."""

MAX_UNPACKING = 1024
"""Weights, zeros included, that each byte of a larger file may unpack to. At a density of 1 % it is 20."""

MAX_MAPS = 2 * GIB
"""Values of all maps of a network together, for one input: a byte each. The golden model may keep all of them."""

MAX_OPERANDS = 1 << 29
"""Values that one step reads for one input, padding included, those that are read several times counted so often. The
golden model lays them side by side, eight bytes each: 4 GiB."""

MAX_PRODUCTS = 1 << 44
"""Products (weights x output pixels) and comparisons of all steps for one input: an hour or two of the golden model."""

MAX_MATRIX = GIB
"""Entries of a step's matrix, zeros included: rows x taps x channels of all groups. The compiler lays them out, a byte each."""

MAX_BLOCK = 1 << 16
"""Feature words of a PE, so the most pixels of a block: those of the largest array."""

MAX_FILE = 8 * GIB
"""Bytes of a file that is read as a whole: weights at their limit, and four times as many words of the array."""

MAX_ONNX = GIB
"""Bytes of an `.onnx` file; protobuf itself ends at 2 GiB. ResNet-50 takes 100 million."""

MAX_ONNX_FIELDS = 1 << 20
"""Fields of all messages in an `.onnx` file: each takes up to some hundred bytes once it is parsed. A network of a thousand
nodes has 30,000."""

MAX_ONNX_PACKED = 1 << 26
"""Bytes of lists of whole numbers in an `.onnx` file, each of which becomes 8 bytes; what is large stands as it is in memory."""

MAX_ARRAY_FILE = 64 * GIB
"""Bytes of a `.npy` file: 100,000 images of 224 x 224 pixels in three colours and float32 are 56 GiB."""


def check_limit(error: type[Refusal], subject: str, need: int, limit: int, what: str) -> None:
    """Refuse a need above its limit.

    Args:
        error: what is raised.
        subject: that has the need, as the sentence begins: "step 'conv'", a file.
        need, limit: counts.
        what: is counted, with its unit.
    """
    if need > limit:
        raise error(f"{subject} needs {need:,} {what}, and the limit is {limit:,}")
