"""Image sets in memory: two splits of images, and the names of their classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..system.hints import counted, titled
from ..system.notes import say
from .axes import axes
from .cache import Decoded, content_sha256
from .labels import Labels, numbered
from .reading import Reading, scaled
from .splits import stratified


@dataclass(frozen=True)
class Split:
    """Images uint8 of shape (n, H, W, C), labels int64 of shape (n,) or None where there are none.
    `targets`, of the images' shape, are what is to come out, where that is not the images.
    Read-only, often memory-mapped.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    targets: NDArray[np.uint8] | None = None

    @property
    def wanted(self) -> NDArray[np.uint8]:
        """What is to come out: the targets, or the images."""
        return self.images if self.targets is None else self.targets

    def take(self, at: Any) -> "Split":
        """Some images by a slice, a mask or an array of numbers, with what belongs to them."""
        labels = None if self.labels is None else self.labels[at]
        return Split(self.images[at], labels, None if self.targets is None else self.targets[at])


@dataclass(frozen=True)
class Dataset:
    """Two splits and the names of the classes, () without labels.

    `sha256` identifies the content wherever it came from: it is taken over the bytes of train
    images, train labels, test images, test labels (as little-endian int64). The last `validation`
    training images are a validation split of the source.

    Examples:
        >>> import numpy as np
        >>> data = Dataset.from_arrays(np.zeros((12, 8, 8)), labels=["a", "b"] * 6)
        >>> data.image_shape, data.classes, data.train.images.shape
        ((1, 8, 8), ('a', 'b'), (10, 8, 8, 1))
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    sha256: str
    validation: int = 0
    depth: tuple[float, float] | None = None

    @property
    def title(self) -> str:
        """The name as it is shown: of a path its last part."""
        return titled(self.name)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, height, width, channels = self.train.images.shape
        return channels, height, width

    def __str__(self) -> str:
        channels, height, width = self.image_shape
        parts = [f"{len(self.train.images) - self.validation:,} train"]
        parts += [f"{self.validation:,} validation"] if self.validation else []
        parts.append(f"{len(self.test.images):,} test")
        classes = counted(len(self.classes), "class", "classes") if self.classes else "no labels"
        pairs = "" if self.train.targets is None else ", with targets"
        return f"{', '.join(parts)}, {classes}, {channels} x {height} x {width}{pairs}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(f'{self.name}: {self}')}</pre>"

    @classmethod
    def from_arrays(
        cls,
        train: ArrayLike,
        test: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        test_labels: ArrayLike | None = None,
        *,
        targets: ArrayLike | None = None,
        test_targets: ArrayLike | None = None,
        classes: Sequence[str] = (),
        range: str | tuple[float, float] | None = None,
        image_shape: str | tuple[int, ...] | None = None,
        name: str = "arrays",
    ) -> "Dataset":
        """A dataset of arrays in memory.

        Args:
            train: images of shape (n, H, W), (n, H, W, C) or (n, C, H, W), C being 1, 3 or 4, or
                rows of numbers: uint8 in 0..255, other integers in the same range, or floating
                point in [0, 1].
            test: the same for the test; None takes one in six of `train`, of each class alike.
            labels: of the training images: whole numbers, text or one-hot rows.
            test_labels: of the test images.
            targets: what is to come out of `train`, of the same shape; None means `train` itself.
            test_targets: the same for `test`.
            classes: names of the classes 0, 1, ...; () names them by their labels.
            range: the numbers that are black and white, where they are others: (-1, 1) or "-1:1".
            image_shape: height, width and maybe channels of images in rows: (20, 30) or "20x30";
                None takes square ones.
            name: what the dataset is called.

        Raises:
            DataError: The arrays are not images, or do not belong together.

        Examples:
            >>> import numpy as np
            >>> print(Dataset.from_arrays(np.zeros((60, 28, 28), np.uint8)))
            50 train, 10 test, no labels, 1 x 28 x 28
        """
        asked = Reading().changed((), {"range": range, "image_shape": image_shape})
        images = _images(asked, train=train, targets=targets)
        numbers, named = _labels(labels, len(images), "labels")
        if test is None and (test_labels is not None or test_targets is not None):
            raise DataError("test_labels and test_targets belong to test; give the test images")
        if test is None:
            chosen = stratified(numbers, len(images), name)
            splits = [(images[at], None if numbers is None else numbers[at]) for at in chosen]
        else:
            others = _images(asked, test=test, test_targets=test_targets)
            if (targets is None) != (test_targets is None):
                raise DataError("give both targets and test_targets, or none of them")
            if others.shape[1:] != images.shape[1:]:
                raise DataError(f"train has images of {images.shape[1:]}, test of {others.shape[1:]}")
            both, named = _both(labels, test_labels, len(images), len(others))
            splits = [(images, both[0]), (others, both[1])]
        if len(classes) and len(classes) < len(named):
            raise DataError(
                f"there are {len(named)} labels and names of {counted(len(classes), 'class', 'classes')}"
            )
        names = tuple(classes) if len(classes) else named
        arrays = (*splits[0], *splits[1])
        content = Decoded(arrays, names, content_sha256(arrays), paired=targets is not None)
        return of_decoded(name, content)


def of_decoded(name: str, content: Decoded) -> Dataset:
    """The dataset of decoded arrays, which become read-only."""
    views = {id(array): _read_only(array) for array in content.arrays}  # what is one array stays one
    train_images, train_labels, test_images, test_labels = (views[id(array)] for array in content.arrays)

    def split(images: NDArray[np.uint8], labels: Labels) -> Split:
        half = images.shape[-1] // 2
        return (
            Split(images[..., :half], labels, images[..., half:]) if content.paired else Split(images, labels)
        )

    return Dataset(
        name,
        split(train_images, train_labels),
        split(test_images, test_labels),
        content.classes,
        content.sha256,
        content.validation,
        content.depth,
    )


def _read_only(array: Any) -> Any:
    """A view of the array; that of the user stays as it is."""
    if array is not None:
        array = array.view()
        array.flags.writeable = False
    return array


def _images(asked: Reading, **given: ArrayLike | None) -> NDArray[np.uint8]:
    """The images of an array by its name, and behind their channels those that are to come out,
    where there is a second one.
    """
    found = [_read(asked, values, name) for name, values in given.items() if values is not None]
    if len({array.shape for array in found}) > 1:
        raise DataError(f"{[*given][1]} has shape {found[1].shape}; what goes in has {found[0].shape}")
    return found[0] if len(found) == 1 else np.concatenate(found, axis=-1)


def _read(asked: Reading, values: ArrayLike, name: str) -> NDArray[np.uint8]:
    try:
        array = np.asarray(values)
        if not array.size:
            raise ValueError(f"{name} has shape {array.shape}, without images")
        there = axes(array.shape, name, asked.image_shape)
        if array.ndim == 2 and not asked.image_shape:
            say(f"kae: {name}: rows of {array.shape[1]} numbers are read as {there.height}x{there.width}")
        return there.channels_last(scaled(array, asked.value_range, name))
    except ValueError as error:
        raise DataError(str(error)) from error


def _labels(values: Any, count: int, name: str) -> tuple[Labels, tuple[str, ...]]:
    if values is None:
        return None, ()
    if len(values) != count:
        raise DataError(f"there are {count} images and {len(values)} {name}")
    try:
        return numbered(np.asarray(values))
    except ValueError as error:
        say(f"kae: no labels are used: {error}")
        return None, ()


def _both(
    train: Any, test: Any, count: int, test_count: int
) -> tuple[tuple[Labels, Labels], tuple[str, ...]]:
    """Labels of both splits under the same classes; none where one split has none."""
    if train is None or test is None:
        if train is not None or test is not None:
            say(f"kae: no labels for {'train' if train is None else 'test'}: none are used")
        return (None, None), ()
    of_train, of_test = (_labels(train, count, "labels"), _labels(test, test_count, "test labels"))
    if of_train[0] is None or of_test[0] is None:
        return (None, None), ()
    try:
        numbers, names = numbered(np.concatenate([_flat(train), _flat(test)]))
    except ValueError:
        raise DataError("labels and test_labels are of different kinds; give both alike") from None
    assert numbers is not None
    return (numbers[:count], numbers[count:]), names


def _flat(labels: Any) -> NDArray[Any]:
    """Labels of shape (n, 1) as (n,)."""
    array = np.asarray(labels)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
