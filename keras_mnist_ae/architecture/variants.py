"""The autoencoders of this package, as tables."""

from ..errors import UsageError
from ..system.hints import did_you_mean
from .families import FAMILIES, conv, conv_best, vae_conv
from .layers import (
    Conv,
    ConvTranspose,
    Dense,
    Flatten,
    Gaussian,
    GlobalAveragePool,
    MaxPool,
    MaxUnpool,
    Rescale,
    Unflatten,
)
from .shapes import Shape, text
from .stack import Stack
from .variant import Recipe, Variant

# fmt: off

CONV_K16 = Variant(
    name="conv-k16",
    summary="three convolutions, the last one 16 x 16 wide",
    encoder=Stack((1, 28, 28), (
        (Conv(1, 16, k=3, s=1, p=1, act="relu"),           (16, 28, 28)),
        (Conv(16, 32, k=4, s=2, p=1, act="relu"),          (32, 14, 14)),
        (Conv(32, 64, k=16, s=2, p=1, act="relu"),         (64, 1, 1)),
        (Flatten(),                                        (64,)),
    )),
    decoder=Stack((64,), (
        (Unflatten(64, 1, 1),                              (64, 1, 1)),
        (ConvTranspose(64, 32, k=9, s=1, p=1, act="relu"), (32, 7, 7)),
        (ConvTranspose(32, 16, k=4, s=2, p=1, act="relu"), (16, 14, 14)),
        (ConvTranspose(16, 1, k=4, s=2, p=1, act="relu"),  (1, 28, 28)),
    )),
    parameters=707_121,
    recipe=Recipe(epochs=10, batch_size=32, learning_rate=1e-3),
    note="""\
Erratum. The published decoder has stride 1 and padding 1 in all three rows and prints these sizes:

    row                         printed   with the printed padding 1   here
    ConvTranspose 64->32 k9     9x9       7x7                          7x7    (stride 1)
    ConvTranspose 32->16 k4     12x12     8x8                          14x14  (stride 2)
    ConvTranspose 16->1 k4      15x15     9x9                          28x28  (stride 2)

A transposed convolution gives (size - 1) * stride + kernel - 2 * padding. The printed sizes are
those of padding 0 (1 -> 9 -> 12 -> 15), and neither chain ends in the 28x28 image that the loss
compares with, so the printed decoder cannot be trained. Stride 2 in the last two rows makes it
whole (7 -> 14 -> 28) and leaves the 707,121 parameters as they are. The recipe is ours: the source
names none.""",
)

CONV_K15 = Variant(
    name="conv-k15",
    summary="starts with a 15 x 15 kernel",
    encoder=Stack((1, 28, 28), (
        (Conv(1, 8, k=15, s=1, p=1, act="relu"),           (8, 16, 16)),
        (Conv(8, 16, k=3, s=2, p=1, act="relu"),           (16, 8, 8)),
        (Conv(16, 32, k=3, s=2, p=1, act="relu"),          (32, 4, 4)),
        (Conv(32, 64, k=5, s=2, p=1),                      (64, 1, 1)),
        (Flatten(),                                        (64,)),
    )),
    decoder=Stack((64,), (
        (Unflatten(64, 1, 1),                              (64, 1, 1)),
        (ConvTranspose(64, 32, k=4, s=1, p=0, act="relu"), (32, 4, 4)),
        (ConvTranspose(32, 16, k=2, s=2, p=0, act="relu"), (16, 8, 8)),
        (ConvTranspose(16, 8, k=2, s=2, p=0, act="relu"),  (8, 16, 16)),
        (ConvTranspose(8, 1, k=4, s=2, p=3),               (1, 28, 28)),
    )),
    parameters=94_393,
    recipe=Recipe(epochs=15, batch_size=32, learning_rate=1e-2),
)

CONV_UNPOOL = Variant(
    name="conv-unpool",
    summary="max pooling that remembers where, unpooling that puts back there",
    encoder=Stack((1, 28, 28), (
        (Conv(1, 16, k=3, s=1, p=1, norm=True, act="relu"),           (16, 28, 28)),
        (MaxPool(switch="a"),                                         (16, 14, 14)),
        (Conv(16, 32, k=3, s=1, p=1, norm=True, act="relu"),          (32, 14, 14)),
        (MaxPool(switch="b"),                                         (32, 7, 7)),
        (Conv(32, 64, k=7, s=1, p=0),                                 (64, 1, 1)),
        (Flatten(),                                                   (64,)),
    )),
    decoder=Stack((64,), (
        (Unflatten(64, 1, 1),                                         (64, 1, 1)),
        (ConvTranspose(64, 32, k=7, s=1, p=0, norm=True, act="relu"), (32, 7, 7)),
        (MaxUnpool(switch="b"),                                       (32, 14, 14)),
        (ConvTranspose(32, 16, k=3, s=1, p=1, norm=True, act="relu"), (16, 14, 14)),
        (MaxUnpool(switch="a"),                                       (16, 28, 28)),
        (ConvTranspose(16, 1, k=3, s=1, p=1),                         (1, 28, 28)),
    )),
    parameters=210_465,
    recipe=Recipe(epochs=10, batch_size=32, learning_rate=1e-3),
    note="""\
The switches, where in its 2x2 window each maximum stood, travel beside the code: 2 bits each, 9,408
bits, as much again as 294 floats of 32 bits. The error below that of the other variants is bought
with them; the code alone does not make an image. The source names the parts and no sizes: the sizes
and the recipe are ours. A convolution under batch normalisation has no bias (the normalisation
subtracts it), and the moving statistics, 192 numbers, are not counted as parameters.""",
)

CONV_AVGPOOL = Variant(
    name="conv-avgpool",
    summary="strided convolutions and average pooling; the default",
    encoder=Stack((1, 28, 28), (
        (Conv(1, 16, k=3, s=2, p=1, act="relu"),           (16, 14, 14)),
        (Conv(16, 32, k=3, s=2, p=1, act="relu"),          (32, 7, 7)),
        (Conv(32, 64, k=3, s=2, p=1, act="relu"),          (64, 4, 4)),
        (GlobalAveragePool(),                              (64, 1, 1)),
        (Flatten(),                                        (64,)),
    )),
    decoder=Stack((64,), (
        (Unflatten(64, 1, 1),                              (64, 1, 1)),
        (ConvTranspose(64, 32, k=4, s=1, p=0, act="relu"), (32, 4, 4)),
        (ConvTranspose(32, 16, k=3, s=2, p=1, act="relu"), (16, 7, 7)),
        (ConvTranspose(16, 8, k=4, s=2, p=1, act="relu"),  (8, 14, 14)),
        (ConvTranspose(8, 1, k=4, s=2, p=1),               (1, 28, 28)),
    )),
    parameters=62_905,
    recipe=Recipe(epochs=10, batch_size=32, learning_rate=1e-3),
)

MLP = Variant(
    name="mlp",
    summary="dense layers only",
    encoder=Stack((1, 28, 28), (
        (Rescale(2.0, -1.0),             (1, 28, 28)),
        (Flatten(),                      (784,)),
        (Dense(784, 128, act="relu"),    (128,)),
        (Dense(128, 64, act="relu"),     (64,)),
        (Dense(64, 32),                  (32,)),
    )),
    decoder=Stack((32,), (
        (Dense(32, 64, act="relu"),      (64,)),
        (Dense(64, 128, act="relu"),     (128,)),
        (Dense(128, 784, act="tanh"),    (784,)),
        (Unflatten(1, 28, 28),           (1, 28, 28)),
        (Rescale(0.5, 0.5),              (1, 28, 28)),
    )),
    parameters=222_384,
    recipe=Recipe(epochs=10, batch_size=32, learning_rate=1e-3),
    note="""\
The net thinks in [-1, 1] (x * 2 - 1 at the entrance, the tanh's range at the exit); every loss,
metric and picture is in [0, 1]. A mean squared error on [-1, 1] is four times the one on [0, 1].
The recipe is ours: the source names none.""",
)

VAE_MLP = Variant(
    name="vae-mlp",
    summary="a variational autoencoder of dense layers",
    encoder=Stack((1, 28, 28), (
        (Flatten(),                       (784,)),
        (Dense(784, 512, act="relu"),     (512,)),
        (Dense(512, 256, act="relu"),     (256,)),
        (Gaussian(256, 16),               (16,)),
    )),
    decoder=Stack((16,), (
        (Dense(16, 256, act="relu"),      (256,)),
        (Dense(256, 512, act="relu"),     (512,)),
        (Dense(512, 784, act="sigmoid"),  (784,)),
        (Unflatten(1, 28, 28),            (1, 28, 28)),
    )),
    parameters=1_079_600,
    recipe=Recipe(epochs=20, batch_size=128, learning_rate=1e-3, beta_2=0.99, warm_up=0.1),
)

# fmt: on

VARIANTS = {
    variant.name: variant
    for variant in (
        *(CONV_AVGPOOL, CONV_K15, CONV_K16, CONV_UNPOOL, MLP),
        *(conv_best(), conv(), vae_conv(), VAE_MLP),
    )
}
"""The variants of this package, by name."""


def find(name: str, image: Shape | None = None) -> Variant:
    """The variant of that name.

    Args:
        name: a key of `VARIANTS`.
        image: (channels, height, width) of the images that it is to take; by default (1, 28, 28).

    Raises:
        UsageError: There is none of that name (the message has the nearest one), or none for images
            of that shape.

    Examples:
        >>> find("vae-conv", image=(3, 64, 64)).decoder.output
        (3, 64, 64)
    """
    if not isinstance(name, str) or name not in VARIANTS:
        hint = did_you_mean(name, VARIANTS, cutoff=0.3)
        raise UsageError(f"unknown variant {str(name)[:80]!r}{hint}\nThe variants: {', '.join(VARIANTS)}.")
    if image is None or image == VARIANTS[name].image:
        return VARIANTS[name]
    if name not in FAMILIES:
        raise UsageError(
            f"{name} takes images of {text(VARIANTS[name].image)} (channels x height x width), "
            f"not of {text(image)}.\nFor other sizes: {', '.join(FAMILIES)}."
        )
    return FAMILIES[name](image)
