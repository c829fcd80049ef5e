"""Training images of some classes only."""

import dataclasses

import numpy as np

from ..errors import DataError, UsageError
from ..system.hints import did_you_mean
from .dataset import Dataset, Split
from .images import Images
from .mapped import filled


def only(data: Dataset, classes: str) -> Dataset:
    """The dataset with training images of these classes; the test images stay.

    Args:
        classes: names or numbers, separated by commas, such as "3" or "cat,dog".

    Raises:
        DataError: The dataset has no labels, or no training image of these classes.
        UsageError: There is no such class.
    """
    labels = data.train.labels
    if labels is None:
        raise DataError(f"{data.name} has no labels, so no classes can be chosen")
    chosen = np.isin(labels, numbers(data, classes))
    count = len(labels) - data.validation
    if not chosen[:count].any():
        raise DataError(f"{data.name} has no training image of class {classes}")
    at = np.flatnonzero(chosen)

    def taken(images: Images) -> Images:
        kept = filled((len(at), *images.shape[1:]), (images[index] for index in at))
        kept.flags.writeable = False
        return kept

    targets = None if data.train.targets is None else taken(data.train.targets)
    train = Split(taken(data.train.images), labels[at], targets)
    return dataclasses.replace(data, train=train, validation=int(chosen[count:].sum()))


def numbers(data: Dataset, classes: str) -> list[int]:
    """The numbers of classes that are given by name or number. Raises `UsageError`."""
    found = []
    for word in (word.strip() for word in classes.split(",")):
        if word in data.classes:
            found.append(data.classes.index(word))
        elif word.isdecimal() and int(word) < len(data.classes):
            found.append(int(word))
        else:
            raise UsageError(
                f"{data.name} has no class {word!r}{did_you_mean(word, data.classes)}\n"
                f"Its classes: {', '.join(data.classes[:40])}."
            )
    return found
