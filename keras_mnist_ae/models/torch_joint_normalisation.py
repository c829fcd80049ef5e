"""Batch normalisation over the parts of a batch that several processes hold.

Each process gives the mean and the summed squared deviations of its part; from those of all follow
the statistics of the batch, as exactly as in one pass over it (Chan, Golub and LeVeque 1983,
"Algorithms for computing the sample variance"). The gradient needs two sums over the batch, of the
gradient and of its product with the normalised images (Ioffe and Szegedy 2015, "Batch
normalization"): one more exchange. PyTorch's own, `SyncBatchNorm`, works on GPUs only.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..architecture.layers import BATCH_NORM_EPSILON
from ..system.group import Group


class JointlyNormalised(torch.autograd.Function):
    """A part of a batch, (n, C, H, W) or (n, C), normalised by mean and variance of the whole
    batch, and those two. The gradient that comes back must be that of the loss of the whole batch;
    those of scale and offset are this part's, which the step adds up with all others.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, offset: Tensor, group: Group
    ) -> tuple[Tensor, Tensor, Tensor]:
        share = group.share
        rows = x if x.dim() == 2 else x.permute(0, 2, 3, 1).flatten(0, 2)
        parts = scale.new_zeros(share.size, 2, len(scale))  # means, and sums of squared deviations
        if share.count:
            parts[share.rank, 0] = rows.mean(0, dtype=scale.dtype)
            parts[share.rank, 1] = (rows - parts[share.rank, 0]).square_().sum(0)
        group.total(parts)
        means, deviations = parts.unbind(1)
        pixels = len(rows) // max(share.count, 1)  # of an image, in all its codes (--importance)
        counts = scale.new_tensor([count * pixels for count in share.counts])[:, None]
        mean = (counts * means).sum(0) / counts.sum()
        variance = (deviations + counts * (means - mean).square()).sum(0) / counts.sum()
        ctx.group, ctx.count, ctx.rows = group, share.count, share.images * pixels
        ctx.save_for_backward(x, scale, mean, (variance + BATCH_NORM_EPSILON).rsqrt())
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, scale, offset, False, 0.0, BATCH_NORM_EPSILON), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        x, scale, mean, inverse_deviation = ctx.saved_tensors
        _, of_scale, of_offset = torch.ops.aten.native_batch_norm_backward(
            gradient, x, scale, None, None, mean, inverse_deviation, True, BATCH_NORM_EPSILON,
            [False, True, True],
        )  # fmt: skip
        sums = torch.stack((of_scale, of_offset))
        ctx.group.total(sums)
        # the gradient is k (g - mean of g - normalised x times the mean of g times it): an affine
        # function of x, which the normalisation computes in one pass, and k g
        factor = scale * inverse_deviation
        steepness, shift = -factor * inverse_deviation * sums[0] / ctx.rows, -factor * sums[1] / ctx.rows
        one = torch.full_like(mean, 1 - BATCH_NORM_EPSILON)
        of_x = F.batch_norm(x, mean, one, steepness, shift, False, 0.0, BATCH_NORM_EPSILON)
        shape = (1, -1) if x.dim() == 2 else (1, -1, 1, 1)
        of_x = of_x.addcmul_(gradient, factor.view(shape).to(of_x.dtype))
        if not ctx.count:  # an image that others hold
            of_x.zero_()
        return of_x, of_scale, of_offset, None
