"""Masks without a model: which weights of a layer stay, and the integer layer that such a mask becomes.

How many cycles a layer takes depends on where its nonzeros are, and not on their values. So the values are random.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.activation import Clip
from openwork.layer import IntegerLayer
from openwork.tensors import by
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.refusal import Refusal

MAX_VALUE = 127
"""Largest magnitude of a random value: quantization gives no larger one."""

MAX_NUMBER = 1 << 16
"""Largest number that a geometry may have: no map has more pixels down or across."""


class MaskError(Refusal):
    """A mask that is no layer of the geometry that it was given. The message names the mask, the rule and the value."""


@dataclass(frozen=True, eq=False)
class Mask:
    """Which weights of a layer stay.

    Attributes:
        name: of the layer.
        stays: bool [rows, columns], or [rows, channels / groups, kernel_h, kernel_w].
    """

    name: str
    stays: NDArray[np.bool_]

    @property
    def nonzeros(self) -> int:
        """Weights that stay."""
        return int(np.count_nonzero(self.stays))

    def __str__(self) -> str:
        return f"{self.name}: {by(self.stays.shape)}, density {self.nonzeros / self.stays.size:.3f}"


@dataclass(frozen=True)
class Geometry:
    """What a layer does with its map, which no mask says.

    Attributes:
        pixels: height and width of the input map; None for a layer that reads a vector.
        kernel: taps down and across of a mask with two dimensions; one with four says its kernel itself.
        stride: down and across.
        padding: pixels on each side; None adds half a kernel, so that with stride 1 the map keeps its size.
        groups: parts that rows and channels are divided into.
        channels_last: whether the columns of a mask with two dimensions are [kernel_h, kernel_w, channel] and not
            [channel, kernel_h, kernel_w]. The Deep Learning Matrix Collection has the channel last.
    """

    pixels: tuple[int, int] | None = None
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    padding: int | None = None
    groups: int = 1
    channels_last: bool = False


def layer_of(mask: Mask, geometry: Geometry, config: ArrayConfig) -> IntegerLayer:
    """The integer layer of a mask, with random values that no accumulator of the array can overflow.

    >>> layer = layer_of(Mask("conv", np.eye(9, dtype=bool)), Geometry((8, 8), kernel=(3, 3)), ArrayConfig(4, 4))
    >>> layer.weights.shape, layer.output_shape, layer.nonzeros
    ((9, 1, 3, 3), (9, 8, 8), 9)

    Raises:
        MaskError: the geometry does not go with the mask.
        LayerError: it goes with the mask, and there is no such layer.
    """
    stays = _four_dimensions(mask, geometry)
    kernel_h, kernel_w = stays.shape[2:]
    down, across = (kernel_h // 2, kernel_w // 2) if geometry.padding is None else (geometry.padding, geometry.padding)
    return IntegerLayer(
        name=mask.name,
        weights=_values(stays, config),
        bias=np.zeros(len(stays), np.int64),
        shift=np.zeros(len(stays), np.int64),
        input_zero_point=0,
        output_zero_point=0,
        activation=Clip(ACTIVATION_MIN, ACTIVATION_MAX),
        input_shape=(stays.shape[1] * geometry.groups, *(geometry.pixels or (1, 1))),
        stride=geometry.stride,
        padding=(down, across, down, across),
        groups=geometry.groups,
    )


def _four_dimensions(mask: Mask, geometry: Geometry) -> NDArray[np.bool_]:
    """The mask as bool [rows, channels / groups, kernel_h, kernel_w]."""
    stays, what = mask.stays, f"the mask {mask.name!r}"
    if stays.ndim == 4:
        if geometry.kernel not in (None, stays.shape[2:]):
            raise MaskError(f"{what} has a kernel of {by(stays.shape[2:])}, not {by(geometry.kernel or ())}")
        if geometry.pixels is None:
            raise MaskError(f"{what} is that of a convolution: say the height and width of its input with --pixels")
        return stays
    kernel_h, kernel_w = geometry.kernel or (1, 1)
    if geometry.pixels is None and kernel_h * kernel_w > 1:
        raise MaskError(f"{what} has a kernel: say the height and width of its input with --pixels")
    rows, columns = stays.shape
    if columns % (kernel_h * kernel_w):
        raise MaskError(
            f"{what} has {columns} columns, which must be channels x {kernel_h} x {kernel_w}: name another --kernel"
        )
    channels = columns // (kernel_h * kernel_w)
    if geometry.channels_last:
        return stays.reshape(rows, kernel_h, kernel_w, channels).transpose(0, 3, 1, 2)
    return stays.reshape(rows, channels, kernel_h, kernel_w)


def _values(stays: NDArray[np.bool_], config: ArrayConfig) -> NDArray[np.int8]:
    """Random int8 values, the same ones each time, where weights stay. The longest row's sum fits the accumulator."""
    longest = max(1, int(stays.reshape(len(stays), -1).sum(axis=1).max()))
    largest = (1 << (config.sum_bits - 1)) // -ACTIVATION_MIN // longest - 1
    most = min(MAX_VALUE, max(1, largest))
    generator = np.random.default_rng(0)
    magnitudes = generator.integers(1, most + 1, stays.shape, np.int8, endpoint=False)
    signs = generator.integers(0, 2, stays.shape, np.int8) * 2 - 1
    values: NDArray[np.int8] = np.where(stays, magnitudes * signs, 0).astype(np.int8)
    return values


def geometries(names: Sequence[str], common: Geometry, special: Mapping[str, Geometry]) -> list[Geometry]:
    """The geometry of each layer: that of the last pattern that its name matches, else the common one.

    Args:
        names: of the layers.
        common: of layers that no pattern matches.
        special: geometries by pattern, as the shell's: ``conv*``.

    Raises:
        MaskError: a pattern matches no layer.
    """
    for pattern in special:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise MaskError(f"--layer {pattern}: no layer has such a name; there are {', '.join(names)}")
    return [
        next((special[pattern] for pattern in reversed(list(special)) if fnmatchcase(name, pattern)), common)
        for name in names
    ]


def parsed_geometry(text: str, common: Geometry) -> tuple[str, Geometry]:
    """A pattern and its geometry, in which the common one gives what the text leaves out.

    >>> parsed_geometry("conv*=28x28,kernel=3x3,stride=2", Geometry())
    ('conv*', Geometry(pixels=(28, 28), kernel=(3, 3), stride=(2, 2), padding=None, groups=1, channels_last=False))

    Raises:
        MaskError: the text is not PATTERN=HxW with further settings behind commas.
    """
    pattern, _, rest = text.partition("=")
    pixels, *settings = rest.split(",")
    found: dict[str, Any] = {}
    for one in (f"pixels={pixels}", *settings):
        key, _, value = one.partition("=")
        if key in ("pixels", "kernel", "stride"):
            found[key] = parsed_pair(f"--layer {text}: {key}", value)
        elif key in ("padding", "groups") and value.isdecimal() and len(value) <= 5:
            found[key] = int(value)
        else:
            raise MaskError(
                "--layer is PATTERN=HxW, with kernel=HxW, stride=HxW, padding=N or groups=N behind commas, "
                f"as in conv*=28x28,kernel=3x3, not {text}"
            )
    if not pattern:
        raise MaskError(f"--layer begins with a pattern of names, as in conv*=28x28, not with {text}")
    values = {name: getattr(common, name) for name in Geometry.__dataclass_fields__}
    return pattern, Geometry(**(values | found))


def parsed_pair(what: str, text: str) -> tuple[int, int]:
    """Two numbers with an x between them, or one number for both.

    >>> parsed_pair("--pixels", "56x32"), parsed_pair("--stride", "2")
    ((56, 32), (2, 2))

    Raises:
        MaskError: they are none, or 0, or too large.
    """
    parts = text.split("x")
    good = len(parts) in (1, 2) and all(part.isdecimal() and part.isascii() and len(part) <= 5 for part in parts)
    numbers = [int(part) for part in parts] if good else [0]
    if not 0 < min(numbers) <= max(numbers) <= MAX_NUMBER:
        raise MaskError(f"{what} must be HxW, as in 56x56, each from 1 to {MAX_NUMBER:,}, not {text or 'empty'}")
    return numbers[0], numbers[-1]
