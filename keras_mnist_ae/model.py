"""Tables to Keras models: functional encoder and decoder of stock layers, and the `Autoencoder` that joins them."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, assert_never

from . import backend as _backend  # noqa: F401  (chooses the default backend, so it stands before keras)

# isort: split
import keras
import numpy as np
from keras import layers, ops
from keras.src.utils.module_utils import tensorflow

from . import archive
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
    Shape,
    Stack,
    Step,
    Unflatten,
    Variant,
)
from .errors import CorruptFileError
from .forward import LAST, altered, decode, encode, forward, place_of_maximum, spread
from .variants import find
from .variational import divergence, negative_log_likelihood, sample

BACKEND = keras.backend.backend()

if BACKEND == "torch":  # which has steps of its own, and JAX a loop of them
    from .torch_step import TorchModel as _Model
elif BACKEND == "jax":
    from .jax_step import JaxModel as _Model
else:
    from keras import Model as _Model  # type: ignore[no-redef]


class Autoencoder(_Model):
    """`decoder(encoder(images))`: images float32 of shape (n, H, W, C) in [0, 1] to reconstructions of the same shape.

    `encoder` gives the code, float32 of shape (n, d); for a variant with pooling switches the list [code, switch, ...], switches uint8
    of shape (n, h, w, c), values 0..3. `decoder` takes what the encoder gives. All three are functional Keras models.

    For a variational one `encoder` gives the list [mean, log variance], both (n, d), and `decoder` takes a code: here the mean. Called with
    the triple that `Chance` makes, which is how it is trained, it samples the code, and its loss is the negative evidence lower bound in
    nats per image, under the `likelihood` "bernoulli" or "gaussian".

    With a `precision` of "bfloat16" training computes its products in that format: of all rows but those that give the code and the image,
    whose weights, like all others, stay float32 (Kalamkar et al. 2019, "A study of bfloat16 for deep learning training").
    """

    precision = "float32"

    def __init__(self, variant: Variant, encoder: keras.Model, decoder: keras.Model) -> None:
        codes = encoder(encoder.input)
        super().__init__(inputs=encoder.input, outputs=decoder(codes[0] if variant.variational else codes), name=variant.name)
        self.variant = variant
        self.encoder = encoder
        self.decoder = decoder
        if BACKEND == "tensorflow":
            self.jit_compile = True  # Keras would leave XLA out
        if variant.variational:
            self.likelihood = "bernoulli"
            self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
            self.divergence_tracker = keras.metrics.Mean(name="kl")

    def compile(self, *arguments: Any, jit_compile: bool | str = "auto", **options: Any) -> None:
        if BACKEND == "tensorflow" and jit_compile == "auto":
            jit_compile = not options.get("run_eagerly", False)
        super().compile(*arguments, jit_compile=jit_compile, **options)

    @property
    def input_spec(self) -> Any:
        return None  # Keras would refuse what a variational model is trained on

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        rows = (BACKEND == "jax" or (BACKEND == "tensorflow" and self.jit_compile)) and not altered(self)
        if self.is_sampled(inputs):
            return self._sampled(inputs, bool(training), rows)
        images = self.images(inputs)
        return forward(self, images, bool(training)) if rows else super().call(images, training=training, mask=mask)

    def is_sampled(self, inputs: Any) -> bool:
        """Whether these are the triple that a variational model is trained on."""
        return self.variant.variational and isinstance(inputs, tuple | list) and len(inputs) == 3

    def images(self, inputs: Any) -> Any:
        """The images in what Keras takes for them: in a list, by the input's name, as other numbers, without the axis of a single channel.

        Raises `ValueError` for another size.
        """
        if isinstance(inputs, dict):
            inputs = inputs.get(self.input.name, inputs)
        elif isinstance(inputs, list | tuple) and len(inputs) == 1:
            inputs = inputs[0]
        (images,) = self._standardize_inputs(inputs)
        if tuple(images.shape[1:]) != tuple(self.input.shape[1:]):
            raise ValueError(
                f"{self.name} takes images of shape (n, {', '.join(map(str, self.input.shape[1:]))}), not {tuple(images.shape)}"
            )
        return images

    def _sampled(self, given: Any, training: bool, rows: bool) -> tuple[Any, Any, Any]:
        """Reconstructions of sampled codes, the divergence of each image, and its weight in the loss."""
        images, noise, weight = given
        if rows:
            places: dict[str, Any] = {}
            mean = encode(self, images, places, training)
            log_variance = places["log_variance"]
        else:
            mean, log_variance = self.encoder(images, training=training)
        code = sample(mean, log_variance, noise)
        reconstruction = decode(self, code, {}, training) if rows else self.decoder(code, training=training)
        return reconstruction, divergence(mean, log_variance), weight

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True) -> Any:
        if not isinstance(y_pred, tuple | list):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        reconstruction, apart, weight = y_pred
        unlikely = negative_log_likelihood(self.likelihood, y, reconstruction)
        self.reconstruction_tracker.update_state(unlikely)
        self.divergence_tracker.update_state(apart)
        return ops.mean(unlikely + weight * apart)

    def save(self, filepath: str | Path, overwrite: bool = True, **options: Any) -> None:
        """Write a model of stock layers, without optimizer: `keras.saving.load_model` opens it where this package is not installed."""
        with _tensorflow_left_alone():
            self._stock().save(filepath, overwrite=overwrite, **options)

    def _stock(self) -> keras.Model:
        return keras.Model(self.input, self.output, name=self.name)


def build(variant: str | Variant = "conv-avgpool", seed: int = 0) -> Autoencoder:
    """An untrained model of a variant, given by name or as a table.

    Weights are drawn from `seed` with Glorot's uniform distribution (Glorot and Bengio 2010), biases are zero; the same seed gives the
    same weights on every backend. Raises `UsageError` for an unknown name.
    """
    variant = find(variant) if isinstance(variant, str) else variant
    image = keras.Input(_channels_last(variant.image), name="image")
    code, beside = _apply(variant.encoder, image, {}, (seed, 0))
    encoder = keras.Model(image, _join(code, beside.values()), name="encoder")
    latent = keras.Input(variant.decoder.input, name="latent")
    switches = {name: keras.Input(_channels_last(shape), dtype="uint8", name=f"switch_{name}") for name, shape in variant.switches.items()}
    reconstruction, _ = _apply(variant.decoder, latent, switches, (seed, 1))
    decoder = keras.Model(_join(latent, switches.values()), reconstruction, name="decoder")
    _draw_weights([*encoder.layers, *decoder.layers], np.random.default_rng(seed))
    return Autoencoder(variant, encoder, decoder)


def load(path: str | Path, variant: Variant | None = None) -> Autoencoder:
    """The model in a `model.keras` written by `Autoencoder.save`: that of `variant`, else of the variant it names, with the weights in the
    file.

    Nothing else in the file is used, let alone run. Raises `CorruptFileError` when it is not one of ours.
    """
    path = Path(path)
    try:
        found = archive.screened(path)
        if variant and found.name != variant.name:
            raise ValueError(f"it is a {found.name}, not a {variant.name}")
        model = build(variant or found.name)
        stock = model._stock()
        with _tensorflow_left_alone():
            foreign = found.classes - archive.classes(json.loads(stock.to_json()))
        if foreign:
            raise ValueError(f"{found.name} has no {', '.join(sorted(name for _, name in foreign))}")
        if sorted(found.shapes) != sorted(tuple(weight.shape) for weight in stock.weights):
            raise ValueError(f"its weights are not those of {found.name}")
        with _tensorflow_left_alone():
            stock.load_weights(path)
        return model
    except Exception as error:  # whatever zipfile, json, h5py and Keras meet in a file that is not ours
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CorruptFileError(f"{path} is not a model this package can open: {reason}") from error


def _apply(stack: Stack, x: Any, switches: dict[str, Any], seed: tuple[int, int]) -> tuple[Any, dict[str, Any]]:
    """Run a symbolic tensor through the rows; give the result and what goes beside it: switches, taken or made, and a log variance."""
    beside, branches = dict(switches), dict[str, Any]()
    for number, step in enumerate(stack):
        name, layer = step.name, step.layer
        match layer:
            case Conv():
                if layer.p:
                    x = layers.ZeroPadding2D(layer.p, data_format=LAST, name=f"{name}_pad")(x)
                options = {"strides": layer.s, "use_bias": not layer.norm, "data_format": LAST, "name": name}
                x = layers.Conv2D(layer.outputs, layer.k, **options)(x)
                x = _finish(x, step, layer.norm, layer.act)
            case ConvTranspose():
                options = {"strides": layer.s, "use_bias": not layer.norm, "data_format": LAST, "name": name}
                x = layers.Conv2DTranspose(layer.outputs, layer.k, **options)(x)
                if layer.p:
                    x = layers.Cropping2D(layer.p, data_format=LAST, name=f"{name}_crop")(x)
                x = _finish(x, step, layer.norm, layer.act)
            case Dense():
                x = layers.Dense(layer.outputs, use_bias=not layer.norm, name=name)(x)
                x = _finish(x, step, layer.norm, layer.act)
            case Gaussian():
                beside["log_variance"] = layers.Dense(layer.outputs, name=f"{name}_log_variance")(x)
                x = layers.Dense(layer.outputs, name=name)(x)
            case MaxPool():
                if layer.switch:
                    beside[layer.switch] = ops.cast(place_of_maximum(x, step.output), "uint8")
                x = layers.MaxPooling2D(2, data_format=LAST, name=name)(x)
            case MaxUnpool():
                x = _unpool(x, beside[layer.switch], step.output)
            case GlobalAveragePool():
                x = layers.GlobalAveragePooling2D(data_format=LAST, keepdims=True, name=name)(x)
            case Flatten():
                if _order_matters(step.input):  # channels first, as the tables count
                    x = layers.Permute((3, 1, 2), name=f"{name}_order")(x)
                x = layers.Flatten(data_format=LAST, name=name)(x)
            case Unflatten():
                if _order_matters(step.output):
                    x = layers.Reshape(step.output, name=name)(x)
                    x = layers.Permute((2, 3, 1), name=f"{name}_order")(x)
                else:
                    x = layers.Reshape(_channels_last(step.output), name=name)(x)
            case Rescale():
                x = layers.Rescaling(layer.scale, layer.offset, name=name)(x)
            case Dropout():
                kind = layers.Dropout if len(step.input) == 1 else layers.SpatialDropout2D
                options = {} if len(step.input) == 1 else {"data_format": LAST}
                drawn = int(np.random.SeedSequence((*seed, number)).generate_state(1)[0] >> 1)  # without one torch draws from its own
                x = kind(layer.rate, seed=drawn, name=name, **options)(x)
            case Branch():
                branches[layer.name] = x
            case Add():
                x = layers.Add(name=name)([branches[layer.name], x])
                x = _finish(x, step, False, layer.act)
            case _:
                assert_never(layer)
    return x, beside


def _finish(x: Any, step: Step, norm: bool, act: Activation | None) -> Any:
    if norm:
        x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=f"{step.name}_norm")(x)
    return layers.Activation(act, name=f"{step.name}_{act}")(x) if act else x


def _unpool(x: Any, switch: Any, unpooled: Shape) -> Any:
    here = ops.one_hot(switch, 4, dtype="bool")
    return spread(ops.where(here, ops.expand_dims(x, -1), 0.0), unpooled)


def _draw_weights(model_layers: list[keras.Layer], generator: np.random.Generator) -> None:
    """Glorot uniform kernels, from numpy: the backends' own generators would each start elsewhere."""
    for layer in model_layers:
        if isinstance(layer, layers.Dense | layers.Conv2D | layers.Conv2DTranspose):
            *window, inputs, outputs = layer.kernel.shape
            limit = math.sqrt(6 / (math.prod(window) * (inputs + outputs)))
            layer.kernel.assign(generator.uniform(-limit, limit, layer.kernel.shape).astype("float32"))


@contextmanager
def _tensorflow_left_alone() -> Iterator[None]:
    """Keep Keras from importing TensorFlow, to ask for its types, when it saves or loads under another backend: 2 s and 400 MB saved."""
    known = tensorflow._available
    if "tensorflow" not in sys.modules:
        tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = known


def _order_matters(shape: Shape) -> bool:
    """Whether flattening channels-first and channels-last differ."""
    return shape[0] > 1 and math.prod(shape[1:]) > 1


def _join(first: Any, others: Any) -> Any:
    return [first, *others] if others else first


def _channels_last(shape: Shape) -> Shape:
    return (*shape[1:], shape[0])
