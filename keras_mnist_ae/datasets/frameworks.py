"""Datasets of other frameworks as a `Dataset` in memory."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import DataError
from .dataset import Dataset
from .fitting import fitted_dataset
from .reading import NOTHING, OF_ARRAYS, Reading, say_unused
from .resize import MODES

TAKEN = (
    "a name, a path, a kae.Dataset, an array of images, or a PyTorch or TensorFlow dataset of images or of "
    "(image, label) pairs"
)
IN_MEMORY = "arrays"  # the dataset of runs that were trained on arrays
KEYS = {"image": ("image", "images", "img", "pixel_values", "x"), "label": ("label", "labels", "y", "target")}


def name_of(dataset: Any) -> str:
    """What a run calls the dataset that it was given: its name or path, or that of arrays."""
    if isinstance(dataset, str | os.PathLike):
        return os.fspath(dataset)
    return dataset.name if isinstance(dataset, Dataset) else IN_MEMORY


def in_memory(dataset: Any, reading: Reading) -> Dataset:
    """The images of a `Dataset`, of an array, of (images, labels), or of a dataset of another
    framework, read as asked.

    PyTorch datasets are asked for each index, TensorFlow's and other iterables are read once, such
    as loaders of batches; items are images, pairs with a label, or dictionaries of these. A pair
    of pairs, as of `keras.datasets`, has the test images second.

    Raises:
        DataError: They are no images.

    Examples:
        >>> pairs = [(np.zeros((3, 8, 8), np.float32), label) for label in (0, 1) * 6]
        >>> print(in_memory(iter(pairs), Reading()))
        10 train, 2 test, 2 classes, 3 x 8 x 8
    """
    if not isinstance(dataset, Dataset):
        say_unused(reading, IN_MEMORY, OF_ARRAYS)
        given = _arrays(dataset)
        dataset = Dataset.from_arrays(
            *given, range=reading.value_range, image_shape=reading.image_shape, name=IN_MEMORY
        )
    else:
        say_unused(reading, "a kae.Dataset", NOTHING)
    return fitted_dataset(dataset, reading)


def _arrays(dataset: Any) -> tuple[Any, Any, Any, Any]:
    """Training images, test images, training labels and test labels; None where there are none."""
    if isinstance(dataset, tuple) and len(dataset) == 2:
        if all(isinstance(part, tuple) and len(part) == 2 for part in dataset):  # as keras.datasets
            (train, labels), (test, test_labels) = dataset
            return _array(train), _array(test), labels, test_labels
        if isinstance(dataset[0], list) and dataset[0] and np.ndim(dataset[0][0]) > 1:
            dataset = _array([_pixels(image) for image in dataset[0]]), dataset[1]
        if hasattr(dataset[0], "__array__") and np.ndim(dataset[0]) > 1:
            return _array(dataset[0]), None, dataset[1], None
    pairs = isinstance(dataset, list) and any(isinstance(item, tuple | dict) for item in dataset)
    if hasattr(dataset, "__array__") or (isinstance(dataset, list) and not pairs):
        given = [_pixels(image) for image in dataset] if isinstance(dataset, list) else dataset
        return _array(given), None, None, None
    if isinstance(dataset, dict):
        array, label = _pair(dataset)
        return _array(array), None, label, None
    images: list[Any] = []
    labels = []
    batched = getattr(dataset, "batch_size", None) is not None  # as PyTorch's loaders have it
    for item in _items(dataset):
        image, label = _pair(item)
        image = _pixels(image)
        batched = batched or image.ndim == 4 or (image.ndim == 3 and _is_batch(image, label))
        images += list(image) if batched else [image]
        labels += [] if label is None else list(np.asarray(label)) if batched else [np.asarray(label)]
    if not images:
        raise DataError("the dataset holds no images")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        first, second, *_ = sorted(map(str, shapes))
        raise DataError(f"the images of the dataset have several shapes, such as {first} and {second}")
    return np.stack(images), None, np.stack(labels) if len(labels) == len(images) else None, None


def _is_batch(image: Any, label: Any) -> bool:
    """Whether the first axis counts images of one channel: it has as many labels, or neither it nor
    the last counts channels.
    """
    if label is not None and np.ndim(label):
        return bool(np.shape(label)[0] == len(image))
    return not {image.shape[0], image.shape[-1]} & {*MODES}


def _pair(item: Any) -> tuple[Any, Any]:
    """An image and its label, or a batch of them; None where there is no label. Raises
    `DataError`.
    """
    if isinstance(item, dict):
        named = {name: next((item[key] for key in keys if key in item), None) for name, keys in KEYS.items()}
        if named["image"] is None:
            raise DataError(f"the items of the dataset have {', '.join(map(str, item))}, but no image")
        return named["image"], named["label"]
    if isinstance(item, tuple | list):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


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


def _items(dataset: Any) -> Iterator[Any]:
    if hasattr(dataset, "as_numpy_iterator"):
        yield from dataset.as_numpy_iterator()
    elif hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        yield from (dataset[index] for index in range(len(dataset)))
    elif hasattr(dataset, "__iter__"):
        yield from dataset
    else:
        raise DataError(f"dataset is of type {type(dataset).__name__}; give {TAKEN}")
