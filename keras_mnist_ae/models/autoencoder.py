"""The `Autoencoder`: encoder and decoder joined as one Keras model."""

from typing import Any

import keras
from keras import ops

from ..architecture.variant import Variant
from ..datasets.dataset import Dataset
from . import arrays
from .batches import fit_arguments
from .keras_forward import decode, encode, forward, why_not_fast
from .losses import divergence, log_ratio, sample, variational_loss
from .on_arrays import OnArrays
from .stock import Saved

BACKEND = keras.backend.backend()

if BACKEND == "torch":  # which has steps of its own, and JAX a loop of them
    from .torch_step import TorchModel as _Model
elif BACKEND == "jax":
    from .jax_step import JaxModel as _Model
else:
    from keras import Model as _Model  # type: ignore[no-redef]


@keras.saving.register_keras_serializable("keras_mnist_ae")
class Autoencoder(OnArrays, Saved, _Model):
    """`decoder(encoder(images))`: images float32 of shape (n, H, W, C) in [0, 1] to reconstructions
    of the same shape.

    `encoder` gives the code, float32 of shape (n, d); for a variant with pooling switches the list
    [code, switch, ...], switches uint8 of shape (n, h, w, c), values 0..3. `decoder` takes what the
    encoder gives. All three are functional Keras models.

    For a variational one `encoder` gives the list [mean, log variance], both (n, d), and `decoder`
    takes a code. `predict` decodes the mean; `fit` and `evaluate` sample the code, and their loss
    is the negative evidence lower bound in nats per image, under the `likelihood` "bernoulli" or
    "gaussian", in place of any loss that it was compiled with. `kae.train` gives it the triple that
    `Chance` makes, with the noise.

    With a `precision` of "bfloat16" training computes its products in that format: of all rows but
    those that give the code and the image, whose weights, like all others, stay float32 (Kalamkar
    et al. 2019, "A study of bfloat16 for deep learning training").
    """

    precision = "float32"
    seed = 0  # of the order of images, where `fit` is given a Dataset

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
        if variant.variational:
            self.noise_generator = keras.random.SeedGenerator(0)
        if BACKEND == "tensorflow":
            self.jit_compile = True  # Keras would leave XLA out
        if variant.variational:
            self.likelihood = "bernoulli"
            self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
            self.divergence_tracker = keras.metrics.Mean(name="kl")

    def compile(self, *arguments: Any, jit_compile: bool | str = "auto", **options: Any) -> None:
        """Keras' `compile`; without a loss the mean squared error."""
        if BACKEND == "tensorflow" and jit_compile == "auto":
            jit_compile = not options.get("run_eagerly", False)
        if not self.variant.variational and len(arguments) < 2 and options.get("loss") is None:
            options["loss"] = "mse"
        super().compile(*arguments, jit_compile=jit_compile, **options)

    def _symbolic_build(self, *arguments: Any, **options: Any) -> None:
        """Keras learns what a loss takes by running the model on tensors without memory, for which
        torch loads its compiler; of this model it is known.
        """
        if not self.variant.variational and not self._compile_loss.built:
            self._compile_loss.build(self.output, self.output)
        super()._symbolic_build(*arguments, **options)

    @property
    def input_spec(self) -> Any:
        return None  # Keras would refuse what a variational model is trained on

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        rows = (BACKEND == "jax" or (BACKEND == "tensorflow" and self.jit_compile)) and not why_not_fast(self)
        if self.is_sampled(inputs):
            return self._sampled(inputs, bool(training), rows)
        images = self.images(inputs)
        if training and self.variant.variational:
            return self._sampled(self.with_noise(images), True, rows)
        return (
            forward(self, images, bool(training))
            if rows
            else super().call(images, training=training, mask=mask)
        )

    def is_sampled(self, inputs: Any) -> bool:
        """Whether these are the triple that a variational model is trained on."""
        return self.variant.variational and isinstance(inputs, tuple | list) and len(inputs) == 3

    def with_noise(self, images: Any) -> tuple[Any, Any, Any]:
        """The triple that a variational model is trained on, with noise drawn here."""
        shape = (ops.shape(images)[0], self.variant.latent)
        return images, keras.random.normal(shape, seed=self.noise_generator), 1.0

    def _targets(self, x: Any, y: Any) -> Any:
        """Without targets the images themselves."""
        if y is not None or x is None:
            return y
        return x[0] if self.is_sampled(x) else self.images(x)

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

    def _sampled(self, given: Any, training: bool, rows: bool) -> tuple[Any, ...]:
        """Reconstructions of sampled codes, the divergence of each image, and its weight in the
        loss; of several codes an image also their `log_ratio`.
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
        kl = divergence(mean, log_variance)
        several = (log_ratio(log_variance, noise, code),) if len(noise.shape) == 3 else ()
        return reconstruction, kl, weight, *several

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        y = self._targets(x, y)
        if not self.variant.variational:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        if not isinstance(y_pred, tuple | list):  # a reconstruction of the mean
            y_pred = self._sampled(self.with_noise(self.images(x)), False, False)
        losses, nll = variational_loss(self.likelihood, y, *y_pred)
        self.reconstruction_tracker.update_state(nll)
        self.divergence_tracker.update_state(y_pred[1])
        if sample_weight is not None:
            losses = losses * ops.reshape(ops.cast(sample_weight, losses.dtype), (-1,))
        return ops.mean(losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if self.variant.variational and isinstance(y_pred, tuple | list):
            several = y_pred[3].shape[1] if len(y_pred) == 4 else 1
            y_pred = y_pred[0][::several]  # of the first code
        return super().compute_metrics(x, self._targets(x, y), y_pred, sample_weight)

    def fit(self, x: Any = None, y: Any = None, *arguments: Any, **options: Any) -> Any:
        """Keras' `fit`: `fit(x)` means `fit(x, x)`.

        Args:
            x: uint8 images in 0..255 are scaled to [0, 1]; a `Dataset` stands for its training
                images, in the order in which `kae.train` takes them, with its test images for the
                validation.
            y: the images that are to come out; None means `x`.

        Raises:
            DataError: The images hold NaN or infinity, or integers of another type than uint8.

        Examples:
            >>> import numpy as np
            >>> import keras_mnist_ae as kae
            >>> model = kae.build("mlp")
            >>> model.compile("adam", "mse")
            >>> history = model.fit(np.zeros((32, 28, 28), np.uint8), epochs=2, verbose=0)
            >>> len(history.history["loss"])
            2
        """
        if isinstance(x, Dataset):
            return super().fit(**fit_arguments(x, self.seed, *arguments, **options))
        return super().fit(arrays.scaled(x), arrays.scaled(y), *arguments, **options)

    def evaluate(self, x: Any = None, y: Any = None, *arguments: Any, **options: Any) -> Any:
        """Keras' `evaluate`: `evaluate(x)` means `evaluate(x, x)`, uint8 images are scaled."""
        return super().evaluate(arrays.scaled(x), arrays.scaled(y), *arguments, **options)

    def predict(self, x: Any, *arguments: Any, **options: Any) -> Any:
        """Keras' `predict`; uint8 images are scaled to [0, 1]."""
        return super().predict(arrays.scaled(x), *arguments, **options)

    def _stock(self) -> keras.Model:
        return keras.Model(self.input, self.output, name=self.name)
