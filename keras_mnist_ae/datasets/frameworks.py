"""Datasets of other frameworks as a `Dataset` in memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DataError
from .dataset import Dataset

TAKEN = (
    "a name, a path, a kae.Dataset, an array of images, or a PyTorch or TensorFlow dataset of images or of "
    "(image, label) pairs"
)
CHANNELS = (1, 3, 4)


def in_memory(dataset: Any) -> Dataset:
    """The images of an array, of (images, labels), or of a dataset of another framework.

    PyTorch datasets are asked for each index, TensorFlow's and other iterables are read once;
    images whose first axis holds the channels are turned.

    Raises:
        DataError: They are no images.

    Examples:
        >>> pairs = [(np.zeros((3, 8, 8), np.float32), label) for label in (0, 1) * 6]
        >>> print(in_memory(iter(pairs)))
        10 train, 2 test, 2 classes, 3 x 8 x 8
    """
    if isinstance(dataset, tuple) and len(dataset) == 2 and np.ndim(dataset[0]) > 2:
        return Dataset.from_arrays(_channels_last(_array(dataset[0])), labels=dataset[1])
    if hasattr(dataset, "__array__") or isinstance(dataset, list):
        return Dataset.from_arrays(_channels_last(_array(dataset)))
    images, labels = [], []
    for item in _items(dataset):
        image, *label = item if isinstance(item, tuple | list) else (item,)
        images.append(_pixels(image))
        labels += [np.asarray(value) for value in label[:1]]
    if not images:
        raise DataError("the dataset holds no images")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        first, second, *_ = sorted(map(str, shapes))
        raise DataError(f"the images of the dataset have several shapes, such as {first} and {second}")
    named = np.stack(labels) if len(labels) == len(images) else None
    return Dataset.from_arrays(_channels_last(np.stack(images)), labels=named)


def _pixels(image: Any) -> Any:
    """An image as an array; of Pillow's, a palette is resolved."""
    if getattr(image, "mode", None) in ("P", "1", "CMYK", "PA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.asarray(image)


def _array(values: Any) -> Any:
    try:
        return np.asarray(values)
    except ValueError:
        raise DataError("dataset is a list of arrays of several shapes; give images of one") from None


def _channels_last(images: Any) -> Any:
    """Arrays (n, C, H, W), as PyTorch has them, turned to (n, H, W, C)."""
    turned = images.ndim == 4 and images.shape[1] in CHANNELS and images.shape[-1] not in CHANNELS
    return images.transpose(0, 2, 3, 1) if turned else images


def _items(dataset: Any) -> Iterator[Any]:
    if hasattr(dataset, "as_numpy_iterator"):
        yield from dataset.as_numpy_iterator()
    elif hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        yield from (dataset[index] for index in range(len(dataset)))
    elif hasattr(dataset, "__iter__"):
        yield from dataset
    else:
        raise DataError(f"dataset is of type {type(dataset).__name__}; give {TAKEN}")
