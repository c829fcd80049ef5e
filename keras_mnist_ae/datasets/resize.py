"""Pictures made upright and grey or coloured, of 8 bits, and scaled to a size."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import deep_tiff
from .opening import ORIENTATION, UPPER, Stored, stored
from .reading import Fit, Reading

if TYPE_CHECKING:
    from PIL.Image import Image

    from .opening import Picture

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
FULL = 65535  # the highest of 16 bits


def upright(picture: "Picture", channels: int, reading: Reading) -> "Image":
    """In 8 bits and that many channels: rotated as its EXIF data say, a palette resolved, grey by
    ITU-R 601 (0.299 R + 0.587 G + 0.114 B); transparency is laid over white unless alpha is a
    channel. `reading` has the ranges of the numbers.
    """
    from PIL import Image, ImageOps

    orientation = picture.getexif().get(ORIENTATION)
    ready = _shallow(picture, reading)
    if orientation:
        ready.getexif()[ORIENTATION] = orientation
        ready = ImageOps.exif_transpose(ready)
    if channels != 4 and (ready.mode in ("LA", "PA", "RGBA") or "transparency" in ready.info):
        above = ready.convert("RGBA")
        ready = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return ready.convert(MODES[channels])


def _shallow(picture: "Picture", reading: Reading) -> "Image":
    """In 8 bits a channel, its range that of black to white; alpha and black and white of one bit
    stay as they are.
    """
    from PIL import Image

    asked = reading.value_range or (reading.depth if reading.depth != (0, FULL) else None)
    if isinstance(picture, deep_tiff.DeepTiff):
        numbers, alpha = picture.numbers, picture.mode in ("LA", "RGBA")
        array = eight_bits(numbers[..., :-1] if alpha else numbers, asked)
        array = 255 - array if picture.white_is_zero else array
        if alpha:  # of the whole range of its type
            top = np.iinfo(numbers.dtype).max if numbers.dtype.kind in "ui" else 1
            array = np.concatenate([array, eight_bits(numbers[..., -1:], (0, top))], axis=-1)
        return Image.fromarray(array)
    as_stored = stored(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        numbers = np.asarray(picture)
        array = eight_bits(_in_the_file(numbers, as_stored) if asked else numbers, asked)
        if (clear := picture.info.get("transparency")) is None:
            return Image.fromarray(array)
        return Image.fromarray(np.stack([array, np.uint8(255) * (numbers != clear)], axis=-1))
    asked = asked if as_stored.upper else reading.value_range
    if asked in (None, (0, 255)) or picture.mode == "1":
        return picture
    assert asked
    if as_stored.upper and asked[1] - asked[0] < FULL / 2:
        raise ValueError(f"of its 16 bits {UPPER}")
    if as_stored.upper:
        asked = asked[0] * as_stored.factor, asked[1] * as_stored.factor
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        array = np.array(picture.convert("RGBA"))
        array[..., :3] = eight_bits(_in_the_file(array[..., :3], as_stored), asked)
        return Image.fromarray(array)
    grey = picture.mode == "L"
    numbers = np.asarray(picture if grey else picture.convert("RGB"))
    return Image.fromarray(eight_bits(_in_the_file(numbers, as_stored), asked))


def _in_the_file(numbers: NDArray[Any], as_stored: Stored) -> NDArray[Any]:
    """The numbers of a PGM or PPM, which Pillow has made to fill 8 or 16 bits."""
    return numbers if as_stored.upper or as_stored.factor == 1 else np.rint(numbers / as_stored.factor)


def eight_bits(array: NDArray[Any], value_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Numbers of more than 8 bits as uint8. Raises ValueError for one out of the range."""
    if value_range is None:
        if array.dtype.kind == "f":
            raise ValueError("its pixels are floating point numbers; say their range: --range LOW:HIGH")
        if array.size and not (array.min() >= 0 and array.max() <= 65535):
            raise ValueError(
                f"it holds values from {array.min():g} to {array.max():g}; say their range: --range LOW:HIGH"
            )
        return np.asarray(array.astype(np.uint16) >> 8, np.uint8)
    low, high = value_range
    if not (array.min() >= low and array.max() <= high):
        raise ValueError(
            f"it holds values from {array.min():g} to {array.max():g}; the range is {low:g}:{high:g}"
        )
    return np.asarray(np.rint((array.astype(np.float64) - low) * (255 / (high - low))), np.uint8)


def fitted(picture: "Image", size: Fit, mode: str = "crop") -> "Image":
    """Scaled, bicubic with anti-aliasing: see `Reading`."""
    from PIL import Image, ImageOps

    target = (size.width, size.height)
    if picture.size == target:
        return picture
    if mode == "stretch":
        return picture.resize(target, Image.Resampling.BICUBIC)
    fit = ImageOps.pad if mode == "pad" else ImageOps.fit
    return fit(picture, target, Image.Resampling.BICUBIC)


def pixels(picture: "Image") -> NDArray[np.uint8]:
    """uint8 of shape (H, W, C)."""
    array = np.asarray(picture)
    return array if array.ndim == 3 else array[..., np.newaxis]


def fitted_array(image: NDArray[np.uint8], size: Fit, mode: str = "crop") -> NDArray[np.uint8]:
    """The same for an image uint8 of shape (H, W, C)."""
    from PIL import Image

    picture: Any = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return pixels(fitted(upright(picture, size.channels or image.shape[-1], Reading()), size, mode))
