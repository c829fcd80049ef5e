"""Tables of layers: steps, stacks, recipes and variants, checked when they are made. Standard
library only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, prod
from typing import NamedTuple

from ..errors import UsageError
from .layers import Add, Branch, Conv, ConvTranspose, Dense, Gaussian, Layer, MaxPool, MaxUnpool, Weighted
from .limits import fault
from .shapes import Shape, text


class Step(NamedTuple):
    """One row as its consumers meet it: a name unique in its stack (`conv2`), the layer, its input
    and output shape.
    """

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
        """Raise `UsageError`, naming the place, the row and both shapes, when a claim is not what
        the layer gives.
        """
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
                    other = (
                        f"Branch {name.upper()} had {text(branch)}"
                        if branch
                        else f"no Branch {name.upper()} is open before it"
                    )
                    raise UsageError(f"{row}: is given {text(shape)}, but {other}")
                case Gaussian() if number < len(self.rows):
                    raise UsageError(f"{row}: only the last row of an encoder gives mean and variance")
            if output != claim:
                raise UsageError(
                    f"{row}: the table claims {text(claim)}, but {text(shape)} gives {text(output)}"
                )
            if min(output) < 1:
                raise UsageError(f"{row}: nothing is left of {text(shape)}: it gives {text(output)}")
            shape = output
        if branches:
            raise UsageError(f"{where}: Branch {next(iter(branches)).upper()} has no Add")

    @classmethod
    def of(cls, shape: Shape, *layers: Layer) -> "Stack":
        """The stack of these layers, with the shapes that they give. Raises `UsageError` as `check`
        does.
        """
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
        """Place of the last row with weights, which gives the code or the image; -1 where there is
        none.
        """
        return max((at for at, layer in enumerate(self.layers) if isinstance(layer, Weighted)), default=-1)

    @property
    def switches(self) -> dict[str, Shape]:
        """The shape of every pooling switch by name, in the order of the rows: made in an encoder,
        taken in a decoder.
        """
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
    """How a variant is trained unless told otherwise: Adam, on the mean squared error over every
    pixel or the evidence lower bound.

    The learning rate is constant; with a `warm_up` it rises over that part of all steps from 0 and
    then falls to 0, each along a line.
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
        rate = (
            f"{self.learning_rate:g}"
            if not self.warm_up
            else f"0 to {self.learning_rate:g} to 0 (warm-up {self.warm_up:.0%})"
        )
        return f"{self.epochs} epochs, batch {self.batch_size}, Adam at {rate}, beta 0.9 and {self.beta_2:g}"


@dataclass(frozen=True)
class Variant:
    """An autoencoder: encoder table, decoder table, recipe.

    `parameters` is the author's claim for the number of trainable parameters. Raises `UsageError`
    when a claimed shape or that number is not what the rows give, when decoder and encoder do not
    meet, or when a pooling switch has no partner of the same shape.
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
            raise UsageError(
                f"{self.name}: the table claims {self.parameters:,} parameters, but its rows have {counted:,}"
            )
        for what, given, wanted in (
            ("decoder starts from", self.decoder.input, self.encoder.output),
            ("decoder ends in", self.decoder.output, self.encoder.input),
        ):
            if given != wanted:
                raise UsageError(
                    f"{self.name}: the {what} {text(given)}, but the encoder has {text(wanted)} there"
                )
        if any(isinstance(layer, Gaussian) for layer in self.decoder.layers):
            raise UsageError(f"{self.name}: only an encoder ends in mean and variance")
        if len(self.encoder.output) != 1:
            raise UsageError(
                f"{self.name}: the code has shape {text(self.encoder.output)}; end the encoder in Flatten or Dense"
            )
        for what, stack, other in (
            ("an encoder", self.encoder, MaxUnpool),
            ("a decoder", self.decoder, MaxPool),
        ):
            if any(isinstance(layer, other) and layer.switch for layer in stack.layers):
                raise UsageError(
                    f"{self.name}: {what} has no {other.__name__} with switches: encoders make them, decoders take them"
                )
            if both := stack.switches.keys() & {
                layer.name for layer in stack.layers if isinstance(layer, Branch)
            }:
                raise UsageError(
                    f"{self.name}: {sorted(both)[0]!r} names a branch and a switch; give them two names"
                )
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
        """Shapes of the pooling switches that travel beside the code, by name, in the encoder's
        order.
        """
        return self.encoder.switches

    @property
    def variational(self) -> bool:
        """Whether the encoder gives mean and logarithm of the variance of a code, not a code alone."""
        return any(isinstance(layer, Gaussian) for layer in self.encoder.layers)

    def check_trainable(self) -> None:
        """Raise `UsageError` when encoder or decoder has no layer with weights."""
        for part, stack in (("encoder", self.encoder), ("decoder", self.decoder)):
            if not stack.parameters:
                raise UsageError(
                    f"{self.name}: the {part} has no layer with weights: there is nothing to train"
                )

    def table(self) -> str:
        """The printed table: a line per row with its output shape and its number of parameters."""
        lines = [("", "row", "output", "parameters"), ("", "image", text(self.image), "")]
        for part, stack in (("encoder", self.encoder), ("decoder", self.decoder)):
            for number, step in enumerate(stack):
                lines.append(
                    (
                        part if number == 0 else "",
                        str(step.layer),
                        text(step.output),
                        f"{step.layer.parameters:,}",
                    )
                )
        lines.append(("", "total", "", f"{self.parameters:,}"))
        first, second, third, last = (max(len(line[column]) for line in lines) for column in range(4))
        return "\n".join(
            f"{a:<{first}}  {b:<{second}}  {c:<{third}}  {d:>{last}}".rstrip() for a, b, c, d in lines
        )
