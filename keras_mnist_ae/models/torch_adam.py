"""Keras' Adam on torch in a few PyTorch calls on Keras' own moments: a fused update for CPUs, and
one that a CUDA graph can record.
"""

from collections.abc import Callable
from typing import Any

import keras
import torch
from keras.src.backend.torch.optimizers import torch_adam
from torch import Tensor

Update = Callable[[list[Tensor], list[Any], Any], None]
"""A replacement of an optimizer's `_parallel_update_step`: (gradients, variables, learning rate).
"""


def is_stock(optimizer: Any) -> bool:
    """Whether the optimizer updates as Keras' Adam does."""
    stock = getattr(type(optimizer), "_parallel_update_step", None) is torch_adam.Adam._parallel_update_step
    return stock and not optimizer.amsgrad


def is_bare(optimizer: Any) -> bool:
    """Whether the optimizer does only Adam, beside averages: no clipping, accumulation, decay."""
    return not any(
        (
            optimizer.clipnorm,
            optimizer.clipvalue,
            optimizer.global_clipnorm,
            optimizer.use_ema and optimizer.ema_overwrite_frequency,
            optimizer.gradient_accumulation_steps,
            optimizer.loss_scale_factor,
            optimizer.weight_decay,
        )
    )


def fused(optimizer: Any) -> Update:
    """PyTorch's fused update, for CPUs.

    PyTorch adds epsilon after the bias correction of the second moment, Keras before it: Keras'
    epsilon is divided by that correction. PyTorch corrects in float64, Keras in the dtype of the
    weights, which differs by 1e-5 in float32: the learning rate makes up for that.
    """
    counter = torch.tensor(0.0)
    known: dict[tuple[int, ...], Any] = {}

    def stored(variables: list[Any]) -> Any:
        """Parameters, the orders of their dimensions in memory, and in these parameters and
        moments: others would be copied.
        """
        parameters, first, second = _tensors(optimizer, variables)
        for moment, parameter in zip(first + second, parameters * 2, strict=True):
            moment.data = _stored_like(parameter, moment)
        orders = [
            sorted(range(parameter.dim()), key=parameter.stride, reverse=True) for parameter in parameters
        ]
        return (
            parameters,
            orders,
            *(list(map(Tensor.permute, tensors, orders)) for tensors in (parameters, first, second)),
        )

    def update(gradients: list[Tensor], variables: list[Any], learning_rate: Any) -> None:
        key = tuple(map(id, variables))
        if key not in known:
            known[key] = stored(variables)
        parameters, orders, contiguous, first, second = known[key]
        step = int(keras.ops.convert_to_tensor(optimizer.iterations)) + 1
        first_correction, second_correction = 1 - optimizer.beta_1**step, (1 - optimizer.beta_2**step) ** 0.5
        rate = (
            float(_rate(optimizer, parameters[0].dtype, learning_rate)) * first_correction / second_correction
        )
        torch._fused_adam_(
            contiguous, list(map(Tensor.permute, map(_stored_like, parameters, gradients), orders)),
            first, second, [], [counter.fill_(step)] * len(parameters),
            amsgrad=False, lr=rate, beta1=optimizer.beta_1, beta2=optimizer.beta_2, weight_decay=0.0,
            eps=optimizer.epsilon / second_correction, maximize=False,
        )  # fmt: skip

    return update


def recordable(optimizer: Any) -> Update:
    """Nothing is read back from the device and nothing sent there: counter and learning rate are
    tensors on it.
    """

    def update(gradients: list[Tensor], variables: list[Any], learning_rate: Any) -> None:
        parameters, first, second = _tensors(optimizer, variables)
        torch._foreach_lerp_(first, gradients, 1 - optimizer.beta_1)
        torch._foreach_mul_(second, optimizer.beta_2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - optimizer.beta_2)
        below = torch._foreach_sqrt(second)
        torch._foreach_add_(below, optimizer.epsilon)
        change = torch._foreach_div(first, below)
        torch._foreach_mul_(change, _rate(optimizer, parameters[0].dtype, learning_rate))
        torch._foreach_sub_(parameters, change)

    return update


def average(optimizer: Any) -> None:
    """Keras' moving average of the weights, for all of them in two calls. Momentum stays a tensor,
    0 at the first step, for a CUDA graph to record.
    """
    parameters = [variable.value for variable in optimizer._trainable_variables]
    averages = [variable.value for variable in optimizer._model_variables_moving_average]
    for mean, parameter in zip(averages, parameters, strict=True):
        mean.data = _stored_like(parameter, mean)
    begun = keras.ops.convert_to_tensor(optimizer.iterations) != 0
    momentum = begun.to(parameters[0].dtype) * optimizer.ema_momentum
    torch._foreach_mul_(averages, momentum)
    torch._foreach_add_(averages, torch._foreach_mul(parameters, 1 - momentum))


def _rate(optimizer: Any, dtype: torch.dtype, learning_rate: Any) -> Tensor:
    """The learning rate with both corrections of the first steps, rounded as Keras rounds."""
    step = (keras.ops.convert_to_tensor(optimizer.iterations) + 1).to(
        dtype
    )  # which counts updates, not batches
    first, second = (1 - torch.pow(beta, step) for beta in (optimizer.beta_1, optimizer.beta_2))
    rate: Tensor = getattr(learning_rate, "value", learning_rate) * torch.sqrt(second) / first
    return rate


def _tensors(optimizer: Any, variables: list[Any]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Parameters, first and second moments. Raises `ValueError`, as Keras does, for variables that
    the optimizer was not built with.
    """
    optimizer._check_variables_are_known(variables)
    which = [optimizer._get_variable_index(variable) for variable in variables]
    first, second = (
        [moments[index].value for index in which] for moments in (optimizer._momentums, optimizer._velocities)
    )
    return [variable.value for variable in variables], first, second


def _stored_like(parameter: Tensor, other: Tensor) -> Tensor:
    """The one call goes through memory, not through indices."""
    return other if other.stride() == parameter.stride() else torch.empty_like(parameter).copy_(other)
