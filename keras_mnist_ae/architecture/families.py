"""Tables that follow from the size of the image."""

from dataclasses import replace

from ..errors import UsageError
from . import transforms
from .layers import Conv, ConvTranspose, Dense, Flatten, Gaussian, Layer, Unflatten
from .shapes import Shape, text
from .stack import Stack
from .variant import Recipe, Variant

SMALLEST, LARGEST = 16, 128
CHANNELS = (1, 3, 4)
FIRST, WIDEST = 32, 128  # channels after the first halving, and at most
COARSEST = 7  # an image whose shorter side is no longer is halved no more


def conv(image: Shape = (1, 28, 28), latent: int = 32) -> Variant:
    """Halved by 4 x 4 kernels with stride 2 until the shorter side is at most 7, with 32, 64, then
    128 channels; then a dense layer to the code, and the same way back, where a kernel of 5 instead
    of 4 restores an odd side.

    Raises `UsageError` for an image that is not 16 to 128 pixels high and wide, of 1, 3 or 4
    channels.
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
    channels, height, width = shape
    size = channels * height * width
    encoder = Stack.of(image, *down, Flatten(), Dense(size, latent))
    decoder = Stack.of(
        (latent,), Dense(latent, size, act="silu"), Unflatten(channels, height, width), *up[::-1]
    )
    return Variant(
        name="conv",
        summary="halved until it is small: a table for any image of 16 to 128 pixels, grey or colour",
        encoder=encoder,
        decoder=decoder,
        parameters=encoder.parameters + decoder.parameters,
        recipe=Recipe(epochs=10, batch_size=64, learning_rate=3e-3, beta_2=0.99, warm_up=0.1),
    )


def vae_conv(image: Shape, latent: int = 16) -> Variant:
    """The table of `conv` with a code that is drawn from a normal distribution.

    Raises `UsageError` as `conv` does.
    """
    table = conv(image, latent)
    *rows, last = table.encoder.layers
    assert isinstance(last, Dense)
    encoder = Stack.of(image, *rows, Gaussian(last.inputs, last.outputs))
    return replace(
        table,
        name="vae-conv",
        summary="a convolutional variational autoencoder for images of another size",
        encoder=encoder,
        parameters=encoder.parameters + table.decoder.parameters,
    )


FAMILIES = {"conv": conv, "vae-conv": vae_conv}


def adapted(
    variant: Variant,
    *,
    latent_dim: int | None = None,
    image: Shape | None = None,
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> Variant:
    """The table of a variant with another image, code, normalisation and dropout, in this order.

    Raises:
        UsageError: A change is not possible.
    """
    if image is not None and tuple(image) != variant.image:
        if variant.name not in FAMILIES:
            raise UsageError(
                f"{variant.name} takes images of {text(variant.image)} (channels x height x width) and no "
                f"others; {' and '.join(FAMILIES)} take any"
            )
        variant = FAMILIES[variant.name](tuple(image))
    if latent_dim is not None:
        if isinstance(latent_dim, bool) or not isinstance(latent_dim, int) or latent_dim < 1:
            raise UsageError(f"latent_dim is {latent_dim!r}; give a whole number from 1 up")
        variant = transforms.latent_size(variant, latent_dim)
    variant = transforms.batch_norm(variant) if batch_norm else variant
    if not 0 <= dropout < 1:
        raise UsageError(f"dropout is {dropout!r}; give a number from 0 to below 1")
    return transforms.dropout(variant, dropout) if dropout else variant
