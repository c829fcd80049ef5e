"""Tables to Keras models: functional encoder and decoder of stock layers, and the `Autoencoder`
that joins them.
"""

import math
from typing import Any, assert_never

import keras
import numpy as np
from keras import layers, ops

from ..architecture.layers import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    Activation,
    Add,
    Branch,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    GlobalAveragePool,
    MaxPool,
    MaxUnpool,
    Rescale,
    Unflatten,
)
from ..architecture.shapes import Shape, text
from ..architecture.stack import Stack, Step
from ..architecture.transforms import latent_size
from ..architecture.variant import Variant
from ..architecture.variants import find
from ..errors import UsageError
from .autoencoder import Autoencoder
from .keras_forward import LAST, pooling_position, spread


def build(
    variant: str | Variant = "conv-avgpool",
    seed: int = 0,
    *,
    latent_dim: int | None = None,
    image: Shape | None = None,
) -> Autoencoder:
    """An untrained model of a variant.

    Weights are drawn from `seed` with Glorot's uniform distribution (Glorot and Bengio 2010),
    biases are zero; the same seed gives the same weights on every backend.

    Args:
        variant: a name (see `kae models`) or a table of your own.
        seed: of the initial weights, a whole number from 0 up.
        latent_dim: length of the code, where it is not to be the table's.
        image: (channels, height, width) of the images, where they are not to be 1 x 28 x 28: for
            conv, conv-best and vae-conv, 16 to 512 pixels high and wide.

    Raises:
        UsageError: There is no variant of that name, or none for such images or such a code.

    Examples:
        >>> model = build("vae-conv", latent_dim=8, image=(3, 64, 64))
        >>> model.input_shape, model.decoder.input_shape
        ((None, 64, 64, 3), (None, 8))
    """
    if isinstance(variant, str):
        variant = find(variant, None if image is None else tuple(image))
    elif image is not None and tuple(image) != variant.image:
        raise UsageError(f"{variant.name} is a table for images of {text(variant.image)}, not {text(image)}")
    variant = variant if latent_dim is None else latent_size(variant, latent_dim)
    image = keras.Input(_channels_last(variant.image), name="image")
    code, beside = _apply(variant.encoder, image, {}, (seed, 0))
    encoder = keras.Model(image, _join(code, beside.values()), name="encoder")
    latent = keras.Input(variant.decoder.input, name="latent")
    switches = {
        name: keras.Input(_channels_last(shape), dtype="uint8", name=f"switch_{name}")
        for name, shape in variant.switches.items()
    }
    reconstruction, _ = _apply(variant.decoder, latent, switches, (seed, 1))
    decoder = keras.Model(_join(latent, switches.values()), reconstruction, name="decoder")
    _draw_weights([*encoder.layers, *decoder.layers], np.random.default_rng(seed))
    return Autoencoder(variant, encoder, decoder)


def _apply(
    stack: Stack, x: Any, switches: dict[str, Any], seed: tuple[int, int]
) -> tuple[Any, dict[str, Any]]:
    """Run a symbolic tensor through the rows; give the result and what goes beside it: switches,
    taken or made, and a log variance.
    """
    beside, branches = dict(switches), dict[str, Any]()
    for number, step in enumerate(stack):
        name, layer = step.name, step.layer
        match layer:
            case Conv():
                if layer.p:
                    x = layers.ZeroPadding2D(layer.p, data_format=LAST, name=f"{name}_pad")(x)
                options = {"strides": layer.s, "use_bias": not layer.norm, "data_format": LAST, "name": name}
                x = layers.Conv2D(layer.outputs, layer.k, **options)(x)
                x = _finish(x, step, layer.norm, layer.act)
            case ConvTranspose():
                options = {"strides": layer.s, "use_bias": not layer.norm, "data_format": LAST, "name": name}
                x = layers.Conv2DTranspose(layer.outputs, layer.k, **options)(x)
                if layer.p:
                    x = layers.Cropping2D(layer.p, data_format=LAST, name=f"{name}_crop")(x)
                x = _finish(x, step, layer.norm, layer.act)
            case Dense():
                x = layers.Dense(layer.outputs, use_bias=not layer.norm, name=name)(x)
                x = _finish(x, step, layer.norm, layer.act)
            case Gaussian():
                beside["log_variance"] = layers.Dense(layer.outputs, name=f"{name}_log_variance")(x)
                x = layers.Dense(layer.outputs, name=name)(x)
            case MaxPool():
                if layer.switch:
                    beside[layer.switch] = ops.cast(pooling_position(x, step.output), "uint8")
                x = layers.MaxPooling2D(2, data_format=LAST, name=name)(x)
            case MaxUnpool():
                x = _unpool(x, beside[layer.switch], step.output)
            case GlobalAveragePool():
                x = layers.GlobalAveragePooling2D(data_format=LAST, keepdims=True, name=name)(x)
            case Flatten():
                if _order_matters(step.input):  # channels first, as the tables count
                    x = layers.Permute((3, 1, 2), name=f"{name}_order")(x)
                x = layers.Flatten(data_format=LAST, name=name)(x)
            case Unflatten():
                if _order_matters(step.output):
                    x = layers.Reshape(step.output, name=name)(x)
                    x = layers.Permute((2, 3, 1), name=f"{name}_order")(x)
                else:
                    x = layers.Reshape(_channels_last(step.output), name=name)(x)
            case Rescale():
                x = layers.Rescaling(layer.scale, layer.offset, name=name)(x)
            case Dropout():
                kind = layers.Dropout if len(step.input) == 1 else layers.SpatialDropout2D
                options = {} if len(step.input) == 1 else {"data_format": LAST}
                drawn = int(
                    np.random.SeedSequence((*seed, number)).generate_state(1)[0] >> 1
                )  # without one torch draws from its own
                x = kind(layer.rate, seed=drawn, name=name, **options)(x)
            case Branch():
                branches[layer.name] = x
            case Add():
                x = layers.Add(name=name)([branches[layer.name], x])
                x = _finish(x, step, False, layer.act)
            case _:
                assert_never(layer)
    return x, beside


def _finish(x: Any, step: Step, norm: bool, act: Activation | None) -> Any:
    if norm:
        x = layers.BatchNormalization(
            epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=f"{step.name}_norm"
        )(x)
    return layers.Activation(act, name=f"{step.name}_{act}")(x) if act else x


def _unpool(x: Any, switch: Any, unpooled: Shape) -> Any:
    here = ops.one_hot(switch, 4, dtype="bool")
    return spread(ops.where(here, ops.expand_dims(x, -1), 0.0), unpooled)


def _draw_weights(model_layers: list[keras.Layer], generator: np.random.Generator) -> None:
    """Glorot uniform kernels from numpy: the generators of the backends all differ."""
    for layer in model_layers:
        if isinstance(layer, layers.Dense | layers.Conv2D | layers.Conv2DTranspose):
            *window, inputs, outputs = layer.kernel.shape
            limit = math.sqrt(6 / (math.prod(window) * (inputs + outputs)))
            layer.kernel.assign(generator.uniform(-limit, limit, layer.kernel.shape).astype("float32"))


def _order_matters(shape: Shape) -> bool:
    """Whether flattening channels-first and channels-last differ."""
    return shape[0] > 1 and math.prod(shape[1:]) > 1


def _join(first: Any, others: Any) -> Any:
    return [first, *others] if others else first


def _channels_last(shape: Shape) -> Shape:
    return (*shape[1:], shape[0])
