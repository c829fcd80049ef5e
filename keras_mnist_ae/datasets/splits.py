"""Which images are for training, validation and test."""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..system.hints import counted
from .labels import Labels

NAMES = {  # of folders, files, arrays and values, in small letters
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
}
# as in train_images, images-test, val2017, PrivateTest
BESIDE = r"(?:images?|imgs?|pictures?|pics|photos?|data|dataset|set|samples?|split|public|private|\d{1,4})"
NAMED = re.compile(
    rf"(?:{BESIDE}[-_ ]?){{0,2}}({'|'.join(sorted(NAMES, key=len, reverse=True))})(?:[-_ ]?{BESIDE}){{0,2}}"
)
TESTED = 6  # one image in so many is for the test, where nothing says which


def split_of(name: str) -> str | None:
    """The split that a name stands for, in any case, alone or beside such words as "images"."""
    match = NAMED.fullmatch(name.lower())
    return NAMES[match[1]] if match else None


def are_splits(names: Iterable[str]) -> bool:
    """Whether names of folders are those of splits: training and another, and nothing else."""
    splits = {split_of(name) for name in names}
    return None not in splits and "train" in splits and len(splits) > 1


def stratified(labels: Labels, count: int, source: object) -> list[NDArray[np.int64]]:
    """Indices for training and for the test, one in six of each class; the same for the same
    labels.

    Raises:
        DataError: There are fewer than two images.
    """
    if count < 2:
        raise DataError(
            f"{source} has {counted(count, 'image') if count else 'no images'}; "
            f"give at least 2: one in {TESTED} is for the test"
        )
    order = np.random.default_rng(0).permutation(count)
    tested = max(1, count // TESTED)
    if labels is None:
        return [np.sort(order[tested:]), np.sort(order[:tested])]
    # By turns of the classes, so that any share of the sequence has them alike.
    turns = np.empty(count, np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        turns[members] = np.arange(len(members)) * count // len(members)
    order = order[np.argsort(turns[order], kind="stable")]
    return [np.sort(order[tested:]), np.sort(order[:tested])]
