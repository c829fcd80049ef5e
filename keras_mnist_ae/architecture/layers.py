"""Autoencoders as tables: rows that know their output shape, their parameter count and how they
print.

A `Stack` is a column of (layer, claimed shape) pairs, checked when it is made; a `Variant` is an
encoder stack, a decoder stack and the recipe that trains them. Shapes are channels x height x
width, or (d,) for a vector. Standard library only.
"""

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Literal, get_args

from .shapes import Shape, spatial, text

Activation = Literal["relu", "tanh", "sigmoid", "silu"]
ACTIVATIONS: dict[str, str] = {
    "relu": "ReLU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "silu": "SiLU",
}  # as they print

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9  # share of the old moving average kept at each step: PyTorch's momentum of 0.1


@dataclass(frozen=True)
class _Convolution:
    """Kernel k x k or (height, width), stride s, p zeros on every side (or cropped there), then
    batch normalisation if `norm`, then the activation.

    Under batch normalisation there is no bias: the normalisation would subtract it again.
    """

    inputs: int
    outputs: int
    _: KW_ONLY
    k: int | tuple[int, int]
    s: int = 1
    p: int = 0
    norm: bool = False
    act: Activation | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width."""
        return self.k if isinstance(self.k, tuple) else (self.k, self.k)

    @property
    def parameters(self) -> int:
        return prod(self.kernel) * self.inputs * self.outputs + self.outputs * (2 if self.norm else 1)

    def __str__(self) -> str:
        k = text(self.k) if isinstance(self.k, tuple) else self.k
        return f"{type(self).__name__} {self.inputs}->{self.outputs} k{k} s{self.s} p{self.p}{_suffix(self.norm, self.act)}"


class Conv(_Convolution):
    """Convolution: p zeros on every side, kernel k x k, stride s, then batch normalisation if
    `norm`, then the activation.
    """

    def output_shape(self, shape: Shape) -> Shape:
        sizes = zip(spatial(shape, self.inputs), self.kernel, strict=True)
        return (self.outputs, *((size + 2 * self.p - k) // self.s + 1 for size, k in sizes))


class ConvTranspose(_Convolution):
    """Transposed convolution: kernel k x k, stride s, the result cropped by p on every side, then
    as in `Conv`.
    """

    def output_shape(self, shape: Shape) -> Shape:
        sizes = zip(spatial(shape, self.inputs), self.kernel, strict=True)
        return (self.outputs, *((size - 1) * self.s + k - 2 * self.p for size, k in sizes))


@dataclass(frozen=True)
class Dense:
    """Fully connected layer on a vector, then batch normalisation if `norm` (and then without
    bias), then the activation.
    """

    inputs: int
    outputs: int
    _: KW_ONLY
    norm: bool = False
    act: Activation | None = None

    def output_shape(self, shape: Shape) -> Shape:
        if shape != (self.inputs,):
            raise ValueError(f"takes a vector of {self.inputs}")
        return (self.outputs,)

    @property
    def parameters(self) -> int:
        return self.inputs * self.outputs + self.outputs * (2 if self.norm else 1)

    def __str__(self) -> str:
        return f"Dense {self.inputs}->{self.outputs}{_suffix(self.norm, self.act)}"


@dataclass(frozen=True)
class Gaussian:
    """The end of a variational encoder: mean and logarithm of the variance of the code, each a
    dense layer. The mean goes on.
    """

    inputs: int
    outputs: int

    def output_shape(self, shape: Shape) -> Shape:
        return Dense(self.inputs, self.outputs).output_shape(shape)

    @property
    def parameters(self) -> int:
        return 2 * (self.inputs + 1) * self.outputs

    def __str__(self) -> str:
        return f"Gaussian {self.inputs}->{self.outputs} (mean, log variance)"


@dataclass(frozen=True)
class MaxPool:
    """Maximum of each 2 x 2 window. With a `switch`, the place of the maximum (0..3, row-major, the
    first on a tie) is an output too.
    """

    switch: str | None = None
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        height, width = spatial(shape)
        if self.switch and (height % 2 or width % 2):
            raise ValueError("takes an image of even height and width, so that every pixel has a window")
        return (shape[0], height // 2, width // 2)

    def __str__(self) -> str:
        return "MaxPool 2" + (f" (switches {self.switch.upper()})" if self.switch else "")


@dataclass(frozen=True)
class MaxUnpool:
    """Puts each value back at the place that the `MaxPool` of the same switch took it from; zeros
    elsewhere.
    """

    switch: str
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        height, width = spatial(shape)
        return (shape[0], 2 * height, 2 * width)

    def __str__(self) -> str:
        return f"MaxUnpool 2 (switches {self.switch.upper()})"


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean of each channel."""

    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        spatial(shape)
        return (shape[0], 1, 1)

    def __str__(self) -> str:
        return "GlobalAveragePool"


@dataclass(frozen=True)
class Flatten:
    """Image to vector, in the order channels, height, width."""

    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def __str__(self) -> str:
        return "Flatten"


@dataclass(frozen=True)
class Unflatten:
    """Vector to image, in the order channels, height, width."""

    channels: int
    height: int
    width: int
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        size = self.channels * self.height * self.width
        if shape != (size,):
            raise ValueError(f"takes a vector of {size}")
        return (self.channels, self.height, self.width)

    def __str__(self) -> str:
        return "Unflatten"


@dataclass(frozen=True)
class Rescale:
    """x * scale + offset: stands at the edges of a variant that thinks in another range than [0,
    1].
    """

    scale: float
    offset: float
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return f"Rescale x*{self.scale:g}{self.offset:+g}"


@dataclass(frozen=True)
class Dropout:
    """While training, units of a vector, or whole channels of an image, are zero with probability
    `rate`, the others 1 / (1 - rate) times what they are (Srivastava et al. 2014; for channels
    Tompson et al. 2015).
    """

    rate: float
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return f"Dropout {self.rate:g}"


@dataclass(frozen=True)
class Branch:
    """The beginning of a residual block: what comes here is added again at the `Add` of the same
    name (He et al. 2016).
    """

    name: str
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return f"Branch {self.name.upper()}"


@dataclass(frozen=True)
class Add:
    """The end of a residual block: adds what its `Branch` had, then the activation."""

    name: str
    _: KW_ONLY
    act: Activation | None = None
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return f"Add {self.name.upper()}{_suffix(False, self.act)}"


Layer = (
    Conv
    | ConvTranspose
    | Dense
    | Gaussian
    | MaxPool
    | MaxUnpool
    | GlobalAveragePool
    | Flatten
    | Unflatten
    | Rescale
    | Dropout
    | Branch
    | Add
)
LAYERS: tuple[type[Layer], ...] = get_args(Layer)
Weighted = Conv | ConvTranspose | Dense | Gaussian


def _suffix(norm: bool, act: Activation | None) -> str:
    return (", BatchNorm" if norm else "") + (f", {ACTIVATIONS.get(act, act)}" if act else "")
