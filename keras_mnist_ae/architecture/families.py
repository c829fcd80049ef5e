"""Tables that follow from the size of the image."""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from ..errors import UsageError
from .layers import Add, Branch, Conv, ConvTranspose, Dense, Flatten, Gaussian, Layer, Unflatten
from .shapes import Shape, text
from .stack import Stack
from .variant import Recipe, Variant

SMALLEST, LARGEST = 16, 512
CHANNELS = (1, 3, 4)
FIRST, WIDEST = 32, 128  # channels after the first halving, and at most
COARSEST = 7  # an image whose shorter side is no longer is halved no more
HIDDEN = 256  # units between the image and the code of vae-conv
PIXELS, FEWEST = 2**20, 8  # pixels in a batch at most, but so many images at least


class Halvings(NamedTuple):
    """The rows that halve an image to `coarsest`, and those that double it again."""

    down: list[Layer]
    coarsest: Shape
    up: list[Layer]


def conv(image: Shape = (1, 28, 28), latent: int = 32) -> Variant:
    """A table for an image of any size: halved until it is small, then a dense layer to the code.

    4 x 4 kernels with stride 2 halve the image until the shorter side is at most 7, with 32, 64,
    then 128 channels; then a dense layer to the code, and the same way back, where a kernel of 5
    instead of 4 restores an odd side.

    Args:
        image: (channels, height, width): 1, 3 or 4 channels, 16 to 512 pixels high and wide.
        latent: length of the code.

    Raises:
        UsageError: There is no table for images of that shape.

    Examples:
        >>> table = conv((3, 64, 48), latent=16)
        >>> [shape for _, shape in table.encoder.rows]
        [(32, 32, 24), (64, 16, 12), (128, 8, 6), (6144,), (16,)]
    """
    down, coarsest, up = _halvings(image)
    size = prod(coarsest)
    return _variant(
        "conv",
        "halved until it is small: a table for any image of 16 to 512 pixels, grey or colour",
        image,
        [*down, Flatten(), Dense(size, latent)],
        [Dense(latent, size, act="silu"), Unflatten(*coarsest), *up],
        Recipe(epochs=10, batch_size=64, learning_rate=3e-3, beta_2=0.99, warm_up=0.1),
    )


def conv_best(image: Shape = (1, 28, 28), latent: int = 64) -> Variant:
    """The table of `conv` with a residual block (He et al. 2016) where the image is smallest, on
    both sides of the code.

    Args:
        image: (channels, height, width): 1, 3 or 4 channels, 16 to 512 pixels high and wide.
        latent: length of the code.

    Raises:
        UsageError: There is no table for images of that shape.

    Examples:
        >>> conv_best((3, 96, 96)).encoder.rows[4]
        (Branch(name='a'), (128, 6, 6))
    """
    down, coarsest, up = _halvings(image)
    size, width = prod(coarsest), coarsest[0]
    block: list[Layer] = [
        Branch("a"),
        Conv(width, width, k=3, p=1, norm=True, act="silu"),
        Conv(width, width, k=3, p=1, norm=True),
        Add("a", act="silu"),
    ]
    return _variant(
        "conv-best",
        "residual blocks under batch normalisation: the least error at its size",
        image,
        [*down, *block, Flatten(), Dense(size, latent)],
        [Dense(latent, size, act="silu"), Unflatten(*coarsest), *block, *up],
        Recipe(epochs=20, batch_size=128, learning_rate=4e-3, beta_2=0.99, warm_up=0.1),
    )


def vae_conv(image: Shape = (1, 28, 28), latent: int = 16) -> Variant:
    """The table of `conv` as a variational autoencoder (Kingma and Welling 2014), with 256 units
    between the image and the code.

    Args:
        image: (channels, height, width): 1, 3 or 4 channels, 16 to 512 pixels high and wide.
        latent: length of the code.

    Raises:
        UsageError: There is no table for images of that shape.

    Examples:
        >>> vae_conv((3, 64, 64), latent=8).encoder.rows[-1]
        (Gaussian(inputs=256, outputs=8), (8,))
    """
    down, coarsest, up = _halvings(image)
    size = prod(coarsest)
    return _variant(
        "vae-conv",
        "a convolutional variational autoencoder",
        image,
        [*down, Flatten(), Dense(size, HIDDEN, act="silu"), Gaussian(HIDDEN, latent)],
        [
            Dense(latent, HIDDEN, act="silu"),
            Dense(HIDDEN, size, act="silu"),
            Unflatten(*coarsest),
            *up,
        ],
        Recipe(epochs=20, batch_size=128, learning_rate=2e-3, beta_2=0.99, warm_up=0.1),
    )


FAMILIES: dict[str, Callable[..., Variant]] = {"conv": conv, "conv-best": conv_best, "vae-conv": vae_conv}
"""The variants whose table follows from the image: name to a function of (image, latent)."""


def _halvings(image: Shape) -> Halvings:
    """The convolutions of an image (channels, height, width). Raises `UsageError` for a shape that
    no table is made for.
    """
    if (
        len(image) != 3
        or image[0] not in CHANNELS
        or not all(SMALLEST <= size <= LARGEST for size in image[1:])
    ):
        raise UsageError(
            f"there is no table for images of {text(image)} (channels x height x width):\n"
            f"give {', '.join(map(str, CHANNELS))} channels, height and width from {SMALLEST} to {LARGEST} "
            "(--resize HxW fits them)"
        )
    shape = image
    down: list[Layer] = []
    up: list[Layer] = []
    while min(shape[1:]) > COARSEST:
        channels, height, width = shape
        wider = min(WIDEST, FIRST * 2 ** len(down))
        down.append(Conv(channels, wider, k=4, s=2, p=1, norm=True, act="silu"))
        sides = (4 + height % 2, 4 + width % 2)
        k = sides[0] if sides[0] == sides[1] else sides
        outermost = len(up) == 0
        up.append(
            ConvTranspose(
                wider, channels, k=k, s=2, p=1, norm=not outermost, act="sigmoid" if outermost else "silu"
            )
        )
        shape = (wider, height // 2, width // 2)
    return Halvings(down, shape, up[::-1])


def _variant(
    name: str, summary: str, image: Shape, encoder: list[Layer], decoder: list[Layer], recipe: Recipe
) -> Variant:
    """The variant of these rows; large images in smaller batches than the recipe's."""
    first = Stack.of(image, *encoder)
    second = Stack.of(first.output, *decoder)
    fitting = max(FEWEST, PIXELS // (image[1] * image[2]))
    return Variant(
        name=name,
        summary=summary,
        encoder=first,
        decoder=second,
        parameters=first.parameters + second.parameters,
        recipe=Recipe(
            recipe.epochs,
            min(recipe.batch_size, fitting),
            recipe.learning_rate,
            recipe.beta_2,
            recipe.warm_up,
        ),
    )
