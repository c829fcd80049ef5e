"""One training run from its settings to its folder."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

from ..architecture.variant import Variant
from ..datasets.dataset import Dataset
from ..runs import runs_dir
from ..runs.config import TrainConfig, configure
from ..runs.environment import describe
from ..runs.folder import Run
from ..runs.reopen import check, load_data, settled
from ..system import backend, signals
from .extras import Extras
from .hints import before_training


def train(
    variant: str | Variant = "conv-avgpool",
    dataset: "str | PathLike[str] | Dataset | Any" = "mnist",
    *,
    callbacks: Sequence[Any] = (),
    optimizer: Any = None,
    loss: Any = None,
    **settings: Any,
) -> Run:
    """Train a variant and write its run folder. A line per epoch goes to stderr.

    Args:
        variant: a name (see `kae models`) or a table of your own.
        dataset: a name (see `kae data list`), the path of a folder of pictures or of a file, a
            `Dataset`, an array of images of shape (n, H, W) or (n, H, W, C), or a PyTorch or
            TensorFlow dataset of images or of (image, label) pairs, which is read into memory.
        callbacks: Keras callbacks, such as keras.callbacks.EarlyStopping.
        optimizer: a Keras optimizer in place of Adam.
        loss: a Keras loss in place of the mean squared error, or its name.
        settings: fields of `TrainConfig`, such as epochs=20 or latent_dim=8.

    Returns:
        The finished run, with `model`, `history`, `metrics` and `path`.

    Raises:
        UsageError: A setting cannot be used.
        MissingDependencyError: The backend is not installed.
        DataError: The data are missing, damaged, or of another size than the variant's.
        DivergedError: The loss is no longer finite.
        WriteError: The run folder cannot be written.

    >>> run = train("mlp", "digits", epochs=1, limit=64, runs_dir=getfixture("tmp_path"))
    >>> sorted(run.metrics)[:3]
    ['mean_image_mse', 'pca_mse', 'test_mse']
    """
    named = {"table": variant} if isinstance(variant, Variant) else {"variant": variant}
    data = None
    if not isinstance(dataset, str | PathLike):
        data = dataset if isinstance(dataset, Dataset) else _in_memory(dataset)
        dataset = data.name
    config = configure(**named, dataset=dataset, **settings)
    return train_config(config, data, Extras(callbacks, optimizer, loss))


def train_config(config: TrainConfig, data: Dataset | None = None, extras: Extras | None = None) -> Run:
    """The same for settings that are complete; `data` in place of the dataset that they name."""
    from .finish import finish

    extras = extras or Extras()
    backend.choose(config.backend, config.device)
    data = load_data(config) if data is None else check(config, data)
    config = settled(config, data)
    variant = config.architecture(data.image_shape)
    before_training(config, variant, data)
    run = runs_dir.create(config)
    with run.locked(), signals.remedied(f"kae resume {run.path}"):
        run.write_variant(variant)
        custom = {"custom": names} if (names := extras.names()) else {}
        run.write_environment(**describe(config, data), **custom)
        finish(run, config, data, extras)
    return run


def _in_memory(dataset: Any) -> Dataset:
    """Images of an array or of a dataset of another framework."""
    import numpy as np

    if hasattr(dataset, "__array__") or isinstance(dataset, list):
        return Dataset.from_arrays(dataset)
    items = dataset.as_numpy_iterator() if hasattr(dataset, "as_numpy_iterator") else _items(dataset)
    images, labels = [], []
    for item in items:
        image, *label = item if isinstance(item, tuple | list) else (item,)
        images.append(np.asarray(image))
        labels += [np.asarray(value) for value in label[:1]]
    stacked = np.stack(images)
    if stacked.ndim == 4 and stacked.shape[1] in (1, 3, 4) and stacked.shape[-1] not in (1, 3, 4):
        stacked = stacked.transpose(0, 2, 3, 1)  # PyTorch's channels first
    named = np.stack(labels) if len(labels) == len(images) else None
    return Dataset.from_arrays(stacked, labels=named)


def _items(dataset: Any) -> Any:
    return (dataset[index] for index in range(len(dataset))) if hasattr(dataset, "__len__") else dataset
