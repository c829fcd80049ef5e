"""Exported graphs of small trained-looking models, and what tests compare of them."""

import hashlib
from functools import cache

import numpy as np

from keras_mnist_ae import build
from keras_mnist_ae.architecture import (
    Recipe,
    Stack,
    Variant,
)
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.export import weights
from keras_mnist_ae.export.onnx.emit import emit

ALL = sorted(VARIANTS)


GRAPHS = ("encoder", "decoder", "autoencoder")


@cache
def trained(variant):
    """A model whose biases and moving statistics are not the zeros and ones of a fresh one."""
    model, generator = build(variant, seed=3), np.random.default_rng(5)
    for weight in model.weights:
        if weight.path.endswith(("bias", "beta", "moving_mean")):
            weight.assign(generator.normal(0, 0.1, weight.shape))
        elif weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(generator.uniform(0.05, 2, weight.shape))
    return model


@cache
def emitted(variant):
    model = trained(variant)
    return emit(model.variant, weights.read(model), {"dataset": "digits"})


def first(array):
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array


def last(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def assert_codes_equal(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * max(1, np.abs(theirs).max()))


def assert_images_equal(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def small(name, encoder, decoder, image):
    """A variant made for one test, whose parameters nobody claims."""
    encoder, decoder = Stack(image, encoder), Stack(encoder[-1][1], decoder)
    return Variant(name, "", encoder, decoder, encoder.parameters + decoder.parameters, Recipe(1, 1, 1.0))


def described(values):
    return {value.name: (value.type.tensor_type.elem_type, dimensions(value)) for value in values}


def dimensions(value):
    return [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]


def digests(models):
    return {
        graph: hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
        for graph, model in models.items()
    }
