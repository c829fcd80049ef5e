"""The names of splits, and the images for training and test where no name tells."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

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
    "eval": "test",
    "evaluation": "test",
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


def splits_of(names: Iterable[str], some: bool = False) -> dict[str, str]:
    """The splits of several names, as of `seg_train` and `seg_test`: where not each is one, what
    they have in common up to a separator is left aside. {} where they are none; with `some` also
    where others lie beside those of training and another split.
    """
    names = list(names)
    front = re.match(r"(.*[-_. ])?", os.path.commonprefix(names))  # noqa: RUF071 - of characters
    back = re.search(r"([-_. ].*)?$", os.path.commonprefix([name[::-1] for name in names])[::-1])  # noqa: RUF071
    before, behind = len(front[0]) if front else 0, len(back[0]) if back else 0
    for start, end in ((0, 0), (before, 0), (0, behind), (before, behind)):
        found = {name: split for name in names if (split := split_of(name[start : len(name) - end]))}
        if len(found) == len(names) or (some and {"train"} < set(found.values())):
            return found
    return {}


def splits_with_classes(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Splits and classes of the names that hold both, as `trainA` and `testB`, `train_cats` or
    `cats-test` do; {} where no class has training images and others.
    """
    words = f"((?i:{'|'.join(sorted(NAMES, key=len, reverse=True))}))"
    first = re.compile(rf"{words}(?:[-_. ]+|(?=[A-Z]))(.+)")
    last = re.compile(rf"(.+?)(?:[-_. ]+|(?<=[a-z])(?=[A-Z])){words}")
    found = {}
    for name in names:
        if match := first.fullmatch(name):
            found[name] = (match[1], match[2])
        elif match := last.fullmatch(name):
            found[name] = (match[2], match[1])
    trained = {kind for split, kind in found.values() if NAMES[split.lower()] == "train"}
    others = {kind for split, kind in found.values() if NAMES[split.lower()] != "train"}
    return found if trained & others else {}


def splits_of_files(files: Sequence[Path]) -> list[str]:
    """The split of each of several files, by the beginning of its name, by its folder, or by what
    else differs in their names; "" where nothing tells, as for a single one.
    """
    if len(files) == 1:
        return [""]
    found = [split_of(re.split(r"[-_.]", file.name)[0]) or split_of(file.parent.name) for file in files]
    if not any(found):
        stems = [re.sub(r"([-_.]\d+|[-_]\d+-of-\d+)*$", "", file.name.split(".")[0]) for file in files]
        by_name = splits_of(set(stems))
        found = [by_name.get(stem) for stem in stems]
    return [split or "" for split in found]


def are_splits(names: Iterable[str]) -> bool:
    """Whether names of folders are those of splits: training and another, and nothing else."""
    splits = set(splits_of(names).values())
    return "train" in splits and len(splits) > 1


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
