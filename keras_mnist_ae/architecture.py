"""Autoencoders as tables: rows that know their output shape, their parameter count and how they print.

A `Stack` is a column of (layer, claimed shape) pairs, checked when it is made; a `Variant` is an encoder stack, a decoder stack and the
recipe that trains them. Shapes are channels x height x width, or (d,) for a vector. Standard library only.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, fields
from math import inf, isfinite, prod
from re import fullmatch
from typing import Literal, NamedTuple, get_args

from .errors import UsageError

Shape = tuple[int, ...]
Activation = Literal["relu", "tanh", "sigmoid", "silu"]
ACTIVATIONS: dict[str, str] = {"relu": "ReLU", "tanh": "tanh", "sigmoid": "sigmoid", "silu": "SiLU"}  # as they print

LARGEST = 100_000  # number in a row

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9  # share of the old moving average kept at each step: PyTorch's momentum of 0.1


@dataclass(frozen=True)
class _Convolution:
    """Kernel k x k or (height, width), stride s, p zeros on every side (or cropped there), then batch normalisation if `norm`, then the
    activation.

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
    """Convolution: p zeros on every side, kernel k x k, stride s, then batch normalisation if `norm`, then the activation."""

    def output_shape(self, shape: Shape) -> Shape:
        sizes = zip(_spatial(shape, self.inputs), self.kernel, strict=True)
        return (self.outputs, *((size + 2 * self.p - k) // self.s + 1 for size, k in sizes))


class ConvTranspose(_Convolution):
    """Transposed convolution: kernel k x k, stride s, the result cropped by p on every side, then as in `Conv`."""

    def output_shape(self, shape: Shape) -> Shape:
        sizes = zip(_spatial(shape, self.inputs), self.kernel, strict=True)
        return (self.outputs, *((size - 1) * self.s + k - 2 * self.p for size, k in sizes))


@dataclass(frozen=True)
class Dense:
    """Fully connected layer on a vector, then batch normalisation if `norm` (and then without bias), then the activation."""

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
    """The end of a variational encoder: mean and logarithm of the variance of the code, each a dense layer. The mean goes on."""

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
    """Maximum of each 2 x 2 window. With a `switch`, the place of the maximum (0..3, row-major, the first on a tie) is an output too."""

    switch: str | None = None
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        height, width = _spatial(shape)
        if self.switch and (height % 2 or width % 2):
            raise ValueError("takes an image of even height and width, so that every pixel has a window")
        return (shape[0], height // 2, width // 2)

    def __str__(self) -> str:
        return "MaxPool 2" + (f" (switches {self.switch.upper()})" if self.switch else "")


@dataclass(frozen=True)
class MaxUnpool:
    """Puts each value back at the place that the `MaxPool` of the same switch took it from; zeros elsewhere."""

    switch: str
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        height, width = _spatial(shape)
        return (shape[0], 2 * height, 2 * width)

    def __str__(self) -> str:
        return f"MaxUnpool 2 (switches {self.switch.upper()})"


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean of each channel."""

    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        _spatial(shape)
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
    """x * scale + offset: stands at the edges of a variant that thinks in another range than [0, 1]."""

    scale: float
    offset: float
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return f"Rescale x*{self.scale:g}{self.offset:+g}"


@dataclass(frozen=True)
class Dropout:
    """While training, units of a vector, or whole channels of an image, are zero with probability `rate`, the others 1 / (1 - rate) times
    what they are (Srivastava et al. 2014; for channels Tompson et al. 2015).
    """

    rate: float
    parameters = 0

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return f"Dropout {self.rate:g}"


@dataclass(frozen=True)
class Branch:
    """The beginning of a residual block: what comes here is added again at the `Add` of the same name (He et al. 2016)."""

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


class Step(NamedTuple):
    """One row as its consumers meet it: a name unique in its stack (`conv2`), the layer, its input and output shape."""

    name: str
    layer: Layer
    input: Shape
    output: Shape


@dataclass(frozen=True)
class Stack:
    """Layers in order, each beside the shape that its author claims for its output."""

    input: Shape
    rows: tuple[tuple[Layer, Shape], ...]

    def check(self, where: str) -> None:
        """Raise `UsageError`, naming the place, the row and both shapes, when a claim is not what the layer gives."""
        shape, branches = self.input, dict[str, Shape]()
        for number, (layer, claim) in enumerate(self.rows, 1):
            row = f"{where}, row {number}, {layer}"
            if wrong := fault(layer):
                raise UsageError(f"{row}: {wrong}")
            try:
                output = layer.output_shape(shape)
            except ValueError as error:
                raise UsageError(f"{row}: {error}, but is given {text(shape)}") from None
            match layer:
                case Branch(name=name):
                    branches[name] = shape
                case Add(name=name) if (branch := branches.pop(name, None)) != shape:
                    other = f"Branch {name.upper()} had {text(branch)}" if branch else f"no Branch {name.upper()} is open before it"
                    raise UsageError(f"{row}: is given {text(shape)}, but {other}")
                case Gaussian() if number < len(self.rows):
                    raise UsageError(f"{row}: only the last row of an encoder gives mean and variance")
            if output != claim:
                raise UsageError(f"{row}: the table claims {text(claim)}, but {text(shape)} gives {text(output)}")
            if min(output) < 1:
                raise UsageError(f"{row}: nothing is left of {text(shape)}: it gives {text(output)}")
            shape = output
        if branches:
            raise UsageError(f"{where}: Branch {next(iter(branches)).upper()} has no Add")

    @classmethod
    def of(cls, shape: Shape, *layers: Layer) -> "Stack":
        """The stack of these layers, with the shapes that they give. Raises `UsageError` as `check` does."""
        rows: list[tuple[Layer, Shape]] = []
        for number, layer in enumerate(layers, 1):
            try:
                if wrong := fault(layer):
                    raise ValueError(wrong)
                rows.append((layer, layer.output_shape(rows[-1][1] if rows else shape)))
            except ValueError as error:
                given = text(rows[-1][1] if rows else shape)
                raise UsageError(f"row {number}, {layer}: {error}, but is given {given}") from None
        return cls(shape, tuple(rows))

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(layer for layer, _ in self.rows)

    @property
    def output(self) -> Shape:
        return self.rows[-1][1] if self.rows else self.input

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer, _ in self.rows)

    @property
    def multiplications(self) -> int:
        """How many take one image, or one code, through the convolutions and dense layers."""
        count = 0
        for step in self:
            match step.layer:
                case Conv(inputs=inputs, kernel=kernel):
                    count += prod(step.output) * inputs * prod(kernel)
                case ConvTranspose(outputs=outputs, kernel=kernel):
                    count += prod(step.input) * outputs * prod(kernel)
                case Dense(inputs=inputs, outputs=outputs):
                    count += inputs * outputs
                case Gaussian(inputs=inputs, outputs=outputs):
                    count += 2 * inputs * outputs
                case _:
                    pass
        return count

    @property
    def last(self) -> int:
        """Place of the last row with weights, which gives the code or the image; -1 where there is none."""
        return max((at for at, layer in enumerate(self.layers) if isinstance(layer, Weighted)), default=-1)

    @property
    def switches(self) -> dict[str, Shape]:
        """The shape of every pooling switch by name, in the order of the rows: made in an encoder, taken in a decoder."""
        found = {}
        for step in self:
            match step.layer:
                case MaxPool(switch=str(name)):
                    found[name] = step.output
                case MaxUnpool(switch=name):
                    found[name] = step.input
                case _:
                    pass
        return found

    def __iter__(self) -> Iterator[Step]:
        shape, seen = self.input, dict[str, int]()
        for layer, output in self.rows:
            kind = type(layer).__name__.lower()
            seen[kind] = seen.get(kind, 0) + 1
            yield Step(f"{kind}{seen[kind]}", layer, shape, output)
            shape = output


@dataclass(frozen=True)
class Recipe:
    """How a variant is trained unless told otherwise: Adam, on the mean squared error over every pixel or the evidence lower bound.

    The learning rate is constant; with a `warm_up` it rises over that part of all steps from 0 and then falls to 0, each along a line.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    beta_2: float = 0.999
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        for name, value, good in (
            ("epochs", self.epochs, self.epochs >= 1),
            ("batch_size", self.batch_size, self.batch_size >= 1),
            ("learning_rate", self.learning_rate, 0 < self.learning_rate < inf),
            ("beta_2", self.beta_2, 0 <= self.beta_2 < 1),
            ("warm_up", self.warm_up, 0 <= self.warm_up < 1),
        ):
            if not good:
                raise UsageError(f"recipe: {name} is {value}, out of its range")

    def __str__(self) -> str:
        rate = f"{self.learning_rate:g}" if not self.warm_up else f"0 to {self.learning_rate:g} to 0 (warm-up {self.warm_up:.0%})"
        return f"{self.epochs} epochs, batch {self.batch_size}, Adam at {rate}, beta 0.9 and {self.beta_2:g}"


@dataclass(frozen=True)
class Variant:
    """An autoencoder: encoder table, decoder table, recipe.

    `parameters` is the author's claim for the number of trainable parameters. Raises `UsageError` when a claimed shape or that number is
    not what the rows give, when decoder and encoder do not meet, or when a pooling switch has no partner of the same shape.
    """

    name: str
    summary: str
    encoder: Stack
    decoder: Stack
    parameters: int
    recipe: Recipe
    note: str = ""

    def __post_init__(self) -> None:
        self.encoder.check(f"{self.name} encoder")
        self.decoder.check(f"{self.name} decoder")
        counted = self.encoder.parameters + self.decoder.parameters
        if counted != self.parameters:
            raise UsageError(f"{self.name}: the table claims {self.parameters:,} parameters, but its rows have {counted:,}")
        for what, given, wanted in (
            ("decoder starts from", self.decoder.input, self.encoder.output),
            ("decoder ends in", self.decoder.output, self.encoder.input),
        ):
            if given != wanted:
                raise UsageError(f"{self.name}: the {what} {text(given)}, but the encoder has {text(wanted)} there")
        if any(isinstance(layer, Gaussian) for layer in self.decoder.layers):
            raise UsageError(f"{self.name}: only an encoder ends in mean and variance")
        if len(self.encoder.output) != 1:
            raise UsageError(f"{self.name}: the code has shape {text(self.encoder.output)}; end the encoder in Flatten or Dense")
        for what, stack, other in (("an encoder", self.encoder, MaxUnpool), ("a decoder", self.decoder, MaxPool)):
            if any(isinstance(layer, other) and layer.switch for layer in stack.layers):
                raise UsageError(f"{self.name}: {what} has no {other.__name__} with switches: encoders make them, decoders take them")
            if both := stack.switches.keys() & {layer.name for layer in stack.layers if isinstance(layer, Branch)}:
                raise UsageError(f"{self.name}: {sorted(both)[0]!r} names a branch and a switch; give them two names")
        if self.variational and self.encoder.switches:
            raise UsageError(f"{self.name}: a variational encoder makes no switches: they cannot be sampled")
        made, taken = self.encoder.switches, self.decoder.switches
        if made != taken:
            raise UsageError(f"{self.name}: the encoder makes switches {made}, but the decoder takes {taken}")

    @property
    def image(self) -> Shape:
        return self.encoder.input

    @property
    def latent(self) -> int:
        """Length of the code."""
        return self.encoder.output[0]

    @property
    def switches(self) -> dict[str, Shape]:
        """Shapes of the pooling switches that travel beside the code, by name, in the encoder's order."""
        return self.encoder.switches

    @property
    def variational(self) -> bool:
        """Whether the encoder gives mean and logarithm of the variance of a code, not a code alone."""
        return any(isinstance(layer, Gaussian) for layer in self.encoder.layers)

    def check_trainable(self) -> None:
        """Raise `UsageError` when encoder or decoder has no layer with weights."""
        for part, stack in (("encoder", self.encoder), ("decoder", self.decoder)):
            if not stack.parameters:
                raise UsageError(f"{self.name}: the {part} has no layer with weights: there is nothing to train")

    def table(self) -> str:
        """The printed table: a line per row with its output shape and its number of parameters."""
        lines = [("", "row", "output", "parameters"), ("", "image", text(self.image), "")]
        for part, stack in (("encoder", self.encoder), ("decoder", self.decoder)):
            for number, step in enumerate(stack):
                lines.append((part if number == 0 else "", str(step.layer), text(step.output), f"{step.layer.parameters:,}"))
        lines.append(("", "total", "", f"{self.parameters:,}"))
        first, second, third, last = (max(len(line[column]) for line in lines) for column in range(4))
        return "\n".join(f"{a:<{first}}  {b:<{second}}  {c:<{third}}  {d:>{last}}".rstrip() for a, b, c, d in lines)


def text(shape: Shape) -> str:
    """(16, 14, 14) as 16x14x14."""
    return "x".join(map(str, shape))


def _spatial(shape: Shape, channels: int | None = None) -> tuple[int, int]:
    if len(shape) != 3:
        raise ValueError("takes an image")
    if channels is not None and shape[0] != channels:
        raise ValueError(f"takes {channels} channels")
    return shape[1], shape[2]


def _suffix(norm: bool, act: Activation | None) -> str:
    return (", BatchNorm" if norm else "") + (f", {ACTIVATIONS.get(act, act)}" if act else "")


def fault(layer: Layer) -> str | None:
    """What is wrong with the numbers and names of a row, whatever it is given."""
    for setting in fields(layer):
        value, name = getattr(layer, setting.name), setting.name
        match name:
            case "inputs" | "outputs" | "channels" | "height" | "width" | "s" | "p" | "k":
                least, most = (0 if name == "p" else 1), LARGEST
                numbers = value if name == "k" and isinstance(value, tuple) and len(value) == 2 else (value,)
                if not all(type(number) is int and least <= number <= most for number in numbers):
                    return f"{name} is {value!r}; give a whole number from {least} to {most:,}"
            case "act" if value is not None and str(value) not in ACTIVATIONS:
                return f"act is {value!r}; use one of {', '.join(ACTIVATIONS)}"
            case "norm" if type(value) is not bool:
                return f"norm is {value!r}; give true or false"
            case "rate" if not (type(value) in (int, float) and 0 <= value < 1):
                return f"rate is {value!r}; give a number from 0 to below 1"
            case "scale" | "offset" if not (type(value) in (int, float) and isfinite(value)):
                return f"{name} is {value!r}; give a number"
            case "switch" | "name" if value is not None and not (isinstance(value, str) and fullmatch(r"[a-z][a-z0-9]{0,15}", value)):
                return f"{name} is {value!r}; give a short name of small letters and digits"
            case _:
                pass
    return None
