"""From a table to a table: what can be asked of every variant."""

from dataclasses import replace

from ..errors import UsageError
from .layers import (
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    Unflatten,
    Weighted,
)
from .stack import Stack
from .variant import Variant


def batch_norm(variant: Variant) -> Variant:
    """With batch normalisation before each activation within (Ioffe and Szegedy 2015): in every
    convolution and dense layer but those that give the code or the image, whose values nothing may
    centre.
    """

    def normalised(stack: Stack) -> list[Layer]:
        return [
            replace(layer, norm=True)
            if isinstance(layer, Conv | ConvTranspose | Dense) and at != stack.last
            else layer
            for at, layer in enumerate(stack.layers)
        ]

    return _rebuilt(variant, normalised(variant.encoder), normalised(variant.decoder))


def dropout(variant: Variant, rate: float) -> Variant:
    """With dropout after each convolution and dense layer within (Srivastava et al. 2014; whole
    channels of an image, Tompson et al. 2015): not after those that give the code or the image.
    """

    def dropped(stack: Stack) -> list[Layer]:
        result = list[Layer]()
        for at, layer in enumerate(stack.layers):
            result.append(layer)
            if isinstance(layer, Conv | ConvTranspose | Dense) and at != stack.last:
                result.append(Dropout(rate))
        return result

    return _rebuilt(variant, dropped(variant.encoder), dropped(variant.decoder))


def latent_size(variant: Variant, size: int) -> Variant:
    """With a code of that many numbers: the last layer with weights of the encoder gives them, the
    first of the decoder takes them.

    Raises `UsageError` where they do not give and take the code itself.
    """
    encoder, decoder = list(variant.encoder.layers), list(variant.decoder.layers)
    last, first = (
        variant.encoder.last,
        next(at for at, layer in enumerate(decoder) if isinstance(layer, Weighted)),
    )
    giver, taker = encoder[last], decoder[first]
    assert isinstance(giver, Weighted)
    assert isinstance(taker, Conv | ConvTranspose | Dense)
    between = all(isinstance(layer, Flatten | GlobalAveragePool) for layer in encoder[last + 1 :])
    if giver.outputs != variant.latent or taker.inputs != variant.latent or not between:
        raise UsageError(
            f"the code of {variant.name} has {variant.latent} numbers, and no other size: it is an image, "
            "not a vector"
        )
    encoder[last], decoder[first] = replace(giver, outputs=size), replace(taker, inputs=size)
    return _rebuilt(
        variant,
        encoder,
        [
            Unflatten(size, 1, 1) if at < first and isinstance(layer, Unflatten) else layer
            for at, layer in enumerate(decoder)
        ],
    )


def _rebuilt(variant: Variant, encoder: list[Layer], decoder: list[Layer]) -> Variant:
    first = Stack.of(variant.image, *encoder)
    second = Stack.of(first.output, *decoder)
    return replace(variant, encoder=first, decoder=second, parameters=first.parameters + second.parameters)


def adapted(
    variant: Variant, latent_dim: int | None = None, norm: bool = False, rate: float = 0.0
) -> Variant:
    """The table of a variant with another code, normalisation and dropout, in this order.

    Raises `UsageError` for what is not possible.
    """
    if latent_dim is not None:
        if isinstance(latent_dim, bool) or not isinstance(latent_dim, int) or latent_dim < 1:
            raise UsageError(f"latent_dim is {latent_dim!r}; give a whole number from 1 up")
        variant = latent_size(variant, latent_dim)
    variant = batch_norm(variant) if norm else variant
    if not 0 <= rate < 1:
        raise UsageError(f"dropout is {rate!r}; give a number from 0 to below 1")
    return dropout(variant, rate) if rate else variant
