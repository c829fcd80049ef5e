"""The rows as few and fast operations of `keras.ops`: what an `Autoencoder` computes on TensorFlow and JAX.

XLA computes a transposed convolution, its gradients above all, as one over an image filled up with zeros. Here each is a plain matrix
product of neighbourhoods with the kernel, whose outputs are then the s x s pixels that stand where an input pixel stood (Shi et al. 2016).
"""

from typing import Any, assert_never

from keras import ops

from .architecture import (
    Conv,
    ConvTranspose,
    Dense,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    MaxUnpool,
    Rescale,
    Step,
    Unflatten,
)

LAST = "channels_last"  # on every backend, whatever the user's keras.json says


def forward(model: Any, images: Any, training: bool) -> Any:
    """Images of shape (n, H, W, C) through encoder and decoder: reconstructions of the same shape."""
    x, places = images, dict[str, Any]()
    for stack, part in ((model.variant.encoder, model.encoder), (model.variant.decoder, model.decoder)):
        for step in stack:
            x = _row(step, part, x, places, training)
    return x


def _row(step: Step, part: Any, x: Any, places: dict[str, Any], training: bool) -> Any:
    layer = step.layer
    match layer:
        case Conv(norm=norm, act=act) | ConvTranspose(norm=norm, act=act):
            stock = part.get_layer(step.name)
            x = (_convolution if isinstance(layer, Conv) else _transposed)(step, stock.kernel, x)
            x = part.get_layer(f"{step.name}_norm")(x, training=training) if norm else x + stock.bias
            return activate(x, act)
        case Dense(act=act):
            stock = part.get_layer(step.name)
            return activate(ops.matmul(x, stock.kernel) + stock.bias, act)
        case MaxPool(switch=None):
            return ops.max_pool(x, 2, data_format=LAST)
        case MaxPool(switch=switch):
            here = ops.one_hot(place_of_maximum(x, step.output), 4, dtype="bool")
            places[str(switch)] = here
            return ops.sum(ops.where(here, windows(x, step.output), 0.0), axis=-1)
        case MaxUnpool(switch=switch):
            return spread(ops.where(places[switch], ops.expand_dims(x, -1), 0.0), step.output)
        case GlobalAveragePool():
            return ops.mean(x, axis=(1, 2), keepdims=True)
        case Flatten():
            return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, *step.output))
        case Unflatten(channels, height, width):
            return ops.transpose(ops.reshape(x, (-1, channels, height, width)), (0, 2, 3, 1))
        case Rescale(scale=scale, offset=offset):
            return x * scale + offset
        case _:
            assert_never(layer)


def activate(x: Any, act: Any) -> Any:
    return getattr(ops, act)(x) if act else x


def _convolution(step: Step, kernel: Any, x: Any) -> Any:
    """`kernel` is of shape (k, k, inputs, outputs)."""
    layer: Any = step.layer
    k, p, (_, height, width) = layer.k, layer.p, step.input
    if step.output[1:] == (1, 1):  # a matrix product with what the kernel has over the image
        rows, columns = min(height, k - p), min(width, k - p)
        seen = ops.reshape(kernel[p : p + rows, p : p + columns], (-1, layer.outputs))
        return ops.reshape(ops.matmul(ops.reshape(x[:, :rows, :columns], (-1, seen.shape[0])), seen), (-1, 1, 1, layer.outputs))
    return ops.conv(_padded(x, p), kernel, layer.s, "valid", LAST)


def _transposed(step: Step, kernel: Any, x: Any) -> Any:
    """`kernel` is of shape (k, k, outputs, inputs)."""
    layer: Any = step.layer
    k, s, p, inputs, outputs = layer.k, layer.s, layer.p, layer.inputs, layer.outputs
    (_, height, width), (_, high, wide) = step.input, step.output
    if (height, width) == (1, 1):  # a matrix product, with what the cropping leaves of the kernel
        kept = ops.reshape(kernel[p : p + high, p : p + wide], (-1, inputs))
        return ops.reshape(ops.matmul(ops.reshape(x, (-1, inputs)), ops.transpose(kept)), (-1, high, wide, outputs))
    if s == 1 and p < k:  # a convolution with the kernel turned round
        return ops.conv(_padded(x, k - 1 - p), ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2)), 1, "valid", LAST)
    reach = -(-k // s)  # input pixels on which an output pixel depends, in each direction
    x = _padded(x, reach - 1)
    height, width = height + reach - 1, width + reach - 1
    near = [x[:, reach - 1 - i :, reach - 1 - j :][:, :height, :width] for i in range(reach) for j in range(reach)]
    pixels = ops.matmul(ops.reshape(ops.concatenate(near, axis=-1), (-1, reach * reach * inputs)), _by_phase(kernel, k, s, reach))
    x = ops.transpose(ops.reshape(pixels, (-1, height, width, s, s, outputs)), (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height * s, width * s, outputs))[:, p : p + high, p : p + wide]


def _by_phase(kernel: Any, k: int, s: int, reach: int) -> Any:
    """The kernel as a matrix (reach * reach * inputs, s * s * outputs): its column for phase a holds what it has at a, a + s, ..."""
    outputs, inputs = kernel.shape[2:]
    fill = (0, reach * s - k)
    kernel = ops.reshape(ops.pad(kernel, (fill, fill, (0, 0), (0, 0))), (reach, s, reach, s, outputs, inputs))
    return ops.reshape(ops.transpose(kernel, (0, 2, 5, 1, 3, 4)), (reach * reach * inputs, s * s * outputs))


def _padded(x: Any, p: int) -> Any:
    return ops.pad(x, ((0, 0), (p, p), (p, p), (0, 0))) if p else x


def windows(x: Any, pooled: tuple[int, ...]) -> Any:
    """The four pixels of each 2 x 2 window, row-major: (n, 2h, 2w, c) to (n, h, w, c, 4)."""
    channels, height, width = pooled
    apart = ops.reshape(x, (-1, height, 2, width, 2, channels))
    return ops.reshape(ops.transpose(apart, (0, 1, 3, 5, 2, 4)), (-1, height, width, channels, 4))


def spread(x: Any, unpooled: tuple[int, ...]) -> Any:
    """The way back."""
    channels, height, width = unpooled
    apart = ops.reshape(x, (-1, height // 2, width // 2, channels, 2, 2))
    return ops.reshape(ops.transpose(apart, (0, 1, 4, 2, 5, 3)), (-1, height, width, channels))


def place_of_maximum(x: Any, pooled: tuple[int, ...]) -> Any:
    """Where in its 2 x 2 window each maximum stands, row-major 0..3, the first on a tie."""
    return ops.argmax(windows(x, pooled), axis=-1)
