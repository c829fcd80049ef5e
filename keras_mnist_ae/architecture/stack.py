"""A column of layers with the shapes between them. Standard library only."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from ..errors import UsageError
from .layers import (
    Add,
    Branch,
    Conv,
    ConvTranspose,
    Dense,
    Gaussian,
    Layer,
    MaxPool,
    MaxUnpool,
    Unweighted,
    Weighted,
)
from .limits import error_in
from .shapes import Shape, text


class Step(NamedTuple):
    """A row as code that walks a stack meets it.

    `name` is unique in its stack, such as `conv2`; the shapes are without the batch.
    """

    name: str
    layer: Layer
    input: Shape
    output: Shape


@dataclass(frozen=True)
class Stack:
    """Layers in order, each beside the shape that its author claims for its output.

    Examples:
        >>> from keras_mnist_ae.architecture import Dense, Flatten
        >>> stack = Stack.of((1, 28, 28), Flatten(), Dense(784, 32))
        >>> stack.output, stack.parameters
        ((32,), 25120)
    """

    input: Shape
    rows: tuple[tuple[Layer, Shape], ...]

    @classmethod
    def of(cls, shape: Shape, *layers: Layer) -> "Stack":
        """The stack of these layers with the shapes that they give.

        Raises:
            UsageError: A layer does not take the shape before it.
        """
        outputs = walk("", shape, ((layer, None) for layer in layers))
        return cls(shape, tuple(zip(layers, outputs, strict=True)))

    def check(self, where: str) -> None:
        """Raise `UsageError`, naming the place, the row and both shapes, when a claim is not what
        the layer gives.
        """
        walk(where, self.input, self.rows)

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(layer for layer, _ in self.rows)

    @property
    def output(self) -> Shape:
        return self.rows[-1][1] if self.rows else self.input

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiplications(self) -> int:
        """Multiplications per image, or per code, in convolutions and dense layers."""
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
                case layer:
                    unweighted: Unweighted = layer  # a new kind with weights fails the type check
                    count += unweighted.parameters
        return count

    @property
    def last(self) -> int:
        """Index of the last row with weights, which gives the code or the image; -1 without one."""
        weighted = (at for at, layer in enumerate(self.layers) if isinstance(layer, Weighted))
        return max(weighted, default=-1)

    @property
    def switches(self) -> dict[str, Shape]:
        """Shape of every pooling switch by name, in the order of the rows: an output of an encoder,
        an input of a decoder.
        """
        shapes = {}
        for step in self:
            if isinstance(step.layer, MaxPool) and step.layer.switch:
                shapes[step.layer.switch] = step.output
            elif isinstance(step.layer, MaxUnpool):
                shapes[step.layer.switch] = step.input
        return shapes

    def __iter__(self) -> Iterator[Step]:
        shape, counts = self.input, dict[str, int]()
        for layer, output in self.rows:
            kind = type(layer).__name__.lower()
            counts[kind] = counts.get(kind, 0) + 1
            yield Step(f"{kind}{counts[kind]}", layer, shape, output)
            shape = output


def walk(where: str, shape: Shape, rows: Iterable[tuple[Layer, Shape | None]]) -> list[Shape]:
    """The output shape of each row; a claim of None is not checked.

    Raises:
        UsageError: A row cannot be; the message names `where`, the row, its shapes and what would
            fit.
    """
    outputs: list[Shape] = []
    branches: dict[str, Shape] = {}
    ended = False
    for number, (layer, claim) in enumerate(rows, 1):
        row = f"{where}, row {number}, {layer}" if where else f"row {number}, {layer}"
        if error := error_in(layer):
            raise UsageError(f"{row}: {error}")
        if ended:
            raise UsageError(f"{row}: only the last row of an encoder gives mean and variance")
        ended = isinstance(layer, Gaussian)
        try:
            output = layer.output_shape(shape)
        except ValueError as error:
            raise UsageError(f"{row}: {error}, but is given {text(shape)}{_advice(layer, shape)}") from None
        _join(row, layer, shape, branches)
        if claim is not None and output != claim:
            raise UsageError(f"{row}: the table claims {text(claim)}, but {text(shape)} gives {text(output)}")
        if min(output) < 1:
            raise UsageError(f"{row}: nothing is left of {text(shape)}: it gives {text(output)}")
        outputs.append(output)
        shape = output
    if branches:
        raise UsageError(f"{where}: Branch {next(iter(branches)).upper()} has no Add")
    return outputs


def _join(row: str, layer: Layer, shape: Shape, branches: dict[str, Shape]) -> None:
    """Open a residual block at a `Branch`, close it at its `Add`, where the shapes must agree."""
    if isinstance(layer, Branch):
        branches[layer.name] = shape
    elif isinstance(layer, Add) and (branch := branches.pop(layer.name, None)) != shape:
        name = f"Branch {layer.name.upper()}"
        other = f"{name} had {text(branch)}" if branch else f"no {name} is open before it"
        raise UsageError(f"{row}: is given {text(shape)}, but {other}")


def _advice(layer: Layer, shape: Shape) -> str:
    if not isinstance(layer, Weighted):
        return ""
    vector = isinstance(layer, Dense | Gaussian)
    if vector and len(shape) == 3:
        return '.\nWhat would fit: a row { layer = "Flatten" } before it'
    if len(shape) == (1 if vector else 3) and layer.inputs != shape[0]:
        return f".\nWhat would fit: inputs = {shape[0]}"
    return ""
