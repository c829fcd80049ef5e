"""Row kinds with weights: convolutions and dense layers. Standard library only."""

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Literal

from .shapes import Shape, spatial, text

Activation = Literal["relu", "tanh", "sigmoid", "silu"]
ACTIVATIONS: dict[str, str] = {  # as they are printed
    "relu": "ReLU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "silu": "SiLU",
}

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9  # weight of the old moving average: 1 - PyTorch's momentum of 0.1


@dataclass(frozen=True)
class _Convolution:
    """What `Conv` and `ConvTranspose` share.

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
        """Height and width of the kernel."""
        return self.k if isinstance(self.k, tuple) else (self.k, self.k)

    @property
    def parameters(self) -> int:
        return prod(self.kernel) * self.inputs * self.outputs + _per_output(self.outputs, self.norm)

    def __str__(self) -> str:
        k = text(self.k) if isinstance(self.k, tuple) else self.k
        name = f"{type(self).__name__} {self.inputs}->{self.outputs} k{k} s{self.s} p{self.p}"
        return name + suffix(self.norm, self.act)


class Conv(_Convolution):
    """Convolution: p zeros on every side, kernel k x k or (height, width), stride s; then batch
    normalisation if `norm`, then the activation.

    Examples:
        >>> Conv(1, 8, k=3, p=1).output_shape((1, 28, 28))
        (8, 28, 28)
    """

    def output_shape(self, shape: Shape) -> Shape:
        sizes = zip(spatial(shape, self.inputs), self.kernel, strict=True)
        return (self.outputs, *((size + 2 * self.p - k) // self.s + 1 for size, k in sizes))


class ConvTranspose(_Convolution):
    """Transposed convolution: kernel k x k or (height, width), stride s, the result cropped by p on
    every side; then batch normalisation if `norm`, then the activation.

    Examples:
        >>> ConvTranspose(8, 1, k=4, s=2, p=1).output_shape((8, 14, 14))
        (1, 28, 28)
    """

    def output_shape(self, shape: Shape) -> Shape:
        sizes = zip(spatial(shape, self.inputs), self.kernel, strict=True)
        return (self.outputs, *((size - 1) * self.s + k - 2 * self.p for size, k in sizes))


@dataclass(frozen=True)
class Dense:
    """Fully connected layer on a vector; then batch normalisation if `norm`, then the activation.

    Examples:
        >>> print(Dense(784, 32, act="relu"), Dense(784, 32).parameters)
        Dense 784->32, ReLU 25120
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
        return self.inputs * self.outputs + _per_output(self.outputs, self.norm)

    def __str__(self) -> str:
        return f"Dense {self.inputs}->{self.outputs}{suffix(self.norm, self.act)}"


@dataclass(frozen=True)
class Gaussian:
    """The end of a variational encoder: mean and log variance of the code, each a dense layer. The
    next row takes the mean.
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


def _per_output(outputs: int, norm: bool) -> int:
    """Biases, or scale and shift of a batch normalisation."""
    return outputs * (2 if norm else 1)


def suffix(norm: bool, act: Activation | None) -> str:
    return (", BatchNorm" if norm else "") + (f", {ACTIVATIONS.get(act, act)}" if act else "")
