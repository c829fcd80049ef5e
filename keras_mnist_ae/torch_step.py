"""Training and evaluation steps on torch: the rows as plain PyTorch calls on Keras' own variables, behind `fit` and `evaluate`.

Keras' layers on torch turn every kernel and every activation from channels last to PyTorch's order and back, pad and crop in steps of
their own, and go through Keras' dispatch for each. Here padding and cropping are arguments of the convolution, activations stay in
channels-last memory, kernels are stored once in the order that PyTorch computes in, and Adam is one call. What comes out is what stock
Keras gives, but for rounding.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple, assert_never

import keras
import torch
from keras.src.trainers.data_adapters import data_adapter_utils
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (as PyTorch's users know it)

from . import torch_adam
from .architecture import (
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
    MaxPool,
    MaxUnpool,
    Rescale,
    Stack,
    Step,
    Unflatten,
)
from .forward import altered
from .recorded import Recorded
from .variational import divergence, negative_log_likelihood, sample

WIDE = 8  # kernels over a single channel that are computed as tall ones over several


class TorchModel(keras.Model):
    """What an `Autoencoder` is on torch: a model whose steps run over the rows, or, with a warning why, stock where those cannot serve."""

    _fast: "Fast | None" = None

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
        return self._fast.logs(x, y, self._fast.forward_pass(x, y, training=False))

    def _prepare(self) -> None:
        reason = _unserved(self)
        if reason:
            warnings.warn(f"{self.name} runs Keras' own steps, which are slower: {reason}", stacklevel=3)
        self._fast = None if reason else Fast(self)


def _unserved(model: Any) -> str | None:
    """Why the rows cannot serve the model as it is compiled."""
    if model.dtype_policy.compute_dtype != model.dtype_policy.variable_dtype:
        return f"the dtype policy is {model.dtype_policy.name}"
    if model.jit_compile:
        return "jit_compile=True"
    for method in ("call", "compute_loss"):
        if not getattr(type(model), method).__module__.startswith(f"{__package__}."):
            return f"its {method} is another"
    if not model.trainable_weights:
        return "none of its weights is trainable"
    return altered(model)


class Outcome(NamedTuple):
    """Of a batch: what came out, the loss, and for a variational model the two terms of it for each image."""

    y_pred: Any
    loss: Tensor
    terms: tuple[Tensor, ...] = ()


class Fast:
    """What the steps know of a model, from the time when it was compiled. Apart from it, since Keras counts what a model's lists hold."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.forward = Forward(model)
        self.variables = model.trainable_weights
        self.parameters = [variable.value for variable in self.variables]
        weighted = getattr(model._compile_loss, "_user_loss_weights", None) is not None
        self.plain_loss = model.loss in ("mse", "mean_squared_error") and not weighted and not model.losses
        self.only_loss = len(model.metrics) == 1 and type(model).compute_metrics is keras.Model.compute_metrics
        self.shape = model.input.shape[1:]
        self.watched = model.weights
        self.settings = self._settings()
        self.optimizer = optimizer = model.optimizer
        self.update: Callable[[list[Tensor | None]], Any] = lambda gradients: optimizer.apply(gradients, self.variables)
        self.step: Callable[[Any, Any], Outcome] = self._step
        self.device, self.dtype = self.parameters[0].device, getattr(torch, model.compute_dtype)
        if torch_adam.is_stock(optimizer) and self.device.type in ("cpu", "cuda"):
            optimizer._parallel_update_step = (torch_adam.fused if self.device.type == "cpu" else torch_adam.recordable)(optimizer)
            if torch_adam.is_bare(optimizer) and all(variable.constraint is None for variable in self.variables):
                self.update = self._adam
                if self.device.type == "cuda" and self._is_recordable():
                    self.step = Recorded(self._step)

    def is_outdated(self) -> bool:
        """Whether something was changed that Keras asks for at each step."""
        return self.optimizer is not self.model.optimizer or self.settings != self._settings()

    def _settings(self) -> list[Any]:
        return [(variable.trainable, variable.regularizer, variable.constraint) for variable in self.watched]

    def tensors(self, x: Any, y: Any) -> Any:
        """What goes in and the targets, as tensors."""
        ready = all(isinstance(part, Tensor) and part.dtype == self.dtype and part.device == self.device for part in (x, y))
        if ready and x.shape[1:] == self.shape:
            return x, y
        if isinstance(y, list | tuple) and len(y) == 1:
            y = y[0]
        y = keras.ops.convert_to_tensor(y, dtype=self.model.compute_dtype)
        if self.model.is_sampled(x):
            return tuple(keras.ops.convert_to_tensor(part, dtype=self.model.compute_dtype) for part in x), y
        return self.model.images(x), y

    def forward_pass(self, x: Any, y: Tensor, training: bool) -> Outcome:
        model = self.model
        if isinstance(x, tuple):  # as in `Autoencoder`
            images, noise, weight = x
            places = dict[str, Tensor]()
            mean = self.forward.encode(images, places, training)
            reconstruction = self.forward.decode(sample(mean, places["log_variance"], noise), {}, training)
            apart = divergence(mean, places["log_variance"])
            unlikely = negative_log_likelihood(model.likelihood, y, reconstruction)
            return Outcome((reconstruction, apart, weight), (unlikely + weight * apart).mean(), (unlikely, apart))
        y_pred = self.forward(x, training)
        plain = self.plain_loss and y_pred.shape == y.shape
        return Outcome(y_pred, F.mse_loss(y_pred, y) if plain else model._compute_loss(x, y, y_pred, None, training))

    def _step(self, x: Any, y: Tensor) -> Outcome:
        """Forward, backward, update."""
        low = self.model.precision == "bfloat16"
        with torch.enable_grad():
            with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False) if low else nullcontext():
                outcome = self.forward_pass(x, y, training=True)
            gradients = torch.autograd.grad(self.optimizer.scale_loss(outcome.loss), self.parameters, allow_unused=True)
        with torch.no_grad():
            self.update(list(gradients))
        return outcome

    def _is_recordable(self) -> bool:
        """Whether a step does nothing but what a GPU can replay: Keras' losses and schedules send numbers there."""
        known_rate = not callable(self.optimizer._learning_rate) or hasattr(self.optimizer._learning_rate, "at")
        return (self.plain_loss or self.model.variant.variational) and known_rate

    def _adam(self, gradients: list[Tensor | None]) -> None:
        """What the optimizer's `apply` comes down to where it has nothing to do but Adam."""
        optimizer = self.optimizer
        if not optimizer.built:
            optimizer.build(self.variables)
        if any(gradient is None for gradient in gradients) or not torch_adam.is_bare(optimizer):
            optimizer.apply(gradients, self.variables)
            return
        at = getattr(optimizer._learning_rate, "at", None)  # a schedule of ours
        rate = at(int(optimizer._iterations.value)) if at and self.device.type == "cpu" else optimizer._get_current_learning_rate()
        optimizer._parallel_update_step(gradients, self.variables, rate)
        optimizer._iterations.value.add_(1)

    def logs(self, x: Any, y: Tensor, outcome: Outcome) -> Any:
        """As Keras gives them: the running mean of the loss, weighted by the images, and the metrics."""
        model, tracker, images = self.model, self.model._loss_tracker, len(y)
        with torch.no_grad():
            tracker.total.value.add_(outcome.loss, alpha=images)
            tracker.count.value.add_(images)
            if self.only_loss:
                return {"loss": tracker.total.value / tracker.count.value}
            for metric, term in zip(
                (model.reconstruction_tracker, model.divergence_tracker) if outcome.terms else (), outcome.terms, strict=True
            ):
                metric.update_state(term)
        return model.compute_metrics(x, y, outcome.y_pred)


class Forward:
    """The rows of an autoencoder on tensors: images (n, H, W, C) to reconstructions of the same shape."""

    def __init__(self, model: Any) -> None:
        self._encoder = _rows(model.variant.encoder, model.encoder)
        self._decoder = _rows(model.variant.decoder, model.decoder)

    def __call__(self, images: Tensor, training: bool) -> Tensor:
        places = dict[str, Tensor]()
        return self.decode(self.encode(images, places, training), places, training)

    def encode(self, images: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
        """The codes; what goes beside them is put into `places`, the logarithm of a variance as "log_variance"."""
        x = images.permute(0, 3, 1, 2)
        for row in self._encoder:
            x = row(x, places, training)
        return x

    def decode(self, codes: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
        for row in self._decoder:
            codes = row(codes, places, training)
        return codes.permute(0, 2, 3, 1)


Row = Callable[[Tensor, dict[str, Tensor], bool], Tensor]


def _rows(stack: Stack, part: Any) -> list[Row]:
    rows = [_row(step, part) for step in stack]
    rows[stack.last] = _exact(rows[stack.last])
    return rows


def _exact(row: Row) -> Row:
    """The row in float32, whatever the others are computed in."""

    def exact(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
        if not torch.is_autocast_enabled(x.device.type):
            return row(x, places, training)
        with torch.autocast(x.device.type, enabled=False):
            return row(x.float(), places, training)

    return exact


def _row(step: Step, part: Any) -> Row:
    """A row as a function: of a tensor (n, C, H, W) or (n, d), the places of the maxima by switch, and whether it is training."""
    layer = step.layer
    match layer:
        case Conv(norm=norm, act=act) | ConvTranspose(norm=norm, act=act):
            kernel, bias = _parameters(part.get_layer(step.name))
            _store_as_computed(kernel)
            convolve = (_convolution if isinstance(layer, Conv) else _transposed)(step, kernel, bias)
            finish = _normalise(part.get_layer(f"{step.name}_norm"), act) if norm else _activate(act)
            return lambda x, places, training: finish(convolve(x), training)
        case Dense(norm=norm, act=act):
            kernel, bias = _parameters(part.get_layer(step.name))
            finish = _normalise(part.get_layer(f"{step.name}_norm"), act) if norm else _activate(act)
            return lambda x, places, training: finish(F.linear(x, kernel.T, bias), training)
        case Gaussian():
            (kernel, bias), (deviation, offset) = (_parameters(part.get_layer(step.name + end)) for end in ("", "_log_variance"))

            def gaussian(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
                places["log_variance"] = F.linear(x, deviation.T, offset)
                return F.linear(x, kernel.T, bias)

            return gaussian
        case MaxPool(switch=None):
            return lambda x, places, training: F.max_pool2d(x, 2)
        case MaxPool(switch=switch):

            def pool(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
                x, places[str(switch)] = F.max_pool2d(x, 2, return_indices=True)
                return x

            return pool
        case MaxUnpool(switch=switch):
            return lambda x, places, training: F.max_unpool2d(_laid_out(x), places[switch], (2, 2))
        case GlobalAveragePool():
            return lambda x, places, training: x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)[:, :, None, None]
        case Flatten():
            return lambda x, places, training: _laid_out(x).flatten(1)
        case Unflatten():
            return lambda x, places, training: x.reshape(-1, *step.output).contiguous(memory_format=torch.channels_last)
        case Rescale(scale=scale, offset=offset):
            return lambda x, places, training: x * scale + offset
        case Dropout():
            if part.weights[0].value.device.type == "cuda":  # whose generator a recorded step moves on
                away = F.dropout if len(step.input) == 1 else F.dropout2d
                return lambda x, places, training: away(x, layer.rate, training)
            drop = part.get_layer(step.name)  # Keras' own: its masks follow from a seed, and its state is saved with the model
            if len(step.input) == 1:
                return lambda x, places, training: drop(x, training=training)
            return lambda x, places, training: drop(x.permute(0, 2, 3, 1), training=training).permute(0, 3, 1, 2)
        case Branch(name=name):

            def branch(x: Tensor, places: dict[str, Tensor], training: bool) -> Tensor:
                places[name] = x
                return x

            return branch
        case Add(name=name, act=act):
            activate = _activate(act)
            return lambda x, places, training: activate(x + places[name], training)
        case _:
            assert_never(layer)


def _convolution(step: Step, kernel: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """A convolution, in the form that PyTorch computes fastest. Kernels have the shape (k, k, inputs, outputs)."""
    layer: Any = step.layer
    (k, wide), p, (_, height, width) = layer.kernel, layer.p, step.input
    if step.output[1:] == (1, 1):  # a matrix product with what the kernel has over the image
        rows, columns = min(height, k - p), min(width, wide - p)

        def product(x: Tensor) -> Tensor:
            seen = kernel.permute(3, 0, 1, 2)[:, p : p + rows, p : p + columns].reshape(layer.outputs, -1)
            return F.linear(x[:, :, :rows, :columns].permute(0, 2, 3, 1).flatten(1), seen, bias)[:, :, None, None]

        return product
    if layer.inputs == 1 and k >= WIDE and layer.s == 1 and k == wide:  # a row of the window becomes the channels

        def tall(x: Tensor) -> Tensor:
            windows = F.pad(x, (p, p, p, p))[:, 0].unfold(2, k, 1).contiguous().permute(0, 3, 1, 2)
            return F.conv2d(windows, kernel.permute(3, 1, 0, 2).contiguous(), bias)

        return tall
    return lambda x: F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, layer.s, p)


def _transposed(step: Step, kernel: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The same for a transposed convolution; its kernels have the shape (k, k, outputs, inputs)."""
    layer: Any = step.layer
    p, (_, height, width) = layer.p, step.output
    if step.input[1:] == (1, 1):  # a matrix product, with what the cropping leaves of the kernel

        def product(x: Tensor) -> Tensor:
            kept = kernel.permute(3, 0, 1, 2)[:, p : p + height, p : p + width]
            x = (x.flatten(1) @ kept.reshape(layer.inputs, -1)).view(-1, height, width, layer.outputs)
            return (x if bias is None else x + bias).permute(0, 3, 1, 2)

        return product

    def transposed(x: Tensor) -> Tensor:
        if layer.outputs == 1 and layer.s > 1 and not torch.is_autocast_enabled(x.device.type):
            x = Folded.apply(x, kernel, layer.s, p, (height, width))  # type: ignore[no-untyped-call]
        else:
            x = F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1), None, layer.s, p)
        return x if bias is None else x.add_(bias[:, None, None])  # PyTorch's own sum for the gradient of a bias is slow

    return transposed


class Folded(torch.autograd.Function):
    """A transposed convolution to a single channel: each pixel's window by a matrix product, then the windows added up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: int, size: tuple[int, int]) -> Tensor:
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


def _activate(act: Activation | None) -> Callable[[Tensor, bool], Tensor]:
    """Where it can be in place: what a convolution, normalisation or sum gives, none of them needs again for its gradient. Of a view, the
    gradient would be copied back and forth.
    """
    match act:
        case "relu":
            return lambda x, training: torch.relu(x) if x._is_view() else torch.relu_(x)
        case "tanh":
            return lambda x, training: torch.tanh(x) if x._is_view() else torch.tanh_(x)
        case "sigmoid":
            return lambda x, training: torch.sigmoid(x) if x._is_view() else torch.sigmoid_(x)
        case "silu":  # which needs its input
            return lambda x, training: F.silu(x)
        case None:
            return lambda x, training: x
        case _:
            assert_never(act)


def _normalise(stock: Any, act: Activation | None) -> Callable[[Tensor, bool], Tensor]:
    """Batch normalisation, then the activation. What moves the variance is the batch's, as in Keras; PyTorch takes n / (n - 1) of it."""
    activate = _activate(act)
    mean, variance = stock.moving_mean.value, stock.moving_variance.value
    scale, offset = stock.gamma.value, stock.beta.value

    def normalisation(x: Tensor, training: bool) -> Tensor:
        if not (training and stock.trainable):
            return activate(F.batch_norm(x, mean, variance, scale, offset, False, 0.0, BATCH_NORM_EPSILON), training)
        x, of_batch, spread = Normalised.apply(x, scale, offset)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            mean.lerp_(of_batch, 1 - BATCH_NORM_MOMENTUM)
            variance.lerp_(spread, 1 - BATCH_NORM_MOMENTUM)
        return activate(x, training)

    return normalisation


class Normalised(torch.autograd.Function):
    """A batch normalised by its own mean and variance, and these. PyTorch's own sums over channels-last memory are 1e-4 off; these take no
    longer.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = x if x.dim() == 2 else x.permute(0, 2, 3, 1).flatten(0, 2)
        mean = rows.mean(0, dtype=scale.dtype)
        variance = (rows - mean).square_().mean(0)
        ctx.save_for_backward(x, scale, mean, (variance + BATCH_NORM_EPSILON).rsqrt())
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, scale, offset, False, 0.0, BATCH_NORM_EPSILON), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        x, scale, mean, inverse_deviation = ctx.saved_tensors
        return torch.ops.aten.native_batch_norm_backward(
            gradient, x, scale, None, None, mean, inverse_deviation, True, BATCH_NORM_EPSILON, [True, True, True]
        )


def _laid_out(x: Tensor) -> Tensor:
    """With a gradient in channels-last memory, whatever order the row that takes it works in: operations on tensors of two orders, such as
    the gradient of the activation before it, take forty times as long.
    """
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))  # type: ignore[no-untyped-call]
    return x


def _parameters(stock: Any) -> tuple[Tensor, Tensor | None]:
    """The kernel and bias of a Keras layer, which is changed in place only: they need not be asked for at each step."""
    return stock.kernel.value, stock.bias.value if stock.use_bias else None


def _store_as_computed(kernel: Tensor) -> None:
    """Keep the shape (k, k, inputs, outputs) that Keras sees, in the memory of PyTorch's channels-last kernel, which becomes a view."""
    kernel.data = kernel.data.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
