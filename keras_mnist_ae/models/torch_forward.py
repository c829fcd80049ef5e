"""The rows of a table as PyTorch functions on the variables of a Keras model."""

from collections.abc import Callable
from typing import Any, assert_never

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

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
from ..architecture.variant import Stack, Step

WIDE = 8  # kernels over a single channel that are computed as tall ones over several


class Forward:
    """The rows of an autoencoder on tensors: images (n, H, W, C) to reconstructions of the same
    shape.
    """

    def __init__(self, model: Any) -> None:
        self._encoder = rows(model.variant.encoder, model.encoder)
        self._decoder = rows(model.variant.decoder, model.decoder)

    def __call__(self, images: Tensor, training: bool) -> Tensor:
        places = dict[str, Tensor]()
        return self.decode(self.encode(images, places, training), places, training)

    def encode(self, images: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
        """The codes; what goes beside them is put into `places`, the logarithm of a variance as
        "log_variance".
        """
        x = images.permute(0, 3, 1, 2)
        for row in self._encoder:
            x = row(x, places, training)
        return x

    def decode(self, codes: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
        for row in self._decoder:
            codes = row(codes, places, training)
        return codes.permute(0, 2, 3, 1)


Row = Callable[[Tensor, dict[str, Tensor], bool], Tensor]


def rows(stack: Stack, part: Any) -> list[Row]:
    rows = [_row(step, part) for step in stack]
    rows[stack.last] = _exact(rows[stack.last])
    return rows


def _exact(row: Row) -> Row:
    """The row in float32, whatever the others are computed in."""

    def exact(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
        if not torch.is_autocast_enabled(x.device.type):
            return row(x, places, training)
        with torch.autocast(x.device.type, enabled=False):
            return row(x.float(), places, training)

    return exact


def _row(step: Step, part: Any) -> Row:
    """A row as a function: of a tensor (n, C, H, W) or (n, d), the places of the maxima by switch,
    and whether it is training.
    """
    layer = step.layer
    match layer:
        case Conv(norm=norm, act=act) | ConvTranspose(norm=norm, act=act):
            kernel, bias = parameters(part.get_layer(step.name))
            store_as_computed(kernel)
            convolve = (_convolution if isinstance(layer, Conv) else _transposed)(step, kernel, bias)
            finish = _normalise(part.get_layer(f"{step.name}_norm"), act) if norm else _activate(act)
            return lambda x, places, training: finish(convolve(x), training)
        case Dense(norm=norm, act=act):
            kernel, bias = parameters(part.get_layer(step.name))
            finish = _normalise(part.get_layer(f"{step.name}_norm"), act) if norm else _activate(act)
            return lambda x, places, training: finish(F.linear(x, kernel.T, bias), training)
        case Gaussian():
            (kernel, bias), (deviation, offset) = (
                parameters(part.get_layer(step.name + end)) for end in ("", "_log_variance")
            )

            def gaussian(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
                places["log_variance"] = F.linear(x, deviation.T, offset)
                return F.linear(x, kernel.T, bias)

            return gaussian
        case MaxPool(switch=None):
            return lambda x, places, training: F.max_pool2d(x, 2)
        case MaxPool(switch=switch):

            def pool(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
                x, places[str(switch)] = F.max_pool2d(x, 2, return_indices=True)
                return x

            return pool
        case MaxUnpool(switch=switch):
            return lambda x, places, training: F.max_unpool2d(_laid_out(x), places[switch], (2, 2))
        case GlobalAveragePool():
            return lambda x, places, training: x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)[:, :, None, None]
        case Flatten():
            return lambda x, places, training: _laid_out(x).flatten(1)
        case Unflatten():
            return lambda x, places, training: x.reshape(-1, *step.output).contiguous(
                memory_format=torch.channels_last
            )
        case Rescale(scale=scale, offset=offset):
            return lambda x, places, training: x * scale + offset
        case Dropout():
            if part.weights[0].value.device.type == "cuda":  # whose generator a recorded step moves on
                away = F.dropout if len(step.input) == 1 else F.dropout2d
                return lambda x, places, training: away(x, layer.rate, training)
            drop = part.get_layer(
                step.name
            )  # Keras' own: its masks follow from a seed, and its state is saved with the model
            if len(step.input) == 1:
                return lambda x, places, training: drop(x, training=training)
            return lambda x, places, training: drop(x.permute(0, 2, 3, 1), training=training).permute(
                0, 3, 1, 2
            )
        case Branch(name=name):

            def branch(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
                places[name] = x
                return x

            return branch
        case Add(name=name, act=act):
            activate = _activate(act)
            return lambda x, places, training: activate(x + places[name], training)
        case _:
            assert_never(layer)


def _convolution(step: Step, kernel: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """A convolution, in the form that PyTorch computes fastest. Kernels have the shape (k, k,
    inputs, outputs).
    """
    layer: Any = step.layer
    (k, wide), p, (_, height, width) = layer.kernel, layer.p, step.input
    if step.output[1:] == (1, 1):  # a matrix product with what the kernel has over the image
        rows, columns = min(height, k - p), min(width, wide - p)

        def product(x: Tensor) -> Tensor:
            seen = kernel.permute(3, 0, 1, 2)[:, p : p + rows, p : p + columns].reshape(layer.outputs, -1)
            return F.linear(x[:, :, :rows, :columns].permute(0, 2, 3, 1).flatten(1), seen, bias)[
                :, :, None, None
            ]

        return product
    if (
        layer.inputs == 1 and k >= WIDE and layer.s == 1 and k == wide
    ):  # a row of the window becomes the channels

        def tall(x: Tensor) -> Tensor:
            windows = F.pad(x, (p, p, p, p))[:, 0].unfold(2, k, 1).contiguous().permute(0, 3, 1, 2)
            return F.conv2d(windows, kernel.permute(3, 1, 0, 2).contiguous(), bias)

        return tall
    return lambda x: F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, layer.s, p)


def _transposed(step: Step, kernel: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The same for a transposed convolution; its kernels have the shape (k, k, outputs, inputs)."""
    layer: Any = step.layer
    p, (_, height, width) = layer.p, step.output
    if step.input[1:] == (1, 1):  # a matrix product, with what the cropping leaves of the kernel

        def product(x: Tensor) -> Tensor:
            kept = kernel.permute(3, 0, 1, 2)[:, p : p + height, p : p + width]
            x = (x.flatten(1) @ kept.reshape(layer.inputs, -1)).view(-1, height, width, layer.outputs)
            return (x if bias is None else x + bias).permute(0, 3, 1, 2)

        return product

    def transposed(x: Tensor) -> Tensor:
        if layer.outputs == 1 and layer.s > 1 and not torch.is_autocast_enabled(x.device.type):
            x = Folded.apply(x, kernel, layer.s, p, (height, width))  # type: ignore[no-untyped-call]
        else:
            x = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), None, layer.s, p)
        return (
            x if bias is None else x.add_(bias[:, None, None])
        )  # PyTorch's own sum for the gradient of a bias is slow

    return transposed


class Folded(torch.autograd.Function):
    """A transposed convolution to a single channel: each pixel's window by a matrix product, then
    the windows added up.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: int, size: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.how = ([stride, stride], [padding, padding], [1, 1], True, [0, 0], 1)
        windows = kernel.reshape(-1, kernel.shape[3]) @ x.flatten(2)
        return F.fold(windows, size, kernel.shape[:2], padding=padding, stride=stride)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, kernel = ctx.saved_tensors
        of_x, of_kernel, _ = torch.ops.aten.convolution_backward(
            gradient, x, kernel.permute(3, 2, 0, 1), None, *ctx.how, [True, True, False]
        )
        return of_x, of_kernel.permute(2, 3, 1, 0), None, None, None


def _activate(act: Activation | None) -> Callable[[Tensor, bool], Tensor]:
    """Where it can be in place: what a convolution, normalisation or sum gives, none of them needs
    again for its gradient. Of a view, the gradient would be copied back and forth.
    """
    match act:
        case "relu":
            return lambda x, training: torch.relu(x) if x._is_view() else torch.relu_(x)
        case "tanh":
            return lambda x, training: torch.tanh(x) if x._is_view() else torch.tanh_(x)
        case "sigmoid":
            return lambda x, training: torch.sigmoid(x) if x._is_view() else torch.sigmoid_(x)
        case "silu":  # which needs its input
            return lambda x, training: F.silu(x)
        case None:
            return lambda x, training: x
        case _:
            assert_never(act)


def _normalise(stock: Any, act: Activation | None) -> Callable[[Tensor, bool], Tensor]:
    """Batch normalisation, then the activation. What moves the variance is the batch's, as in
    Keras; PyTorch takes n / (n - 1) of it.
    """
    activate = _activate(act)
    mean, variance = stock.moving_mean.value, stock.moving_variance.value
    scale, offset = stock.gamma.value, stock.beta.value

    def normalisation(x: Tensor, training: bool) -> Tensor:
        if not (training and stock.trainable):
            return activate(
                F.batch_norm(x, mean, variance, scale, offset, False, 0.0, BATCH_NORM_EPSILON), training
            )
        x, of_batch, spread = Normalised.apply(x, scale, offset)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            mean.lerp_(of_batch, 1 - BATCH_NORM_MOMENTUM)
            variance.lerp_(spread, 1 - BATCH_NORM_MOMENTUM)
        return activate(x, training)

    return normalisation


class Normalised(torch.autograd.Function):
    """A batch normalised by its own mean and variance, and these. PyTorch's own sums over
    channels-last memory are 1e-4 off; these take no longer.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = x if x.dim() == 2 else x.permute(0, 2, 3, 1).flatten(0, 2)
        mean = rows.mean(0, dtype=scale.dtype)
        variance = (rows - mean).square_().mean(0)
        ctx.save_for_backward(x, scale, mean, (variance + BATCH_NORM_EPSILON).rsqrt())
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, scale, offset, False, 0.0, BATCH_NORM_EPSILON), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        x, scale, mean, inverse_deviation = ctx.saved_tensors
        return torch.ops.aten.native_batch_norm_backward(
            gradient,
            x,
            scale,
            None,
            None,
            mean,
            inverse_deviation,
            True,
            BATCH_NORM_EPSILON,
            [True, True, True],
        )


def _laid_out(x: Tensor) -> Tensor:
    """With a gradient in channels-last memory, whatever order the row that takes it works in:
    operations on tensors of two orders, such as the gradient of the activation before it, take
    forty times as long.
    """
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))  # type: ignore[no-untyped-call]
    return x


def parameters(stock: Any) -> tuple[Tensor, Tensor | None]:
    """The kernel and bias of a Keras layer, which is changed in place only: they need not be asked
    for at each step.
    """
    return stock.kernel.value, stock.bias.value if stock.use_bias else None


def store_as_computed(kernel: Tensor) -> None:
    """Keep the shape (k, k, inputs, outputs) that Keras sees, in the memory of PyTorch's
    channels-last kernel, which becomes a view.
    """
    kernel.data = kernel.data.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
