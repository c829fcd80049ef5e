"""An autoencoder on numpy arrays."""

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from ..architecture.variant import Variant
from . import arrays


class OnArrays:
    """`encode`, `decode` and `reconstruct` on arrays of any type and layout that exported graphs
    take: see `export.runtime.OnnxAutoencoder`.
    """

    variant: Variant
    encoder: keras.Model
    decoder: keras.Model

    def encode(self, images: ArrayLike) -> Any:
        """The codes of images, as `OnnxAutoencoder.encode` gives them.

        Args:
            images: shape (n, H, W, C), (H, W, C), or without C where it is 1: uint8 in 0..255 or
                floating point in [0, 1], in any memory layout.

        Returns:
            float32 of shape (n, d); for a variational model the means; for one with pooling
            switches the list [codes, switch, ...], switches uint8 of shape (n, h, w, c).

        Raises:
            DataError: The images are of another shape, type or range.

        Examples:
            >>> import numpy as np
            >>> import keras_mnist_ae as kae
            >>> kae.build("mlp").encode(np.zeros((5, 28, 28), np.uint8)).shape
            (5, 32)
        """
        found = arrays.computed(self.encoder, [images], [("image", self.encoder.input)])
        found = found[: 1 + len(self.variant.switches)]
        return found if len(found) > 1 else found[0]

    def decode(self, codes: Any) -> np.ndarray:
        """Images, float32 of shape (n, H, W, C), of codes of shape (n, d) or (d,), or of the list
        that `encode` gave.

        Raises:
            DataError: The codes are of another shape, or not finite.

        Examples:
            >>> import numpy as np
            >>> import keras_mnist_ae as kae
            >>> kae.build("mlp").decode(np.zeros(32)).shape
            (1, 28, 28, 1)
        """
        names = ["latent", *(f"switch_{name}" for name in self.variant.switches)]
        inputs = list(zip(names, self.decoder.inputs, strict=True))
        return arrays.computed(self.decoder, codes if len(inputs) > 1 else [codes], inputs)[0]

    def reconstruct(self, images: ArrayLike) -> np.ndarray:
        """The images after encoding and decoding, float32 of shape (n, H, W, C) in [0, 1].

        Takes what `encode` takes.

        Examples:
            >>> import numpy as np
            >>> import keras_mnist_ae as kae
            >>> kae.build("mlp").reconstruct(np.zeros((28, 28))).shape
            (1, 28, 28, 1)
        """
        return self.decode(self.encode(images))
