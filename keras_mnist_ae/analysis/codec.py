"""An autoencoder as two functions from arrays to arrays, so that a Keras model and exported graphs
meet the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ValidationError

if TYPE_CHECKING:
    from ..models.autoencoder import Autoencoder

Array = NDArray[Any]


@dataclass(frozen=True)
class Codec:
    """`encode` takes float32 images of shape (n, H, W, C) in [0, 1] and gives the list of codes, of
    shape (n, d), and pooling switches, (n, h, w, c), where there are any, and means for a
    variational encoder; `decode` takes that list and gives images. `posterior` takes images and
    gives mean and log variance of a variational code, (n, d) each; None for other variants. `whole`
    does both steps in one, where something does. So many `threads` may call them at once.

    All raise `ValidationError` when what they would give holds NaN or infinity.
    """

    encode: Callable[[Array], list[Array]]
    decode: Callable[[list[Array]], Array]
    posterior: Callable[[Array], tuple[Array, Array]] | None = None
    whole: Callable[[Array], Array] | None = None
    threads: int = 1

    def reconstruct(self, images: Array) -> Array:
        """The images after encoding and decoding; the same shape."""
        return self.whole(images) if self.whole else self.decode(self.encode(images))


def of_model(model: "Autoencoder") -> Codec:
    """The codec of a Keras model."""

    def encode(images: Array) -> list[Array]:
        found = model.encoder.predict_on_batch(images)
        taken = 1 + len(model.variant.switches)  # a variational encoder gives a variance beside
        return [np.asarray(part) for part in (found if isinstance(found, list) else [found])[:taken]]

    def decode(codes: list[Array]) -> Array:
        return np.asarray(model.decoder.predict_on_batch(codes if len(codes) > 1 else codes[0]))

    def posterior(images: Array) -> tuple[Array, Array]:
        mean, log_variance = model.encoder.predict_on_batch(images)
        return np.asarray(mean), np.asarray(log_variance)

    return _checked(encode, decode, posterior if model.variant.variational else None)


class Graphs(Protocol):
    """Exported graphs at work, as `export.runtime.OnnxAutoencoder`."""

    def encode(self, images: Array) -> Any: ...

    def decode(self, codes: Any) -> Array: ...

    def reconstruct(self, images: Array) -> Array: ...

    @property
    def variational(self) -> bool: ...

    def posterior(self, images: Array) -> tuple[Array, Array]: ...


def of_graphs(graphs: Graphs, threads: int = 1) -> Codec:
    """The codec of exported graphs in onnxruntime, for so many threads at once."""

    def encode(images: Array) -> list[Array]:
        found = graphs.encode(images)
        return found if isinstance(found, list) else [found]

    def decode(codes: list[Array]) -> Array:
        return graphs.decode(codes if len(codes) > 1 else codes[0])

    def whole(images: Array) -> Array:
        return _finite(graphs.reconstruct(images), "the autoencoder", "images")

    checked = _checked(encode, decode, graphs.posterior if graphs.variational else None)
    return replace(checked, whole=whole, threads=threads)


def _checked(
    encode: Callable[[Array], list[Array]],
    decode: Callable[[list[Array]], Array],
    posterior: Callable[[Array], tuple[Array, Array]] | None,
) -> Codec:
    def finite_codes(images: Array) -> list[Array]:
        found = encode(images)
        return [_finite(found[0], "the encoder", "codes"), *found[1:]]

    return Codec(finite_codes, lambda codes: _finite(decode(codes), "the decoder", "images"), posterior)


def _finite(array: Array, part: str, what: str) -> Array:
    broken = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if broken.any():
        raise ValidationError(
            f"{part} gives NaN or infinity in {broken.sum()} of {len(array)} {what} at once: there is "
            "nothing to measure.\n"
            "The weights are broken or training diverged; train again with a lower --learning-rate."
        )
    return array
