"""Polyphase (space-to-depth) rewrite of a wide convolution followed by one of stride 2: the same
sums, faster.

onnxruntime computes 16 outputs side by side (AVX-512), so that 8 leave half of each instruction
idle. With stride 2 and a kernel wider by one, the same layer gives its outputs at four neighbouring
pixels as 32 channels, and what takes them finds all it needs in those channels.
"""

from itertools import pairwise

import numpy as np

from ...architecture.layers import Conv
from .lowering import Row

IDLE = 8  # outputs, at most
WIDE = 8  # kernel, at least: of a small one the additional rows would cost what is gained


def by_phases(rows: list[Row]) -> list[Row]:
    """The rows, with each such pair rewritten; there is no row more or less."""
    rows = list(rows)
    for at, (first, second) in enumerate(pairwise(rows)):
        match first.layer, second.layer:
            case Conv(s=1) as wide, Conv(s=2) as strided if wide.outputs <= IDLE and min(wide.kernel) >= WIDE:
                _, *size = first.output
                if all(length % 2 == 0 for length in size):
                    rows[at : at + 2] = _space_to_depth(first, wide), _take_phases(second, strided)
    return rows


def _space_to_depth(row: Row, layer: Conv) -> Row:
    """The outputs at pixels (2i + a, 2j + b) as channels of (i, j), ordered by a, b, output."""
    outputs, inputs, high, wide = row.weight.shape
    weight = np.zeros((2, 2, outputs, inputs, high + 1, wide + 1))
    for a in range(2):
        for b in range(2):
            weight[a, b, :, :, a : a + high, b : b + wide] = row.weight
    channels, (_, height, width) = 4 * outputs, row.output
    return row._replace(
        layer=Conv(inputs, channels, k=(high + 1, wide + 1), s=2, p=layer.p),
        output=(channels, height // 2, width // 2),
        weight=weight.reshape(channels, inputs, high + 1, wide + 1),
        bias=np.tile(row.bias, 4),
    )


def _take_phases(row: Row, layer: Conv) -> Row:
    """Pixel 2i + v - p is pixel i + (v - p) // 2 of phase (v - p) % 2."""
    outputs, inputs, high, wide = row.weight.shape
    reach = [(-layer.p // 2, (size - 1 - layer.p) // 2) for size in (high, wide)]
    kernel = (reach[0][1] - reach[0][0] + 1, reach[1][1] - reach[1][0] + 1)
    weight = np.zeros((outputs, 2, 2, inputs, *kernel))
    for v in range(high):
        for u in range(wide):
            (down, a), (along, b) = divmod(v - layer.p, 2), divmod(u - layer.p, 2)
            weight[:, a, b, :, down - reach[0][0], along - reach[1][0]] = row.weight[:, :, v, u]
    (_, height, width), (_, out_height, out_width) = row.input, row.output
    before = [-start for start, _ in reach]
    after = [
        result - 1 + size - length // 2 - first
        for result, size, length, first in zip(
            (out_height, out_width), kernel, (height, width), before, strict=True
        )
    ]
    channels = 4 * inputs
    return row._replace(
        layer=Conv(channels, outputs, k=kernel),
        input=(channels, height // 2, width // 2),
        weight=weight.reshape(outputs, channels, *kernel),
        pads=(*before, *after),
    )
