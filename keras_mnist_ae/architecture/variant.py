"""Recipes and variants: an autoencoder as two stacks. Standard library only."""

from dataclasses import dataclass
from html import escape
from math import inf

from ..errors import UsageError
from .layers import Branch, Gaussian, MaxPool, MaxUnpool
from .shapes import Shape, text
from .stack import Stack


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
                f"{self.name}: the code has shape {text(self.encoder.output)}; end the encoder in Flatten "
                "or Dense"
            )
        for what, stack, other in (
            ("an encoder", self.encoder, MaxUnpool),
            ("a decoder", self.decoder, MaxPool),
        ):
            if any(isinstance(layer, other) and layer.switch for layer in stack.layers):
                raise UsageError(
                    f"{self.name}: {what} has no {other.__name__} with switches: encoders make them, "
                    "decoders take them"
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
        """Whether the encoder gives mean and log variance of a code, not a code alone."""
        return any(isinstance(layer, Gaussian) for layer in self.encoder.layers)

    def __str__(self) -> str:
        """Summary, table, recipe and note, as `kae models NAME` prints them."""
        loss = "evidence lower bound" if self.variational else "mean squared error"
        parts = [f"{self.name}: {self.summary}", self.table(), f"recipe: {self.recipe}, {loss}", self.note]
        return "\n\n".join(filter(None, parts))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

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
