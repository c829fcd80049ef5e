"""Train and test steps on torch, behind `fit` and `evaluate`: the rows of a table as PyTorch calls
on the variables of the Keras model.

Keras' layers on torch turn every kernel and every activation from channels last to PyTorch's order
and back, pad and crop in steps of their own, and go through Keras' dispatch for each. Here padding
and cropping are arguments of the convolution, activations stay in channels-last memory, kernels are
stored once in the order that PyTorch computes in, and Adam is one call. What comes out is what
stock Keras gives, but for rounding.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import keras
import torch
from keras.src.trainers.data_adapters import data_adapter_utils
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..errors import UsageError
from ..system.group import Group
from . import torch_adam
from .losses import divergence, log_ratio, sample, variational_loss
from .torch_cuda_graph import Recorded
from .torch_forward import Forward
from .torch_joint_step import JointStep
from .torch_stock import why_stock


class TorchModel(keras.Model):
    """keras.Model with PyTorch train and test steps; falls back to Keras' own with a warning that
    names the reason.

    With a `group` each step is one of all its processes: each computes its share of the batch.
    """

    _fast: "Fast | None" = None
    group: Group | None = None

    def make_train_function(self, force: bool = False) -> Any:
        if force or self.train_function is None:
            self._prepare()
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Any:
        if force or self.test_function is None:
            self._prepare()
        return super().make_test_function(force)

    def train_step(self, data: Any) -> Any:
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        if self._fast is not None and self._fast.is_outdated():
            self._prepare()
        if self._fast is None or sample_weight is not None:
            return super().train_step(data)
        x, y = self._fast.tensors(x, y)
        return self._fast.logs(x, y, self._fast.step(x, y))

    def test_step(self, data: Any) -> Any:
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        if self._fast is not None and self._fast.is_outdated():
            self._prepare()
        if self._fast is None or sample_weight is not None:
            return super().test_step(data)
        x, y = self._fast.tensors(x, y)
        return self._fast.logs(x, y, self._fast.look(x, y))

    def _prepare(self) -> None:
        reason = why_stock(self)
        if reason and self.group:
            raise UsageError(f"several processes cannot train {self.name} together: {reason}")
        if reason:
            warnings.warn(f"{self.name} runs Keras' own steps, which are slower: {reason}", stacklevel=3)
        self._fast = None if reason else Fast(self)


class Outcome(NamedTuple):
    """Result of a batch: prediction, loss, and the terms per image of a variational loss."""

    y_pred: Any
    loss: Tensor
    terms: tuple[Tensor, ...] = ()


class Fast:
    """The fast steps of a compiled model. It is no attribute list of the model itself, since Keras
    tracks those.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.group = group = model.group
        self.forward = Forward(model, group)
        self.variables = model.trainable_weights
        self.parameters = [variable.value for variable in self.variables]
        weighted = getattr(model._compile_loss, "_user_loss_weights", None) is not None
        self.plain_loss = model.loss in ("mse", "mean_squared_error") and not weighted and not model.losses
        self.only_loss = len(model.metrics) == 1 and type(model).compute_metrics.__module__.split(".")[0] in (
            "keras",
            __package__.split(".")[0],
        )
        self.shape = model.input.shape[1:]
        self.watched = model.weights
        self.settings = self._settings()
        self.optimizer = optimizer = model.optimizer
        self.update: Callable[[list[Tensor | None]], Any] = lambda gradients: optimizer.apply(
            gradients, self.variables
        )
        self.step: Callable[[Any, Any], Outcome] = self._step
        self.device, self.dtype = self.parameters[0].device, getattr(torch, model.compute_dtype)
        self.joint = (JointStep(group, self.parameters), JointStep(group, self.parameters)) if group else None
        if torch_adam.is_stock(optimizer) and self.device.type in ("cpu", "cuda"):
            optimizer._parallel_update_step = (
                torch_adam.fused if self.device.type == "cpu" else torch_adam.recordable
            )(optimizer)
            if torch_adam.is_bare(optimizer) and all(
                variable.constraint is None for variable in self.variables
            ):
                self.update = self._adam
                if self.device.type == "cuda" and self._is_recordable() and not group:
                    self.step = Recorded(self._step)

    def is_outdated(self) -> bool:
        """Whether a setting changed that Keras reads at each step."""
        model = self.model
        changed = self.optimizer is not model.optimizer or self.group is not model.group
        return changed or self.settings != self._settings()

    def _settings(self) -> list[Any]:
        return [(variable.trainable, variable.regularizer, variable.constraint) for variable in self.watched]

    def tensors(self, x: Any, y: Any) -> Any:
        """Inputs and targets as tensors."""
        ready = all(
            isinstance(part, Tensor) and part.dtype == self.dtype and part.device == self.device
            for part in (x, y)
        )
        if ready and x.shape[1:] == self.shape and not self.model.variant.variational:
            return x, y
        if not self.model.is_sampled(x):
            x = images = self.model.images(x)
            if self.model.variant.variational:
                x = self.model.with_noise(images)
        if isinstance(x, tuple | list):
            x = tuple(keras.ops.convert_to_tensor(part, dtype=self.model.compute_dtype) for part in x)
            images = x[0]
        if y is None:
            return x, images
        if isinstance(y, list | tuple) and len(y) == 1:
            y = y[0]
        return x, keras.ops.convert_to_tensor(y, dtype=self.model.compute_dtype)

    def forward_pass(self, x: Any, y: Tensor, training: bool) -> Outcome:
        model = self.model
        if isinstance(x, tuple):  # as in `Autoencoder`
            images, noise, weight = x
            saved = dict[str, Tensor]()
            mean = self.forward.encode(images, saved, training)
            log_variance = saved["log_variance"]
            code = sample(mean, log_variance, noise)
            kl = divergence(mean, log_variance)
            several = (log_ratio(log_variance, noise, code),) if noise.dim() == 3 else ()
            sampled = (self.forward.decode(code, {}, training), kl, weight, *several)
            losses, nll = variational_loss(model.likelihood, y, *sampled)
            return Outcome(sampled, losses.mean(), (nll, kl))
        y_pred = self.forward(x, training)
        plain = self.plain_loss and y_pred.shape == y.shape
        return Outcome(
            y_pred, F.mse_loss(y_pred, y) if plain else model._compute_loss(x, y, y_pred, None, training)
        )

    def _step(self, x: Any, y: Tensor) -> Outcome:
        """Forward, backward, update."""
        low = self.model.precision == "bfloat16"
        with torch.enable_grad():
            with (
                torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
                if low
                else nullcontext()
            ):
                outcome = self.forward_pass(x, y, training=True)
            loss = outcome.loss * self.group.share.weight if self.group else outcome.loss
            gradients: list[Tensor | None] = list(
                torch.autograd.grad(self.optimizer.scale_loss(loss), self.parameters, allow_unused=True)
            )
        with torch.no_grad():
            if self.joint:
                joint = self.joint[0](gradients, outcome.loss, outcome.terms)
                gradients, outcome = joint.gradients, Outcome(outcome.y_pred, joint.loss, joint.terms)
            self.update(gradients)
        return outcome

    def look(self, x: Any, y: Tensor) -> Outcome:
        """The outcome of a batch that is not trained on."""
        outcome = self.forward_pass(x, y, training=False)
        if not self.joint:
            return outcome
        with torch.no_grad():
            joint = self.joint[1]([], outcome.loss, outcome.terms)
        return Outcome(outcome.y_pred, joint.loss, joint.terms)

    def _is_recordable(self) -> bool:
        """Whether a CUDA graph can replay the step: Keras' own losses and schedules copy numbers to
        the device.
        """
        known_rate = not callable(self.optimizer._learning_rate) or hasattr(
            self.optimizer._learning_rate, "at"
        )
        return (self.plain_loss or self.model.variant.variational) and known_rate

    def _adam(self, gradients: list[Tensor | None]) -> None:
        """The optimizer's `apply`, where it does nothing but Adam."""
        optimizer = self.optimizer
        if not optimizer.built:
            optimizer.build(self.variables)
        if any(gradient is None for gradient in gradients) or not torch_adam.is_bare(optimizer):
            optimizer.apply(gradients, self.variables)
            return
        at = getattr(optimizer._learning_rate, "at", None)  # a schedule of ours
        rate = (
            at(int(optimizer._iterations.value))
            if at and self.device.type == "cpu"
            else optimizer._get_current_learning_rate()
        )
        optimizer._parallel_update_step(gradients, self.variables, rate)
        if optimizer.use_ema:
            torch_adam.average(optimizer)
        optimizer._iterations.value.add_(1)

    def logs(self, x: Any, y: Tensor, outcome: Outcome) -> Any:
        """Keras' logs: the running mean of the loss over the images, and the metrics."""
        model, tracker = self.model, self.model._loss_tracker
        images = self.group.share.images if self.group else len(y)
        with torch.no_grad():
            tracker.total.value.add_(outcome.loss, alpha=images)
            tracker.count.value.add_(images)
            if self.only_loss:
                return {"loss": tracker.total.value / tracker.count.value}
            for metric, term in zip(
                (model.reconstruction_tracker, model.divergence_tracker) if outcome.terms else (),
                outcome.terms,
                strict=True,
            ):
                metric.update_state(term.expand(images))
        return model.compute_metrics(x, y, outcome.y_pred)
