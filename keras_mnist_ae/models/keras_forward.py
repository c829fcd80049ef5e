"""The rows as few and fast operations of `keras.ops`: what an `Autoencoder` computes on TensorFlow
and JAX.

XLA computes a transposed convolution, its gradients above all, as one over an image filled up with
zeros. Here each is a plain matrix product of neighbourhoods with the kernel, whose outputs are then
the s x s pixels that stand where an input pixel stood (Shi et al. 2016).
"""

from collections.abc import Callable, Iterator
from typing import Any, assert_never

from keras import activations, config, layers, ops

from ..architecture.layers import (
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
from ..architecture.stack import Stack, Step

LAST = "channels_last"  # on every backend, whatever the user's keras.json says


def forward(model: Any, images: Any, training: bool) -> Any:
    """Reconstructions of images, both of shape (n, H, W, C)."""
    saved = dict[str, Any]()
    return decode(model, encode(model, images, saved, training), saved, training)


def why_not_fast(model: Any) -> str | None:
    """Why the fast path cannot serve: a setting changed on a layer after it was built, or None."""
    for layer in (*model.encoder.layers, *model.decoder.layers):
        if isinstance(layer, layers.InputLayer):
            continue
        if layer.dtype_policy.name != model.dtype_policy.name:
            return f"the dtype policy of {layer.name} is {layer.dtype_policy.name}"
        if layer.activity_regularizer is not None:
            return f"{layer.name} has an activity regularizer"
        if getattr(layer, "lora_enabled", False):
            return f"{layer.name} has LoRA weights"
        if hasattr(layer, "kernel") and layer.activation is not activations.linear:
            return f"{layer.name} has an activation of its own"
    return None


def encode(model: Any, images: Any, saved: dict[str, Any], training: bool) -> Any:
    """Codes (n, d) of images (n, H, W, C).

    `saved` receives by name what later rows or the loss need: pooling positions, residual branches,
    and the "log_variance" of a variational encoder.
    """
    for step, low in _rows(model, model.variant.encoder, training):
        images = _row(step, model.encoder, images, saved, training, low)
    return images


def decode(model: Any, codes: Any, saved: dict[str, Any], training: bool) -> Any:
    for step, low in _rows(model, model.variant.decoder, training):
        codes = _row(step, model.decoder, codes, saved, training, low)
    return codes


def _rows(model: Any, stack: Stack, training: bool) -> Iterator[tuple[Step, str]]:
    """Each row with the precision of its matrix product: the model's in training, float32 otherwise
    and in the rows that give the code and the image.
    """
    for at, step in enumerate(stack):
        yield step, model.precision if training and at != stack.last else "float32"


def _row(step: Step, part: Any, x: Any, saved: dict[str, Any], training: bool, low: str) -> Any:
    layer = step.layer
    match layer:
        case Conv(norm=norm, act=act) | ConvTranspose(norm=norm, act=act):
            stock = part.get_layer(step.name)
            convolve = _convolution if isinstance(layer, Conv) else _transposed
            x = _lowered(low, lambda kernel, x: convolve(step, kernel, x), stock.kernel, x)
            x = part.get_layer(f"{step.name}_norm")(x, training=training) if norm else x + stock.bias
            return activate(x, act)
        case Dense(norm=norm, act=act):
            stock = part.get_layer(step.name)
            x = _lowered(low, lambda kernel, x: ops.matmul(x, kernel), stock.kernel, x)
            x = part.get_layer(f"{step.name}_norm")(x, training=training) if norm else x + stock.bias
            return activate(x, act)
        case Gaussian():
            mean, log_variance = (part.get_layer(name) for name in (step.name, f"{step.name}_log_variance"))
            saved["log_variance"] = ops.matmul(x, log_variance.kernel) + log_variance.bias
            return ops.matmul(x, mean.kernel) + mean.bias
        case MaxPool(switch=None):
            return ops.max_pool(x, 2, 2, data_format=LAST)
        case MaxPool(switch=switch):
            here = ops.one_hot(pooling_position(x, step.output), 4, dtype="bool")
            saved[str(switch)] = here
            return ops.sum(ops.where(here, windows(x, step.output), 0.0), axis=-1)
        case MaxUnpool(switch=switch):
            return spread(ops.where(saved[switch], ops.expand_dims(x, -1), 0.0), step.output)
        case GlobalAveragePool():
            return ops.mean(x, axis=(1, 2), keepdims=True)
        case Flatten():
            return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, *step.output))
        case Unflatten(channels, height, width):
            return ops.transpose(ops.reshape(x, (-1, channels, height, width)), (0, 2, 3, 1))
        case Rescale(scale=scale, offset=offset):
            return x * scale + offset
        case Dropout():
            return part.get_layer(step.name)(x, training=training)
        case Branch(name=name):
            saved[name] = x
            return x
        case Add(name=name, act=act):
            return activate(x + saved[name], act)
        case _:
            assert_never(layer)


def _lowered(low: str, product: Callable[[Any, Any], Any], kernel: Any, x: Any) -> Any:
    """The product of kernel and x in a lower precision, as float32."""
    if low == "float32":
        return product(kernel, x)
    return ops.cast(product(ops.cast(kernel, low), ops.cast(x, low)), x.dtype)


def activate(x: Any, act: Any) -> Any:
    return getattr(ops, act)(x) if act else x


def _convolution(step: Step, kernel: Any, x: Any) -> Any:
    """`kernel` is (k, k, inputs, outputs), `x` (n, H, W, inputs)."""
    layer: Any = step.layer
    (high, wide), p, (_, height, width) = layer.kernel, layer.p, step.input
    if step.output[1:] == (1, 1):  # one output pixel: a matrix product with the kernel over the image
        rows, columns = min(height, high - p), min(width, wide - p)
        seen = ops.reshape(kernel[p : p + rows, p : p + columns], (-1, layer.outputs))
        return ops.reshape(
            ops.matmul(ops.reshape(x[:, :rows, :columns], (-1, seen.shape[0])), seen),
            (-1, 1, 1, layer.outputs),
        )
    return _convolved(x, kernel, layer.s, (p, p))


def _transposed(step: Step, kernel: Any, x: Any) -> Any:
    """A transposed convolution as one matrix product of neighbourhoods with the kernel, split into
    the s x s phases of the output (Shi et al. 2016).

    `kernel` is (k, k, outputs, inputs), `x` (n, H, W, inputs).
    """
    layer: Any = step.layer
    kernel_size, s, p, inputs, outputs = layer.kernel, layer.s, layer.p, layer.inputs, layer.outputs
    (_, height, width), (_, high, wide) = step.input, step.output
    if (height, width) == (1, 1):  # of one pixel: a matrix product with the cropped kernel
        kept = ops.reshape(kernel[p : p + high, p : p + wide], (-1, inputs))
        return ops.reshape(
            ops.matmul(ops.reshape(x, (-1, inputs)), ops.transpose(kept)), (-1, high, wide, outputs)
        )
    if s == 1 and p < min(kernel_size):  # a convolution with the kernel rotated by 180 degrees
        rotated = ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2))
        return _convolved(x, rotated, 1, (kernel_size[0] - 1 - p, kernel_size[1] - 1 - p))
    down, along = (-(-k // s) for k in kernel_size)  # input pixels on which an output pixel depends
    x = _padded(x, down - 1, along - 1)
    height, width = height + down - 1, width + along - 1
    near = [  # down * along views (n, height, width, inputs), one per input pixel
        x[:, down - 1 - i :, along - 1 - j :][:, :height, :width] for i in range(down) for j in range(along)
    ]
    fill = ((0, down * s - kernel_size[0]), (0, along * s - kernel_size[1]), (0, 0), (0, 0))
    by_phase = ops.transpose(
        ops.reshape(ops.pad(kernel, fill), (down, s, along, s, outputs, inputs)), (0, 2, 5, 1, 3, 4)
    )
    # by_phase: (down, along, inputs, s, s, outputs)
    columns = down * along * inputs
    pixels = _product(
        ops.reshape(ops.concatenate(near, axis=-1), (-1, columns)),
        ops.reshape(by_phase, (columns, s * s * outputs)),
    )
    # pixels: (n * height * width, s * s * outputs)
    x = ops.transpose(ops.reshape(pixels, (-1, height, width, s, s, outputs)), (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height * s, width * s, outputs))[:, p : p + high, p : p + wide]


def _convolved(x: Any, kernel: Any, s: int, beside: tuple[int, int]) -> Any:
    """With so many rows and columns of zeros on each side."""
    if config.backend() == "jax":
        from .jax_products import convolution

        down, along = beside
        return convolution(x, ops.convert_to_tensor(kernel), s, ((down, down), (along, along)))
    return ops.conv(_padded(x, *beside), kernel, s, "valid", LAST)


def _product(rows: Any, weights: Any) -> Any:
    if config.backend() == "jax":
        from .jax_products import product

        return product(rows, weights)
    return ops.matmul(rows, weights)


def _padded(x: Any, down: int, along: int) -> Any:
    return ops.pad(x, ((0, 0), (down, down), (along, along), (0, 0))) if down or along else x


def windows(x: Any, pooled: tuple[int, ...]) -> Any:
    """The four pixels of each 2 x 2 window, row-major: (n, 2h, 2w, c) to (n, h, w, c, 4)."""
    channels, height, width = pooled
    split = ops.reshape(x, (-1, height, 2, width, 2, channels))
    return ops.reshape(ops.transpose(split, (0, 1, 3, 5, 2, 4)), (-1, height, width, channels, 4))


def spread(x: Any, unpooled: tuple[int, ...]) -> Any:
    """The inverse of `windows`: (n, h, w, c, 4) to (n, 2h, 2w, c)."""
    channels, height, width = unpooled
    split = ops.reshape(x, (-1, height // 2, width // 2, channels, 2, 2))
    return ops.reshape(ops.transpose(split, (0, 1, 4, 2, 5, 3)), (-1, height, width, channels))


def pooling_position(x: Any, pooled: tuple[int, ...]) -> Any:
    """Position of each maximum in its 2 x 2 window, row-major 0..3, the first on a tie."""
    return ops.argmax(windows(x, pooled), axis=-1)
