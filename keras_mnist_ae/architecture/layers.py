"""Row kinds of a table: layers that know their output shape, parameter count and printed form.

Shapes are (channels, height, width), or (d,) for a vector. Standard library only.
"""

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import get_args

from .shapes import Shape, spatial
from .weighted import (
    ACTIVATIONS,
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    Activation,
    Conv,
    ConvTranspose,
    Dense,
    Gaussian,
    suffix,
)

__all__ = [
    "ACTIVATIONS",
    "BATCH_NORM_EPSILON",
    "BATCH_NORM_MOMENTUM",
    "LAYERS",
    "Activation",
    "Add",
    "Branch",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Dropout",
    "Flatten",
    "Gaussian",
    "GlobalAveragePool",
    "Layer",
    "MaxPool",
    "MaxUnpool",
    "Rescale",
    "Unflatten",
    "Unweighted",
    "Weighted",
]


class _Unweighted:
    """A row without weights; its shape stays, unless the row says otherwise."""

    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class MaxPool(_Unweighted):
    """Maximum of each 2 x 2 window.

    With a `switch` the position of the maximum (0..3, row-major, the first on a tie) is an output
    of the encoder too (Zeiler and Fergus 2014).
    """

    switch: str | None = None

    def output_shape(self, shape: Shape) -> Shape:
        height, width = spatial(shape)
        if self.switch and (height % 2 or width % 2):
            raise ValueError("takes an image of even height and width, so that every pixel has a window")
        return (shape[0], height // 2, width // 2)

    def __str__(self) -> str:
        return "MaxPool 2" + (f" (switches {self.switch.upper()})" if self.switch else "")


@dataclass(frozen=True)
class MaxUnpool(_Unweighted):
    """Puts each value at the position from which the `MaxPool` of the same switch took it; zeros
    elsewhere.
    """

    switch: str

    def output_shape(self, shape: Shape) -> Shape:
        height, width = spatial(shape)
        return (shape[0], 2 * height, 2 * width)

    def __str__(self) -> str:
        return f"MaxUnpool 2 (switches {self.switch.upper()})"


@dataclass(frozen=True)
class GlobalAveragePool(_Unweighted):
    """Mean of each channel."""

    def output_shape(self, shape: Shape) -> Shape:
        spatial(shape)
        return (shape[0], 1, 1)

    def __str__(self) -> str:
        return "GlobalAveragePool"


@dataclass(frozen=True)
class Flatten(_Unweighted):
    """Image to vector, in the order channels, height, width (PyTorch's)."""

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def __str__(self) -> str:
        return "Flatten"


@dataclass(frozen=True)
class Unflatten(_Unweighted):
    """Vector to image, in the order channels, height, width (PyTorch's)."""

    channels: int
    height: int
    width: int

    def output_shape(self, shape: Shape) -> Shape:
        image = (self.channels, self.height, self.width)
        if shape != (prod(image),):
            raise ValueError(f"takes a vector of {prod(image)}")
        return image

    def __str__(self) -> str:
        return "Unflatten"


@dataclass(frozen=True)
class Rescale(_Unweighted):
    """x * scale + offset, at the edges of networks that work in another range than [0, 1], such as
    [-1, 1].
    """

    scale: float
    offset: float

    def __str__(self) -> str:
        return f"Rescale x*{self.scale:g}{self.offset:+g}"


@dataclass(frozen=True)
class Dropout(_Unweighted):
    """In training, units of a vector (Srivastava et al. 2014) or whole channels of an image
    (Tompson et al. 2015) become zero with probability `rate`; the others are divided by 1 - rate.
    """

    rate: float

    def __str__(self) -> str:
        return f"Dropout {self.rate:g}"


@dataclass(frozen=True)
class Branch(_Unweighted):
    """The beginning of a residual block (He et al. 2016): the `Add` of the same name adds what
    passes here.
    """

    name: str

    def __str__(self) -> str:
        return f"Branch {self.name.upper()}"


@dataclass(frozen=True)
class Add(_Unweighted):
    """The end of a residual block: adds what passed its `Branch`, then the activation."""

    name: str
    _: KW_ONLY
    act: Activation | None = None

    def __str__(self) -> str:
        return f"Add {self.name.upper()}{suffix(False, self.act)}"


Weighted = Conv | ConvTranspose | Dense | Gaussian
Unweighted = MaxPool | MaxUnpool | GlobalAveragePool | Flatten | Unflatten | Rescale | Dropout | Branch | Add
Layer = Weighted | Unweighted
"""A row of a table: any of the row kinds."""
LAYERS: tuple[type[Layer], ...] = get_args(Layer)
