"""Pictures opened, made upright and grey or coloured, and scaled to a size."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .reading import Fit

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "TGA"]
LARGEST = 2**25  # pixels of a picture
LONGEST = 2**16  # pixels of a side
LARGEST_SCALED = 2**27  # of a JPEG that is made smaller: it is scaled while it is decoded
LARGEST_RESIZED = 2**26  # of another that is made smaller
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def picture_file(source: "Path | IO[bytes]", formats: list[str]) -> "ImageFile":
    """As Pillow opens it, but with ValueError for a header of more pixels than Pillow allows."""
    from PIL import Image

    try:
        return Image.open(source, formats=formats)
    except Image.DecompressionBombError as error:  # neither OSError nor ValueError
        raise ValueError(str(error)) from error


@contextmanager
def opened(source: "Path | IO[bytes]", size: Fit | None = None) -> "Iterator[Image]":
    """The picture in a file, whose pixels are not read yet; a large JPEG that is to be made smaller
    is scaled while it is decoded.

    Raises ValueError for a picture with too many pixels, and what Pillow raises.
    """
    with picture_file(source, FORMATS) as picture:
        most = LARGEST
        if size:
            most = LARGEST_SCALED if picture.format == "JPEG" else LARGEST_RESIZED
        pixels = picture.width * picture.height
        if max(picture.size) > LONGEST:
            raise ValueError(f"it is {picture.width}x{picture.height}: a side above {LONGEST:,} pixels")
        if pixels > most:
            raise ValueError(f"it is {picture.width}x{picture.height}, more than {most:,} pixels")
        if pixels > LARGEST:
            picture.draft(picture.mode, (2 * size.width, 2 * size.height) if size else picture.size)
        yield picture


@contextmanager
def pillow_unheard() -> Iterator[None]:
    """Pillow does not warn: of large pictures, for which `opened` has limits of its own, and of
    damage that it reads past.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def upright(picture: "Image", channels: int, value_range: tuple[float, float] | None = None) -> "Image":
    """In 8 bits and that many channels: rotated as its EXIF data say, a palette resolved, grey by
    ITU-R 601 (0.299 R + 0.587 G + 0.114 B); transparency is laid over white unless alpha is a
    channel.

    `value_range` holds the numbers that count as black and white in pictures of more than 8 bits;
    None takes the upper 8 of 16 bits.
    """
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = Image.fromarray(eight_bits(np.asarray(picture), value_range))
    if channels != 4 and (picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info):
        above = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return picture.convert(MODES[channels])


def eight_bits(array: NDArray[Any], value_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Numbers of more than 8 bits as uint8. Raises ValueError for one out of the range."""
    if value_range is None:
        if array.dtype.kind == "f":
            raise ValueError("its pixels are floating point numbers; say their range: --range LOW:HIGH")
        return np.asarray(array.astype(np.int64).clip(0, 65535) >> 8, np.uint8)
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
    return pixels(fitted(upright(picture, size.channels or image.shape[-1]), size, mode))
