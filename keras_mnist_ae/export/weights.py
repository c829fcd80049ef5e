"""Trained weights as plain arrays under PyTorch's names and in its layouts: the one bridge from
channels-last models to the tables.
"""

import hashlib
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
from numpy.typing import NDArray

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
from ..architecture.stack import Stack

if TYPE_CHECKING:
    from ..models.autoencoder import Autoencoder

Array = NDArray[np.float32]
Weights = dict[str, dict[str, dict[str, Array]]]


def read(model: "Autoencoder") -> Weights:
    """The weights of a model, as stack -> layer -> name -> float32 array.

    Stacks are "encoder" and "decoder", layers are the names of the table's steps. Each holds
    `weight` and, unless normalised, `bias` of shape (outputs,): the weight of a convolution is
    (outputs, inputs, k, k), of a transposed one (inputs, outputs, k, k), of a dense layer (outputs,
    inputs). A `Gaussian` is two dense layers, the second one named `gaussian1_log_variance`. Batch
    normalisation stands beside its layer, as `conv1_norm`, with `weight`, `bias`, `running_mean`
    and `running_var`, each (outputs,). Joined by dots these are the keys of a PyTorch state dict:
    `encoder.conv1_norm.running_var`.
    """
    variant = model.variant
    return {
        "encoder": _stack(variant.encoder, model.encoder),
        "decoder": _stack(variant.decoder, model.decoder),
    }


def fingerprint(weights: Weights) -> str:
    """SHA-256, in hexadecimal, of names, shapes and values in the order of the names: the same from
    every backend and machine.
    """
    digest = hashlib.sha256()
    for stack, layers in sorted(weights.items()):
        for layer, arrays in sorted(layers.items()):
            for name, array in sorted(arrays.items()):
                digest.update(f"{stack}.{layer}.{name} {array.shape}\n".encode())
                digest.update(array.astype("<f4").tobytes())
    return digest.hexdigest()


def _stack(stack: Stack, model: Any) -> dict[str, dict[str, Array]]:
    found = {}
    for step in stack:
        match step.layer:
            case Conv(norm=norm) | ConvTranspose(norm=norm):
                # Keras has (k, k, inputs, outputs) for a convolution and (k, k, outputs, inputs)
                # for a transposed one. Both frameworks correlate and neither turns the kernel.
                # The same permutation serves both.
                kernel, *bias = _arrays(model, step.name)
                found[step.name] = _named(("weight", "bias"), (kernel.transpose(3, 2, 0, 1), *bias))
                if norm:
                    found[f"{step.name}_norm"] = _norm(model, step.name)
            case Dense(norm=norm):
                kernel, *bias = _arrays(model, step.name)
                found[step.name] = _named(("weight", "bias"), (kernel.T, *bias))
                if norm:
                    found[f"{step.name}_norm"] = _norm(model, step.name)
            case Gaussian():
                for name in (step.name, f"{step.name}_log_variance"):
                    kernel, bias = _arrays(model, name)
                    found[name] = _named(("weight", "bias"), (kernel.T, bias))
            case (
                MaxPool()
                | MaxUnpool()
                | GlobalAveragePool()
                | Flatten()
                | Unflatten()
                | Rescale()
                | Dropout()
                | Branch()
                | Add()
            ):
                pass
            case _:
                assert_never(step.layer)
    return found


def _norm(model: Any, layer: str) -> dict[str, Array]:
    return _named(("weight", "bias", "running_mean", "running_var"), _arrays(model, f"{layer}_norm"))


def _arrays(model: Any, layer: str) -> Any:
    return model.get_layer(layer).get_weights()


def _named(names: tuple[str, ...], arrays: Any) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array, np.float32) for name, array in zip(names, arrays, strict=False)}
