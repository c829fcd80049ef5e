"""Autoencoders as scikit-learn estimators: `AutoencoderTransformer` and `AutoencoderDetector`.

Both take flat rows, with the `image_shape` that they have, or arrays of shape (n, H, W, C). Numbers
are scaled to [0, 1] by the range of the training data, feature values of any size are welcome.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .training.estimator import AutoencoderEstimator, Floats

__all__ = ["AutoencoderDetector", "AutoencoderTransformer"]


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, AutoencoderEstimator):
    """Codes of an autoencoder as features.

    Args:
        variant: "auto", a dense net for small images and the `conv` family from 16 pixels on, or
            the name of a variant.
        latent_dim: length of the code.
        image_shape: height, width and maybe channels of images that come as rows.
        epochs, batch_size, learning_rate: of the training with Adam on the mean squared error.
        random_state: seed of weights and order.

    Examples:
        >>> import numpy as np
        >>> X = np.random.default_rng(0).random((40, 64))
        >>> transformer = AutoencoderTransformer(latent_dim=3, image_shape=(8, 8), epochs=1)
        >>> transformer.fit_transform(X).shape
        (40, 3)
    """

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train on rows (n, features) or images (n, H, W, C)."""
        self._fit(X)
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """The codes (n, latent_dim)."""
        check_is_fitted(self)
        return self._encode(self._rows(X, reset=False))

    def inverse_transform(self, X: ArrayLike) -> Floats:
        """Rows (n, features) from codes (n, latent_dim)."""
        check_is_fitted(self)
        return self._decode(np.asarray(X, np.float64))

    def score_samples(self, X: ArrayLike) -> Floats:
        """Minus the mean squared error of each row: the larger, the better it is reconstructed."""
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        errors: Floats = -np.square(self._decode(self._encode(rows)) - rows).mean(axis=1)
        return errors

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim


class AutoencoderDetector(OutlierMixin, AutoencoderEstimator):
    """Outliers by the error of an autoencoder and by its code: see `analysis.scores`.

    Args:
        contamination: share of the training rows that is taken for outliers.
        measure: "error+code", "error" or "code".

    The other arguments are those of `AutoencoderTransformer`.

    Examples:
        >>> import numpy as np
        >>> X = np.random.default_rng(0).random((40, 64))
        >>> int((AutoencoderDetector(image_shape=(8, 8), epochs=1).fit_predict(X) == -1).sum())
        4
    """

    def __init__(
        self,
        variant: str = "auto",
        *,
        contamination: float = 0.1,
        measure: str = "error+code",
        latent_dim: int = 8,
        image_shape: tuple[int, ...] | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            variant,
            latent_dim=latent_dim,
            image_shape=image_shape,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            random_state=random_state,
        )
        self.contamination = contamination
        self.measure = measure

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train on rows (n, features) or images (n, H, W, C), most of which are normal."""
        if not 0 < self.contamination <= 0.5:
            raise ValueError(f"contamination is {self.contamination!r}; give a share above 0 to 0.5")
        rows = self._fit(X)
        codes = self._encode(rows)
        self.code_mean_ = codes.mean(axis=0)
        covariance = np.atleast_2d(np.cov(codes, rowvar=False))
        scale = max(float(np.trace(covariance)) / len(covariance), 1e-12)
        self.code_precision_ = np.linalg.inv(0.95 * covariance + 0.05 * scale * np.eye(len(covariance)))
        terms = self._terms(rows)
        self.terms_ = [(term.mean(), max(float(term.var()), 1e-30)) for term in terms]
        self.offset_ = float(np.percentile(self._scores(rows), 100 * self.contamination))
        return self

    def score_samples(self, X: ArrayLike) -> Floats:
        """The larger, the more normal."""
        check_is_fitted(self)
        return self._scores(self._rows(X, reset=False))

    def decision_function(self, X: ArrayLike) -> Floats:
        """`score_samples` above the threshold; negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """1 for normal rows, -1 for outliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _terms(self, rows: Floats) -> tuple[Floats, Floats]:
        codes = self._encode(rows)
        errors = np.square((self._decode(codes) - rows) / self.scale_).mean(axis=1)
        difference = codes - self.code_mean_
        distances = np.einsum("nd,de,ne->n", difference, self.code_precision_, difference)
        return errors, distances / difference.shape[1]

    def _scores(self, rows: Floats) -> Floats:
        chosen = {"error": (0,), "code": (1,), "error+code": (0, 1)}.get(self.measure)
        if chosen is None:
            raise ValueError(f"measure is {self.measure!r}; use one of error+code, error, code")
        terms = self._terms(rows)
        total: Floats = -sum(
            (self.terms_[at][0] / self.terms_[at][1] * terms[at] for at in chosen),
            start=np.zeros(len(rows)),
        )
        return total
