"""What pictures are before their pixels become 8 bits: sizes, colours and ranges of numbers."""

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import DataError
from ..system.hints import counted
from .deep_tiff import DeepTiff
from .opening import ORIENTATION, UPPER, is_grey, stored
from .reading import Fit, Reading
from .resize import eight_bits

if TYPE_CHECKING:
    from .opening import Picture

TURNED = (5, 6, 7, 8)  # orientations by a quarter
DEPTHS = {8: 255, 12: 4095, 16: 65535}  # the highest number of so many bits


class Header(NamedTuple):
    """Width and height as the picture is shown, whether it is grey, and the highest number in one
    of more than 8 bits, of which the `upper` 8 alone may be at hand.
    """

    size: tuple[int, int]
    grey: bool
    highest: int | None
    upper: bool = False


def header(picture: "Picture", reading: Reading) -> Header:
    """Of an opened picture. Raises `ValueError` for numbers that want a range."""
    size = picture.size
    if picture.getexif().get(ORIENTATION) in TURNED:
        size = size[::-1]
    highest = None
    if not reading.value_range:
        if isinstance(picture, DeepTiff) or picture.mode.startswith("I") or picture.mode == "F":
            numbers = np.asarray(picture.numbers if isinstance(picture, DeepTiff) else picture)
            eight_bits(numbers, None)  # or says why not
            highest = int(numbers.max())
        elif stored(picture).upper:
            highest = (int(np.asarray(picture.convert("RGB")).max()) + 1) * 256 - 1
    return Header(size, is_grey(picture), highest, stored(picture).upper)


def images_of(
    headers: Collection[Header], size: Fit, reading: Reading
) -> tuple[tuple[int, int, int], Reading, list[str]]:
    """What images are made of pictures that get this size: height, width and channels; the reading,
    with the range of pictures of more than 8 bits; and what was assumed.

    Raises:
        DataError: They have fewer than 16 bits, of which the upper ones say too little.
    """
    coloured = sum(not header.grey for header in headers)
    channels = size.channels or (3 if coloured else 1)
    reading, notes = _depth(headers, reading)
    if coloured and channels == 1:
        notes.append(f"{counted(coloured, 'picture')} stored in colour: read as grey")
    return (size.height, size.width, channels), reading, notes


def first_size(headers: list[Header], reading: Reading) -> Fit:
    """The size that pictures get: the one asked for, or that of the first."""
    return reading.size or reading.expected or Fit(*headers[0].size[::-1])


def _depth(headers: Collection[Header], reading: Reading) -> tuple[Reading, list[str]]:
    deep = [header.highest for header in headers if header.highest is not None]
    if not deep or reading.value_range or reading.depth:
        return reading, []
    bits, top = next((bits, top) for bits, top in DEPTHS.items() if max(deep) <= top)
    if bits < 16 and any(header.upper for header in headers):
        raise DataError(f"the brightest picture has no value above {top:,}, and of its 16 bits {UPPER}.")
    which = f"{counted(len(deep), 'picture')} of 16 bits"
    note = f"{which}: no value is above {top:,}: read as {bits} bits"
    return reading.with_depth((0, top)), [note] if bits < 16 else []
