"""The rows of a table as PyTorch functions on the variables of a Keras model."""

from collections.abc import Callable
from typing import Any, assert_never

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

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
from ..system.group import Group
from .torch_convolution import convolution, parameters, store_as_computed, transposed_convolution
from .torch_normalisation import activation, normalisation


class Forward:
    """The rows of an autoencoder on tensors: images (n, H, W, C) to reconstructions of the same
    shape. With a group these are its process' part of a batch.
    """

    def __init__(self, model: Any, group: Group | None = None) -> None:
        self._encoder = rows(model.variant.encoder, model.encoder, group)
        self._decoder = rows(model.variant.decoder, model.decoder, group)

    def __call__(self, images: Tensor, training: bool) -> Tensor:
        saved = dict[str, Tensor]()
        return self.decode(self.encode(images, saved, training), saved, training)

    def encode(self, images: Tensor, saved: dict[str, Tensor], training: bool) -> Tensor:
        """Codes (n, d) of images (n, H, W, C).

        `saved` receives by name what later rows or the loss need: pooling positions, residual
        branches, and the "log_variance" of a variational encoder.
        """
        x = images.permute(0, 3, 1, 2)
        for row in self._encoder:
            x = row(x, saved, training)
        return x

    def decode(self, codes: Tensor, saved: dict[str, Tensor], training: bool) -> Tensor:
        for row in self._decoder:
            codes = row(codes, saved, training)
        return codes.permute(0, 2, 3, 1)


Row = Callable[[Tensor, dict[str, Tensor], bool], Tensor]


def rows(stack: Stack, part: Any, group: Group | None = None) -> list[Row]:
    rows = [_row(step, part, group) for step in stack]
    rows[stack.last] = _exact(rows[stack.last])
    return rows


def _exact(row: Row) -> Row:
    """The row in float32, also within autocast."""

    def exact(x: Tensor, saved: dict[str, Tensor], training: bool) -> Tensor:
        if not torch.is_autocast_enabled(x.device.type):
            return row(x, saved, training)
        with torch.autocast(x.device.type, enabled=False):
            return row(x.float(), saved, training)

    return exact


def _row(step: Step, part: Any, group: Group | None) -> Row:
    """A row as a function of a tensor (n, C, H, W) or (n, d), the tensors saved by earlier rows,
    and whether it is training.
    """
    layer = step.layer
    match layer:
        case Conv(norm=norm, act=act) | ConvTranspose(norm=norm, act=act):
            kernel, bias = parameters(part.get_layer(step.name))
            store_as_computed(kernel)
            convolve = (convolution if isinstance(layer, Conv) else transposed_convolution)(
                step, kernel, bias
            )
            finish = _finish(step, part, norm, act, group)
            return lambda x, saved, training: finish(convolve(x), training)
        case Dense(norm=norm, act=act):
            kernel, bias = parameters(part.get_layer(step.name))
            finish = _finish(step, part, norm, act, group)
            return lambda x, saved, training: finish(F.linear(x, kernel.T, bias), training)
        case Gaussian():
            (kernel, bias), (deviation, offset) = (
                parameters(part.get_layer(step.name + end)) for end in ("", "_log_variance")
            )

            def gaussian(x: Tensor, saved: dict[str, Tensor], training: bool) -> Tensor:
                saved["log_variance"] = F.linear(x, deviation.T, offset)
                return F.linear(x, kernel.T, bias)

            return gaussian
        case MaxPool(switch=None):
            return lambda x, saved, training: F.max_pool2d(x, 2)
        case MaxPool(switch=switch):

            def pool(x: Tensor, saved: dict[str, Tensor], training: bool) -> Tensor:
                x, saved[str(switch)] = F.max_pool2d(x, 2, return_indices=True)
                return x

            return pool
        case MaxUnpool(switch=switch):
            return lambda x, saved, training: F.max_unpool2d(
                _channels_last_gradient(x), saved[switch], (2, 2)
            )
        case GlobalAveragePool():
            return lambda x, saved, training: x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)[:, :, None, None]
        case Flatten():
            return lambda x, saved, training: _channels_last_gradient(x).flatten(1)
        case Unflatten():
            return lambda x, saved, training: x.reshape(-1, *step.output).contiguous(
                memory_format=torch.channels_last
            )
        case Rescale(scale=scale, offset=offset):
            return lambda x, saved, training: x * scale + offset
        case Dropout():
            if part.weights[0].value.device.type == "cuda":  # whose generator a recorded step moves on
                away = F.dropout if len(step.input) == 1 else F.dropout2d
                return _whole(lambda x, saved, training: away(x, layer.rate, training), group)
            drop = part.get_layer(
                step.name
            )  # Keras' own: its masks follow from a seed, and its state is saved with the model
            if len(step.input) == 1:
                return _whole(lambda x, saved, training: drop(x, training=training), group)
            return _whole(
                lambda x, saved, training: drop(x.permute(0, 2, 3, 1), training=training).permute(0, 3, 1, 2),
                group,
            )
        case Branch(name=name):

            def branch(x: Tensor, saved: dict[str, Tensor], training: bool) -> Tensor:
                saved[name] = x
                return x

            return branch
        case Add(name=name, act=act):
            activate = activation(act)
            return lambda x, saved, training: activate(x + saved[name], training)
        case _:
            assert_never(layer)


def _finish(step: Step, part: Any, norm: bool, act: Any, group: Group | None) -> Any:
    """What follows a row's product: normalisation where the row has it, and the activation."""
    return normalisation(part.get_layer(f"{step.name}_norm"), act, group) if norm else activation(act)


def _whole(drop: Row, group: Group | None) -> Row:
    """The row of a dropout. In a group its masks are drawn for the whole batch, as one process
    draws them, and a part of them is used.
    """
    if group is None:
        return drop
    share = group.share

    def part(x: Tensor, saved: dict[str, Tensor], training: bool) -> Tensor:
        if not training:
            return x
        ones = x.new_ones((share.images, *x.shape[1:]))
        return x * drop(ones, saved, training)[share.begin : share.begin + len(x)]

    return part


def _channels_last_gradient(x: Tensor) -> Tensor:
    """The tensor with a hook that keeps its gradient in channels-last memory: operations on tensors
    in two memory orders take forty times as long.
    """
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))  # type: ignore[no-untyped-call]
    return x
