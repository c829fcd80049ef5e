"""Convolutions and matrix products of many rows on JAX, with gradients that XLA is fast at on a
processor.
"""

from functools import partial
from math import prod
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp

LARGEST = 2**27  # bytes of neighbourhoods that are kept for a gradient
LAYOUT = ("NHWC", "HWIO", "NHWC")

Padding = tuple[tuple[int, int], tuple[int, int]]  # rows above and below, columns left and right


@jax.custom_vjp  # type: ignore[untyped-decorator]
def product(rows: Any, weights: Any) -> Any:
    """`rows` (n, inputs) times `weights` (inputs, outputs)."""
    return jnp.matmul(rows, weights)


def _product_forward(rows: Any, weights: Any) -> tuple[Any, tuple[Any, Any]]:
    return jnp.matmul(rows, weights), (rows, weights)


def _product_backward(factors: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    rows, weights = factors
    return jnp.matmul(gradient, weights.T), _of_weights(rows, gradient)


def _of_weights(rows: Any, gradient: Any) -> Any:
    """The gradient of the weights, computed as its transpose: of the two ways to write it the one
    that turns the smaller factor takes less than half of the time.
    """
    turned = lax.dot_general(gradient, rows, (((0,), (0,)), ((), ())))
    return lax.optimization_barrier(turned).T  # without which XLA writes it the other way


product.defvjp(_product_forward, _product_backward)


def convolution(images: Any, kernel: Any, stride: int, padding: Padding) -> Any:
    """The convolution of images (n, H, W, inputs), filled up with zeros, with a kernel
    (k, l, inputs, outputs).

    On a processor a training writes out once what the kernel meets at each place (Chellapilla et
    al. 2006). Result and gradient of the kernel are then products of it, where it is not too large.
    """
    down, along = (
        (size + sum(beside) - side) // stride + 1
        for size, beside, side in zip(images.shape[1:3], padding, kernel.shape, strict=False)
    )
    met = len(images) * down * along * prod(kernel.shape[:3]) * images.dtype.itemsize
    if jax.default_backend() != "cpu" or met > LARGEST:
        return _plain(images, kernel, stride, padding)
    return _by_products(images, kernel, stride, padding)


def _plain(images: Any, kernel: Any, stride: int, padding: Padding) -> Any:
    return lax.conv_general_dilated(images, kernel, (stride, stride), padding, dimension_numbers=LAYOUT)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _by_products(images: Any, kernel: Any, stride: int, padding: Padding) -> Any:
    return _plain(images, kernel, stride, padding)


def _forward(images: Any, kernel: Any, stride: int, padding: Padding) -> tuple[Any, tuple[Any, Any, Any]]:
    filled = jnp.pad(images, ((0, 0), *padding, (0, 0)))
    (_, high, wide, _), (down, along, _, outputs) = filled.shape, kernel.shape
    met = jnp.concatenate(
        [
            filled[:, i : high - down + i + 1 : stride, j : wide - along + j + 1 : stride]
            for i in range(down)
            for j in range(along)
        ],
        axis=-1,
    )
    rows = met.reshape(-1, met.shape[-1])
    result = jnp.matmul(rows, kernel.reshape(-1, outputs))
    return result.reshape(*met.shape[:-1], outputs), (images, rows, kernel)


def _backward(stride: int, padding: Padding, factors: tuple[Any, Any, Any], gradient: Any) -> tuple[Any, Any]:
    images, rows, kernel = factors
    of_kernel = _of_weights(rows, gradient.reshape(-1, gradient.shape[-1])).reshape(kernel.shape)
    if stride > 1:
        _, back = jax.vjp(lambda images: _plain(images, kernel, stride, padding), images)
        return back(gradient)[0], of_kernel
    (down, along, _, _), ((above, below), (left, right)) = kernel.shape, padding
    around = (down - 1 - above, down - 1 - below), (along - 1 - left, along - 1 - right)
    turned = jnp.swapaxes(jnp.flip(kernel, (0, 1)), 2, 3)
    return _plain(gradient, turned, 1, around), of_kernel


_by_products.defvjp(_forward, _backward)
