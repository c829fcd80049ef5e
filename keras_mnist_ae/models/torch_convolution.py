"""Convolutions and transposed convolutions in the form that PyTorch computes fastest.

Kernels keep the shapes that Keras sees: (k, k, inputs, outputs) for a convolution, (k, k, outputs,
inputs) for a transposed one. Images are (n, C, H, W) in channels-last memory.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..architecture.stack import Step

WIDE = 8  # side of a kernel over a single channel from which the rewrite as a tall kernel pays


def convolution(step: Step, kernel: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The function (n, C, H, W) to (n, outputs, h, w) of a convolution."""
    layer: Any = step.layer
    (k, wide), p, (_, height, width) = layer.kernel, layer.p, step.input
    if step.output[1:] == (1, 1):  # one output pixel: a matrix product with the kernel over the image
        rows, columns = min(height, k - p), min(width, wide - p)

        def product(x: Tensor) -> Tensor:
            visible = kernel.permute(3, 0, 1, 2)[:, p : p + rows, p : p + columns].reshape(layer.outputs, -1)
            return F.linear(x[:, :, :rows, :columns].permute(0, 2, 3, 1).flatten(1), visible, bias)[
                :, :, None, None
            ]

        return product
    if (
        layer.inputs == 1 and k >= WIDE and layer.s == 1 and k == wide
    ):  # rewrite: a row of the window as channels

        def tall(x: Tensor) -> Tensor:
            windows = F.pad(x, (p, p, p, p))[:, 0].unfold(2, k, 1).contiguous().permute(0, 3, 1, 2)
            return F.conv2d(windows, kernel.permute(3, 1, 0, 2).contiguous(), bias)

        return tall
    return lambda x: F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, layer.s, p)


def transposed_convolution(step: Step, kernel: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The function (n, C, H, W) to (n, outputs, h, w) of a transposed convolution."""
    layer: Any = step.layer
    p, (_, height, width) = layer.p, step.output
    if step.input[1:] == (1, 1):  # of one pixel: a matrix product with the cropped kernel

        def product(x: Tensor) -> Tensor:
            cropped = kernel.permute(3, 0, 1, 2)[:, p : p + height, p : p + width]
            x = (x.flatten(1) @ cropped.reshape(layer.inputs, -1)).view(-1, height, width, layer.outputs)
            return (x if bias is None else x + bias).permute(0, 3, 1, 2)

        return product

    def transposed(x: Tensor) -> Tensor:
        if layer.outputs == 1 and layer.s > 1 and not torch.is_autocast_enabled(x.device.type):
            x = Folded.apply(x, kernel, layer.s, p, (height, width))  # type: ignore[no-untyped-call]
        else:
            x = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), None, layer.s, p)
        # apart from the convolution, in which PyTorch sums the gradient of a bias slowly
        return x if bias is None else x.add_(bias[:, None, None])

    return transposed


class Folded(torch.autograd.Function):
    """A transposed convolution to a single channel: the window of each input pixel by a matrix
    product, then the overlapping windows added (col2im).
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


def parameters(stock: Any) -> tuple[Tensor, Tensor | None]:
    """The kernel and bias tensors of a Keras layer, which Keras only changes in place, so that they
    may be kept from step to step.
    """
    return stock.kernel.value, stock.bias.value if stock.use_bias else None


def store_as_computed(kernel: Tensor) -> None:
    """Lay out a kernel in memory as PyTorch's channels-last kernels, so that the permutation to
    PyTorch's shape is a view; the shape that Keras sees stays.
    """
    kernel.data = kernel.data.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
