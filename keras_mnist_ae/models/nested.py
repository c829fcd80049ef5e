"""Nested dropout: one model whose code can be cut after any of its numbers (Rippel et al. 2014,
"Learning ordered representations with nested dropout").
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..architecture.variant import Variant
from ..datasets.augment import Augmentation
from .autoencoder import BACKEND, Autoencoder
from .build import build
from .keras_forward import decode, encode, why_not_fast


class Cuts:
    """What goes into a nested model in place of images: (images, mask), the mask (n, d) 1 in the
    first b numbers of each code and 0 behind.

    b is drawn for each image from (seed, epoch, batch), with a probability as 1 / b: each doubling
    is as likely. Rippel et al. draw it from a geometric distribution, under which the last of many
    numbers are hardly ever trained.
    """

    def __init__(self, seed: int, latent: int, augment: Augmentation | None = None) -> None:
        self.seed = seed
        self.augment = augment
        self.latent = latent
        weights = 1 / np.arange(1, latent + 1)
        self._bounds = np.cumsum(weights / weights.sum())

    def targets(self, images: NDArray[np.float32], epoch: int, batch: int) -> NDArray[np.float32]:
        """The images that are to come out: moved as `augment` says, before they go in."""
        if not self.augment:
            return images
        return self.augment(images, np.random.default_rng((self.seed, epoch, batch, 3)))

    def __call__(self, images: NDArray[np.float32], epoch: int, batch: int, step: int) -> Any:
        generator = np.random.default_rng((self.seed, epoch, batch, 4))
        kept = np.searchsorted(self._bounds[:-1], generator.random(len(images)), side="right") + 1
        mask = np.arange(self.latent) < kept[:, np.newaxis]
        return images, mask.astype(np.float32)


class Nested(Autoencoder):
    """An `Autoencoder` that is trained on pairs of images and masks of their codes."""

    def is_sampled(self, inputs: Any) -> bool:
        return isinstance(inputs, tuple | list) and len(inputs) == 2

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not self.is_sampled(inputs):
            return super().call(inputs, training=training, mask=mask)
        images, kept = inputs
        if BACKEND == "torch" or why_not_fast(self):
            return self.decoder(self.encoder(images, training=training) * kept, training=training)
        saved = dict[str, Any]()
        codes = encode(self, images, saved, bool(training)) * kept
        return decode(self, codes, saved, bool(training))

    def _prepare(self) -> None:
        """The fast steps on torch: see `torch_step.TorchModel`."""
        from .torch_step import Fast, Outcome
        from .torch_stock import why_stock

        class Steps(Fast):
            def forward_pass(self, x: Any, y: Any, training: bool) -> Outcome:
                if not isinstance(x, tuple):
                    return super().forward_pass(x, y, training)
                images, kept = x
                saved = dict[str, Any]()
                codes = self.forward.encode(images, saved, training) * kept
                made = self.forward.decode(codes, saved, training)
                return Outcome(made, (made - y).square().mean())

        self._fast = None if why_stock(self) else Steps(self)


def nested(variant: Variant, seed: int) -> Nested:
    """An untrained model of a table, to be trained on what `Cuts` makes.

    Examples:
        >>> from keras_mnist_ae.architecture.variants import find
        >>> model = nested(find("mlp"), seed=0)
        >>> Cuts(0, 4)(np.zeros((2, 28, 28, 1), np.float32), 0, 0, 0)[1].shape
        (2, 4)
    """
    plain = build(variant, seed)
    return Nested(variant, plain.encoder, plain.decoder)
