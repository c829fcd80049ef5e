"""A table computed in float64 with numpy alone: what exact arithmetic gives, whatever Keras and
onnxruntime round.
"""

from typing import Any, assert_never

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..architecture import layers
from ..architecture.layers import BATCH_NORM_EPSILON, Activation
from ..architecture.stack import Stack
from ..architecture.variant import Variant
from .weights import Array, Weights

Double = NDArray[np.float64]
Saved = dict[str, Any]


def encode(variant: Variant, weights: Weights, images: NDArray[Any]) -> tuple[Double, Saved]:
    """Codes (n, d) of images (n, H, W, C) in [0, 1], and by name the pooling switches (n, h, w, c)
    and the "log_variance" (n, d) that the encoder gives beside them.
    """
    saved: Saved = {}
    x = np.asarray(images, np.float64).transpose(0, 3, 1, 2)
    return _run(variant.encoder, weights["encoder"], x, saved), {
        name: value.transpose(0, 2, 3, 1) if value.ndim == 4 else value for name, value in saved.items()
    }


def decode(
    variant: Variant, weights: Weights, codes: NDArray[Any], switches: dict[str, NDArray[Any]]
) -> Double:
    """Images (n, H, W, C) of codes (n, d) and pooling switches (n, h, w, c) by name."""
    saved = {name: switch.transpose(0, 3, 1, 2) for name, switch in switches.items()}
    x = _run(variant.decoder, weights["decoder"], np.asarray(codes, np.float64), saved)
    return x.transpose(0, 2, 3, 1)


def _run(stack: Stack, weights: dict[str, dict[str, Array]], x: Double, saved: Saved) -> Double:
    branches: dict[str, Double] = {}
    for name, layer, _, output in stack:
        match layer:
            case layers.Conv():
                x = _convolution(x, layer, weights[name]["weight"])
                x = _finish(x, name, weights, layer.act)
            case layers.ConvTranspose():
                x = _transposed(x, layer, weights[name]["weight"], output)
                x = _finish(x, name, weights, layer.act)
            case layers.Dense():
                x = _finish(x @ weights[name]["weight"].astype(np.float64).T, name, weights, layer.act)
            case layers.Gaussian():
                scale = weights[f"{name}_log_variance"]
                saved["log_variance"] = x @ scale["weight"].astype(np.float64).T + scale["bias"]
                x = x @ weights[name]["weight"].astype(np.float64).T + weights[name]["bias"]
            case layers.MaxPool():
                windows = _windows(x, output)
                if layer.switch:
                    saved[layer.switch] = windows.argmax(axis=-1)
                x = windows.max(axis=-1)
            case layers.MaxUnpool():
                here = saved[layer.switch][..., np.newaxis] == np.arange(4)
                n, channels, height, width = x.shape
                spread = np.where(here, x[..., np.newaxis], 0.0)
                pixels = spread.reshape(n, channels, height, width, 2, 2).transpose(0, 1, 2, 4, 3, 5)
                x = pixels.reshape(-1, *output)
            case layers.GlobalAveragePool():
                x = x.mean(axis=(2, 3), keepdims=True)
            case layers.Flatten() | layers.Unflatten():
                x = x.reshape(-1, *output)
            case layers.Rescale():
                x = x * layer.scale + layer.offset
            case layers.Dropout():
                pass
            case layers.Branch():
                branches[layer.name] = x
            case layers.Add():
                x = _activate(x + branches[layer.name], layer.act)
            case _:
                assert_never(layer)
    return x


def _convolution(x: Double, layer: layers.Conv, weight: Array) -> Double:
    """(n, inputs, H, W) to (n, outputs, h, w); `weight` is (outputs, inputs, k, k)."""
    padded = np.pad(x, ((0, 0), (0, 0), (layer.p, layer.p), (layer.p, layer.p)))
    windows = sliding_window_view(padded, layer.kernel, axis=(2, 3))[:, :, :: layer.s, :: layer.s]
    products = np.tensordot(windows, weight.astype(np.float64), axes=((1, 4, 5), (1, 2, 3)))
    outputs: Double = products.transpose(0, 3, 1, 2)
    return outputs


def _transposed(x: Double, layer: layers.ConvTranspose, weight: Array, output: tuple[int, ...]) -> Double:
    """(n, inputs, h, w) to (n, outputs, H, W); `weight` is (inputs, outputs, k, k)."""
    n, _, height, width = x.shape
    outputs, high, wide = output
    s, p = layer.s, layer.p
    full = np.zeros((n, outputs, high + 2 * p, wide + 2 * p))
    for i in range(layer.kernel[0]):
        for j in range(layer.kernel[1]):
            product = np.einsum("nchw,co->nohw", x, weight[:, :, i, j].astype(np.float64))
            full[:, :, i : i + height * s : s, j : j + width * s : s] += product
    return full[:, :, p : p + high, p : p + wide]


def _windows(x: Double, pooled: tuple[int, ...]) -> Double:
    """The pixels of each 2 x 2 window, row-major: (n, c, 2h, 2w) to (n, c, h, w, 4)."""
    channels, height, width = pooled
    split = x[:, :, : 2 * height, : 2 * width].reshape(-1, channels, height, 2, width, 2)
    return split.transpose(0, 1, 2, 4, 3, 5).reshape(-1, channels, height, width, 4)


def _finish(x: Double, name: str, weights: dict[str, dict[str, Array]], act: Activation | None) -> Double:
    """Bias or batch normalisation, then the activation."""
    axes = (1, -1) + (1,) * (x.ndim - 2)
    if norm := weights.get(f"{name}_norm"):
        mean, variance, scale, offset = (
            norm[key].astype(np.float64).reshape(axes)
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) * scale + offset
    else:
        x = x + weights[name]["bias"].astype(np.float64).reshape(axes)
    return _activate(x, act)


def _activate(x: Double, act: Activation | None) -> Double:
    half: Double = 0.5 * (1 + np.tanh(0.5 * x))  # sigmoid(x) without overflow
    match act:
        case "relu":
            positive: Double = np.maximum(x, 0.0)
            return positive
        case "tanh":
            return np.tanh(x)
        case "sigmoid":
            return half
        case "silu":
            return x * half
        case None:
            return x
        case _:
            assert_never(act)
