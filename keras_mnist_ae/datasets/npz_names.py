"""What the arrays of a .npz file hold, by such names as x_train, trainY, test_images, labels."""

import re
from collections.abc import Iterable

from .splits import NAMES

IMAGES, LABELS = "images", "labels"
SPLITS = ("train", "test", "validation")
KINDS = {
    **dict.fromkeys(("images", "image", "x", ""), IMAGES),
    **dict.fromkeys(("labels", "label", "y", "targets", "target"), LABELS),
}
SEVERAL_WORDS = re.compile(r"([a-z])([A-Z])")

Roles = dict[tuple[str, str], str]
"""The names of arrays by split ("" is none) and kind."""


def by_name(names: Iterable[str]) -> tuple[Roles, list[str]]:
    """Which array holds the images or labels of which split, and the other arrays.

    Examples:
        >>> by_name(["trainX", "trainY", "masks"])
        ({('train', 'images'): 'trainX', ('train', 'labels'): 'trainY'}, ['masks'])
    """
    roles: Roles = {}
    others = []
    for name in names:
        words = re.findall(r"[a-z]+|\d+", SEVERAL_WORDS.sub(r"\1_\2", name).lower())
        splits = [NAMES[word] for word in words if word in NAMES]
        kind = KINDS.get("_".join(word for word in words if word not in NAMES))
        split = splits[0] if splits else ""
        if kind is None or len(splits) > 1 or (split, kind) in roles:
            others.append(name)
        else:
            roles[split, kind] = name
    return roles, others
