"""The options of reading images: their size, which numbers are black and white, the layout."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..system.notes import say

FITS = ("crop", "pad", "stretch")


class Fit(NamedTuple):
    """The size asked for; `channels` is None where the images keep theirs."""

    height: int
    width: int
    channels: int | None = None

    def __str__(self) -> str:
        colours = {None: "", 1: ", grey", 3: ", RGB", 4: ", RGBA"}[self.channels]
        return f"{self.height}x{self.width}{colours}"


class ReadingOptions(TypedDict, total=False):
    """How images are read for a trained model, where that is not as its own were.

    `resize` (True) makes them fit its size, `fit` says how: crop, pad or stretch. `range` is
    LOW:HIGH, `invert` True or False; `image_shape` is HxW or HxWxC of rows of numbers, `arrays`
    ROLE=NAME,... of a .npz file.
    """

    resize: bool
    fit: str | None
    range: str | None
    invert: bool | None
    image_shape: str | None
    arrays: str | None


@dataclass(frozen=True)
class Reading:
    """What was asked for beside the name of a dataset.

    Args:
        size: the images are made to fit it.
        mode: how: "crop" scales until the size is covered and cuts at the centre, "pad" scales
            until all is inside and adds black, "stretch" scales each side alone.
        value_range: the numbers that count as black and white, such as (0, 4095) or (-1, 1); None
            takes 0..255 for integers and [0, 1] for floating point.
        invert: exchange black and white.
        image_shape: height, width and channels of images stored as rows of numbers.
        arrays: names of the arrays in a .npz file by role: train, test, labels, test_labels.
        expected: the size and channels that images must have where none is asked for: those of a
            trained model.
        depth: the numbers that count as black and white in pictures of more than 8 bits, where
            `value_range` says nothing; None takes the upper 8 of 16 bits.
    """

    size: Fit | None = None
    mode: str = "crop"
    value_range: tuple[float, float] | None = None
    invert: bool = False
    image_shape: tuple[int, int, int] | None = None
    arrays: tuple[tuple[str, str], ...] = ()
    expected: Fit | None = None
    depth: tuple[float, float] | None = None

    def with_depth(self, depth: tuple[float, float]) -> Self:
        """The same with the range of pictures of more than 8 bits."""
        return replace(self, depth=depth)

    def __str__(self) -> str:
        """Identifies the reading in the name of its cache entry; "" where nothing was asked for."""
        parts = [
            str(self.size) if self.size else "",
            self.mode if self.mode != "crop" else "",
            f"range {self.value_range}" if self.value_range else "",
            f"depth {self.depth}" if self.depth else "",
            "inverted" if self.invert else "",
            f"rows of {self.image_shape}" if self.image_shape else "",
            " ".join(f"{role}={name}" for role, name in self.arrays),
        ]
        return " ".join(filter(None, parts))

    def changed(self, image: tuple[int, ...], options: Mapping[str, Any]) -> Self:
        """The reading of a model of images (height, width, channels) with `ReadingOptions`.

        Raises `UsageError`.
        """
        asked = replace(self, size=Fit(*image) if self.size or options.get("resize") else None)
        if mode := options.get("fit"):
            if mode not in FITS:
                raise UsageError(f"fit is {mode!r}; use one of {', '.join(FITS)}")
            if asked.size is None:
                raise UsageError(f"fit is {mode!r}, but nothing is resized: add --resize")
            asked = replace(asked, mode=mode)
        if text := options.get("range"):
            asked = replace(asked, value_range=range_of(text))
        if options.get("invert") is not None:
            asked = replace(asked, invert=bool(options["invert"]))
        if text := options.get("image_shape"):
            asked = replace(asked, image_shape=shape_of(text))
        if text := options.get("arrays"):
            asked = replace(asked, arrays=arrays_of(text))
        return asked


NOTHING = frozenset[str]()
OF_ARRAYS = frozenset(["value_range", "image_shape"])
FOR = {  # options of a reading that not all data have a use for: their names, and what they are for
    "value_range": ("range", "images of your own"),
    "image_shape": ("image_shape", "rows of numbers"),
    "arrays": ("arrays", "a .npz file"),
}


def say_unused(reading: Reading, name: str, used: frozenset[str]) -> None:
    """Say which options have no use for the data of that name, where those of these fields have."""
    for field, (option, purpose) in FOR.items():
        if getattr(reading, field) and field not in used:
            say(f"kae: {option} is not used for {name}: it is for {purpose}")


def range_of(text: Any) -> tuple[float, float]:
    """The numbers of "LOW:HIGH", or a pair of them. Raises `UsageError`."""
    if isinstance(text, tuple):
        text = ":".join(str(float(number)) for number in text)
    number = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
    match = re.fullmatch(f"({number}):({number})", text) if isinstance(text, str) else None
    if not match or not float(match[1]) < float(match[2]):
        raise UsageError(f"range is {text!r}; give LOW:HIGH, such as 0:4095 or -1:1")
    return float(match[1]), float(match[2])


def shape_of(text: Any) -> tuple[int, int, int]:
    """Height, width and channels of "HxW" or "HxWxC", or a tuple of them. Raises `UsageError`."""
    if isinstance(text, tuple):
        text = "x".join(map(str, text))
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})(?:x([134]))?", text) if isinstance(text, str) else None
    if not match or 0 in (int(match[1]), int(match[2])):
        raise UsageError(f"image_shape is {text!r}; give HxW or HxWxC, such as 28x28 or 32x32x3")
    return int(match[1]), int(match[2]), int(match[3] or 1)


def arrays_of(text: Any) -> tuple[tuple[str, str], ...]:
    """Roles and names of "train=X,test=Y,labels=y". Raises `UsageError`."""
    roles = ("train", "test", "labels", "test_labels")
    pairs = [part.partition("=") for part in text.split(",")] if isinstance(text, str) else []
    if not pairs or not all(role in roles and name for role, _, name in pairs):
        raise UsageError(f"arrays is {text!r}; give ROLE=NAME,... with the roles {', '.join(roles)}")
    if "train" not in {role for role, _, _ in pairs}:
        raise UsageError(f"arrays is {text!r}; name the training images: train=NAME")
    return tuple((role, name) for role, _, name in pairs)


def scaled(
    array: NDArray[Any], value_range: tuple[float, float] | None, name: str, first: int = 0
) -> NDArray[np.uint8]:
    """Numbers as uint8. Raises `ValueError` for numbers out of their range.

    Args:
        first: the number of the first image, for the message.
    """
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "uif":
        raise ValueError(f"{name} is of type {array.dtype}; give uint8 in 0..255 or floating point in [0, 1]")
    if array.dtype == np.uint8 and value_range in (None, (0, 255)):
        return array
    low, high = value_range or ((0.0, 1.0) if array.dtype.kind == "f" else (0.0, 255.0))
    least, greatest = array.min(), array.max()
    if not (least >= low and greatest <= high):  # NaN is not
        what = "NaN" if least != least or greatest != greatest else (f"values from {least:g} to {greatest:g}")
        wanted = (
            f"the range given is {low:g}:{high:g}"
            if value_range
            else "give uint8 in 0..255 or floating point in [0, 1], or say the range: --range LOW:HIGH"
        )
        raise ValueError(f"{name} holds {what} (images {first} to {first + len(array) - 1}); {wanted}")
    if (low, high) == (0, 255):
        return (np.rint(array) if array.dtype.kind == "f" else array).astype(np.uint8)
    return np.rint((array.astype(np.float64) - low) * (255.0 / (high - low))).astype(np.uint8)
