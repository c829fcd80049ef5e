"""Batch normalisation and activations as PyTorch functions."""

from collections.abc import Callable
from typing import Any, assert_never

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..architecture.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Activation
from ..system.group import Group
from .torch_joint_normalisation import JointlyNormalised


def activation(act: Activation | None) -> Callable[[Tensor, bool], Tensor]:
    """The activation, in place where possible: no gradient needs the outputs of a convolution,
    normalisation or sum. On a view, in-place operations would copy the gradient back and forth.
    """
    match act:
        case "relu":
            return lambda x, training: torch.relu(x) if x._is_view() else torch.relu_(x)
        case "tanh":
            return lambda x, training: torch.tanh(x) if x._is_view() else torch.tanh_(x)
        case "sigmoid":
            return lambda x, training: torch.sigmoid(x) if x._is_view() else torch.sigmoid_(x)
        case "silu":  # its gradient needs its input
            return lambda x, training: F.silu(x)
        case None:
            return lambda x, training: x
        case _:
            assert_never(act)


def normalisation(
    stock: Any, act: Activation | None, group: Group | None = None
) -> Callable[[Tensor, bool], Tensor]:
    """Batch normalisation, then the activation. The moving variance averages the biased variance of
    the batches, as in Keras; PyTorch's takes n / (n - 1) of it. With a group the statistics are
    those of the batch of all its processes.
    """
    activate = activation(act)
    mean, variance = stock.moving_mean.value, stock.moving_variance.value
    scale, offset = stock.gamma.value, stock.beta.value

    def normalise(x: Tensor, training: bool) -> Tensor:
        if not (training and stock.trainable):
            return activate(
                F.batch_norm(x, mean, variance, scale, offset, False, 0.0, BATCH_NORM_EPSILON), training
            )
        if group is None:
            x, of_batch, spread = Normalised.apply(x, scale, offset)  # type: ignore[no-untyped-call]
        else:
            x, of_batch, spread = JointlyNormalised.apply(x, scale, offset, group)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            mean.lerp_(of_batch, 1 - BATCH_NORM_MOMENTUM)
            variance.lerp_(spread, 1 - BATCH_NORM_MOMENTUM)
        return activate(x, training)

    return normalise


class Normalised(torch.autograd.Function):
    """A batch normalised by its own mean and variance, and those two. PyTorch's sums over
    channels-last memory are off by 1e-4; these are exact to rounding and take no longer.
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
