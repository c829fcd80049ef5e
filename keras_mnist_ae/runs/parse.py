"""Settings whose text is taken apart. Imports what parses them only when it is called."""

import re
from typing import Any

from ..errors import UsageError


def parse_range(text: Any) -> object:
    """The two numbers of "LOW:HIGH". Raises `UsageError`."""
    from ..datasets.reading import range_of

    return range_of(text)


def parse_image_shape(text: Any) -> object:
    """Height, width and channels of "HxW" or "HxWxC". Raises `UsageError`."""
    from ..datasets.reading import shape_of

    return shape_of(text)


def parse_arrays(text: Any) -> object:
    """Roles and names of "train=X,labels=y". Raises `UsageError`."""
    from ..datasets.reading import arrays_of

    return arrays_of(text)


def parse_noise(text: Any) -> object:
    """Kind and amount of "KIND:AMOUNT". Raises `UsageError`."""
    from ..datasets.noise import corruption

    return corruption(text)


def parse_augment(text: Any) -> object:
    """Shift and flip of "shift:2,flip". Raises `UsageError`."""
    from ..datasets.augment import augmentation

    return augmentation(text)


def size_of(resize: Any) -> tuple[int, int] | None:
    """Height and width of "64" or "48x64"; None for "variant". Raises `UsageError`."""
    if resize == "variant":
        return None
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", resize) if isinstance(resize, str) else None
    if not match or not all(1 <= int(side) <= 1024 for side in match.groups() if side):
        raise UsageError(f"resize is {resize!r}; give SIZE or HEIGHTxWIDTH, such as 64 or 48x64, or variant")
    return int(match[1]), int(match[2] or match[1])
