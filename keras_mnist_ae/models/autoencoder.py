"""The `Autoencoder`: encoder and decoder joined as one Keras model."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
from keras import ops
from keras.src.utils.module_utils import tensorflow

from ..architecture.variant import Variant
from .keras_forward import decode, encode, forward, why_not_fast
from .losses import divergence, negative_log_likelihood, sample

BACKEND = keras.backend.backend()

if BACKEND == "torch":  # which has steps of its own, and JAX a loop of them
    from .torch_step import TorchModel as _Model
elif BACKEND == "jax":
    from .jax_step import JaxModel as _Model
else:
    from keras import Model as _Model  # type: ignore[no-redef]


class Autoencoder(_Model):
    """`decoder(encoder(images))`: images float32 of shape (n, H, W, C) in [0, 1] to reconstructions
    of the same shape.

    `encoder` gives the code, float32 of shape (n, d); for a variant with pooling switches the list
    [code, switch, ...], switches uint8 of shape (n, h, w, c), values 0..3. `decoder` takes what the
    encoder gives. All three are functional Keras models.

    For a variational one `encoder` gives the list [mean, log variance], both (n, d), and `decoder`
    takes a code: here the mean. Called with the triple that `Chance` makes, which is how it is
    trained, it samples the code, and its loss is the negative evidence lower bound in nats per
    image, under the `likelihood` "bernoulli" or "gaussian".

    With a `precision` of "bfloat16" training computes its products in that format: of all rows but
    those that give the code and the image, whose weights, like all others, stay float32 (Kalamkar
    et al. 2019, "A study of bfloat16 for deep learning training").
    """

    precision = "float32"

    def __init__(self, variant: Variant, encoder: keras.Model, decoder: keras.Model) -> None:
        codes = encoder(encoder.input)
        super().__init__(
            inputs=encoder.input,
            outputs=decoder(codes[0] if variant.variational else codes),
            name=variant.name,
        )
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
        rows = (BACKEND == "jax" or (BACKEND == "tensorflow" and self.jit_compile)) and not why_not_fast(self)
        if self.is_sampled(inputs):
            return self._sampled(inputs, bool(training), rows)
        images = self.images(inputs)
        return (
            forward(self, images, bool(training))
            if rows
            else super().call(images, training=training, mask=mask)
        )

    def is_sampled(self, inputs: Any) -> bool:
        """Whether these are the triple that a variational model is trained on."""
        return self.variant.variational and isinstance(inputs, tuple | list) and len(inputs) == 3

    def images(self, inputs: Any) -> Any:
        """The images in what Keras takes for them: in a list, by the input's name, as other
        numbers, without the axis of a single channel.

        Raises `ValueError` for another size.
        """
        if isinstance(inputs, dict):
            inputs = inputs.get(self.input.name, inputs)
        elif isinstance(inputs, list | tuple) and len(inputs) == 1:
            inputs = inputs[0]
        (images,) = self._standardize_inputs(inputs)
        if tuple(images.shape[1:]) != tuple(self.input.shape[1:]):
            raise ValueError(
                f"{self.name} takes images of shape (n, {', '.join(map(str, self.input.shape[1:]))}), not "
                f"{tuple(images.shape)}"
            )
        return images

    def _sampled(self, given: Any, training: bool, rows: bool) -> tuple[Any, Any, Any]:
        """Reconstructions of sampled codes, the divergence of each image, and its weight in the
        loss.
        """
        images, noise, weight = given
        if rows:
            saved: dict[str, Any] = {}
            mean = encode(self, images, saved, training)
            log_variance = saved["log_variance"]
        else:
            mean, log_variance = self.encoder(images, training=training)
        code = sample(mean, log_variance, noise)
        reconstruction = decode(self, code, {}, training) if rows else self.decoder(code, training=training)
        return reconstruction, divergence(mean, log_variance), weight

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        if not isinstance(y_pred, tuple | list):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        reconstruction, kl, weight = y_pred
        nll = negative_log_likelihood(self.likelihood, y, reconstruction)
        self.reconstruction_tracker.update_state(nll)
        self.divergence_tracker.update_state(kl)
        return ops.mean(nll + weight * kl)

    def save(self, filepath: str | Path, overwrite: bool = True, **options: Any) -> None:
        """Write a model of stock layers, without optimizer: `keras.saving.load_model` opens it
        where this package is not installed.
        """
        with tensorflow_left_alone():
            self._stock().save(filepath, overwrite=overwrite, **options)

    def _stock(self) -> keras.Model:
        return keras.Model(self.input, self.output, name=self.name)


@contextmanager
def tensorflow_left_alone() -> Iterator[None]:
    """Keep Keras from importing TensorFlow, to ask for its types, when it saves or loads under
    another backend: 2 s and 400 MB saved.
    """
    known = tensorflow._available
    if "tensorflow" not in sys.modules:
        tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = known
