"""What the scikit-learn estimators share: fitting on rows, and moving between rows and images."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_random_state, validate_data

BATCH = 32  # rows computed at once

Floats = NDArray[np.float64]


class AutoencoderEstimator(BaseEstimator):
    """What the two estimators share: fitting, and moving between rows and images."""

    image_shape_: tuple[int, ...] | None

    def __init__(
        self,
        variant: str = "auto",
        *,
        latent_dim: int = 8,
        image_shape: tuple[int, ...] | None = None,
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        random_state: Any = 0,
    ) -> None:
        self.variant = variant
        self.latent_dim = latent_dim
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def _rows(self, X: ArrayLike, reset: bool) -> Floats:
        """Checked rows (n, features)."""
        rows: Any = X
        if len(getattr(X, "shape", ())) == 4:
            images = np.asarray(X)
            if reset:
                self.image_shape_ = tuple(images.shape[1:])
            rows = images.reshape(len(images), -1)
        least = 2 if reset else 1
        checked: Floats = validate_data(self, rows, reset=reset, dtype=np.float64, ensure_min_samples=least)
        return checked

    def _fit(self, X: ArrayLike) -> Floats:
        """Train; the rows that were trained on."""
        import keras

        from ..architecture import Dense, Flatten, Recipe, Stack, Unflatten, Variant
        from ..architecture.families import FAMILIES
        from ..models.build import build

        self.image_shape_ = self.image_shape
        rows = self._rows(X, reset=True)
        height, width, channels = _shape(self.image_shape_, rows.shape[1])
        self.low_ = float(rows.min())
        self.scale_ = float(rows.max() - self.low_) or 1.0
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        image = (channels, height, width)
        if self.variant == "auto" and min(height, width) >= 16:
            table = FAMILIES["conv"](image, self.latent_dim)
        elif self.variant == "auto":
            size, hidden = rows.shape[1], max(16, 2 * self.latent_dim)
            encoder = Stack.of(
                image, Flatten(), Dense(size, hidden, act="relu"), Dense(hidden, self.latent_dim)
            )
            decoder = Stack.of(
                (self.latent_dim,),
                Dense(self.latent_dim, hidden, act="relu"),
                Dense(hidden, size),
                Unflatten(*image),
            )
            parameters = encoder.parameters + decoder.parameters
            table = Variant("auto", "dense", encoder, decoder, parameters, Recipe(20, 32, 1e-3))
        else:
            from ..architecture.transforms import latent_size
            from ..architecture.variants import find

            table = latent_size(find(self.variant, image), self.latent_dim)
        model = build(table, seed)
        keras.utils.set_random_seed(seed)
        images = self._images(rows)
        model.compile(keras.optimizers.Adam(self.learning_rate), "mse")
        model.fit(images, images, batch_size=self.batch_size, epochs=self.epochs, verbose=0)
        self.table_, self.model_, self.n_parameters_ = table, model, table.parameters
        return rows

    def _images(self, rows: Floats) -> NDArray[np.float32]:
        """Rows as images (n, H, W, C), [0, 1] for what lies in the range of the training data."""
        scaled = (rows - self.low_) / self.scale_
        shape = _shape(self.image_shape_, rows.shape[1])
        return scaled.astype(np.float32).reshape(-1, *shape)

    def _encode(self, rows: Floats) -> Floats:
        return _predicted(self.model_.encoder, self._images(rows)).astype(np.float64)

    def _decode(self, codes: Floats) -> Floats:
        images = _predicted(self.model_.decoder, codes.astype(np.float32))
        rows: Floats = images.reshape(len(images), -1).astype(np.float64) * self.scale_ + self.low_
        return rows

    def __getstate__(self) -> dict[str, Any]:
        """The table and the weights in place of the Keras model."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            model = state.pop("model_")
            state["weights_"] = [np.asarray(weight) for weight in model.get_weights()]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("weights_", None)
        super().__setstate__(state)
        if weights is not None:
            from ..models.build import build

            self.model_ = build(self.table_)
            self.model_.set_weights(weights)


def _predicted(model: Any, given: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first output of a model, in batches that are all of one size: XLA rounds otherwise for
    others, and what a row gives must not depend on the rows beside it.
    """
    missing = -len(given) % BATCH
    padded = np.concatenate([given, np.zeros((missing, *given.shape[1:]), np.float32)])
    found = model.predict(padded, batch_size=BATCH, verbose=0)
    return np.asarray(found[0] if isinstance(found, list) else found)[: len(given)]


def _shape(image_shape: tuple[int, ...] | None, features: int) -> tuple[int, int, int]:
    """Height, width and channels of images of so many features; a row of pixels where none is
    given.
    """
    if image_shape is None:
        return 1, features, 1
    shape = (*image_shape, 1) if len(image_shape) == 2 else tuple(image_shape)
    if len(shape) != 3 or int(np.prod(shape)) != features:
        raise ValueError(f"image_shape is {image_shape}, but there are {features} features")
    return shape[0], shape[1], shape[2]
