"""A table as the PyTorch module that its users would write: the yardstick of the benchmarks."""

from typing import Any, assert_never

import torch
from torch import nn

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
    Layer,
    MaxPool,
    MaxUnpool,
    Rescale,
    Unflatten,
)
from ..architecture.stack import Stack
from ..architecture.variant import Variant
from ..export.weights import Weights


class Plain(nn.Module):
    """Encoder and decoder of a variant, from images of shape (n, C, H, W) in [0, 1] to their
    reconstructions.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        encoder, decoder = (
            [("encoder", step) for step in variant.encoder],
            [("decoder", step) for step in variant.decoder],
        )
        end, start = encoder[-1][1], decoder[0][1]
        if (
            isinstance(end.layer, Flatten)
            and isinstance(start.layer, Unflatten)
            and end.input == start.output
        ):
            encoder, decoder = encoder[:-1], decoder[1:]  # nobody would flatten an image only to restore it
        self.rows = encoder + decoder
        self.encoder, self.decoder = _modules(variant.encoder), _modules(variant.decoder)

    def load(self, weights: Weights) -> None:
        """Take over what `weights.read` gives."""
        flat = {
            f"{stack}.{layer}.{name}": torch.from_numpy(array)
            for stack, layers in weights.items()
            for layer, arrays in layers.items()
            for name, array in arrays.items()
        }
        counters = {
            key: value for key, value in self.state_dict().items() if key.endswith("num_batches_tracked")
        }
        self.load_state_dict({**flat, **counters})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        where: dict[str, torch.Tensor] = {}
        for part, step in self.rows:
            modules: Any = getattr(self, part)
            match step.layer:
                case Conv(norm=norm, act=act) | ConvTranspose(norm=norm, act=act) | Dense(norm=norm, act=act):
                    x = modules[step.name](x)
                    x = _activated(modules[f"{step.name}_norm"](x) if norm else x, act)
                case Gaussian():
                    x = modules[step.name](x)  # the mean
                case MaxPool(switch=None):
                    x = nn.functional.max_pool2d(x, 2)
                case MaxPool(switch=switch):
                    x, where[str(switch)] = nn.functional.max_pool2d(x, 2, return_indices=True)
                case MaxUnpool(switch=switch):
                    x = nn.functional.max_unpool2d(x, where[switch], (2, 2))
                case GlobalAveragePool():
                    x = nn.functional.adaptive_avg_pool2d(x, 1)
                case Flatten():
                    x = x.flatten(1)
                case Unflatten():
                    x = x.reshape(-1, *step.output)
                case Rescale(scale=scale, offset=offset):
                    x = x * scale + offset
                case Dropout(rate=rate):
                    drop = nn.functional.dropout if x.ndim == 2 else nn.functional.dropout2d
                    x = drop(x, rate, self.training)
                case Branch(name=name):
                    where[name] = x
                case Add(name=name, act=act):
                    x = _activated(x + where[name], act)
                case _:
                    assert_never(step.layer)
        return x


def _modules(stack: Stack) -> nn.ModuleDict:
    modules = nn.ModuleDict()
    for step in stack:
        layer: Layer = step.layer
        match layer:
            case Conv() | ConvTranspose():
                kind = nn.Conv2d if isinstance(layer, Conv) else nn.ConvTranspose2d
                modules[step.name] = kind(
                    layer.inputs, layer.outputs, layer.kernel, layer.s, layer.p, bias=not layer.norm
                )
                if layer.norm:
                    modules[f"{step.name}_norm"] = nn.BatchNorm2d(
                        layer.outputs, BATCH_NORM_EPSILON, 1 - BATCH_NORM_MOMENTUM
                    )
            case Dense():
                modules[step.name] = nn.Linear(layer.inputs, layer.outputs, bias=not layer.norm)
                if layer.norm:
                    modules[f"{step.name}_norm"] = nn.BatchNorm1d(
                        layer.outputs, BATCH_NORM_EPSILON, 1 - BATCH_NORM_MOMENTUM
                    )
            case Gaussian():
                for name in (step.name, f"{step.name}_log_variance"):
                    modules[name] = nn.Linear(layer.inputs, layer.outputs)
            case (
                MaxPool() | MaxUnpool() | GlobalAveragePool() | Flatten() | Unflatten() | Rescale()
                | Dropout() | Branch() | Add()
            ):  # fmt: skip
                pass  # computed in `forward`: nothing to learn
            case _:
                assert_never(layer)
    return modules


def _activated(x: torch.Tensor, act: Activation | None) -> torch.Tensor:
    match act:
        case "relu":
            return torch.relu(x)
        case "tanh":
            return torch.tanh(x)
        case "sigmoid":
            return torch.sigmoid(x)
        case "silu":
            return nn.functional.silu(x)
        case None:
            return x
        case _:
            assert_never(act)
