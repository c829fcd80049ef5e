"""Pictures opened, made upright and grey or coloured, and scaled to a size."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import deep_tiff
from .reading import Fit

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

    Picture = Image | deep_tiff.DeepTiff

FORMATS = [
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "TGA"),
    *("DDS", "ICO", "PCX", "QOI", "SGI"),
]
LARGEST = 2**25  # pixels of a picture
LONGEST = 2**16  # pixels of a side
LARGEST_SCALED = 2**27  # of a JPEG that is made smaller: it is scaled while it is decoded
LARGEST_RESIZED = 2**26  # of another that is made smaller
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GREY = frozenset(["1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"])
ORIENTATION = 0x0112  # of EXIF


def picture_file(source: "Path | IO[bytes]", formats: list[str]) -> "ImageFile":
    """As Pillow opens it, but with ValueError for a header of more pixels than Pillow allows. Which
    of the formats Pillow knows depends on its version and how it was built.
    """
    from PIL import Image

    Image.init()
    try:
        return Image.open(source, formats=[name for name in formats if name in Image.OPEN])
    except Image.DecompressionBombError as error:  # neither OSError nor ValueError
        raise ValueError(str(error)) from error


@contextmanager
def opened(source: "Path | IO[bytes]", size: Fit | None = None) -> "Iterator[Picture]":
    """The picture in a file, whose pixels are not read yet; a large JPEG that is to be made smaller
    is scaled while it is decoded.

    Raises ValueError for a picture with too many pixels, and what Pillow and tifffile raise.
    """
    with _file(source) as picture:
        _check(picture, size)
        if picture.width * picture.height > LARGEST and not isinstance(picture, deep_tiff.DeepTiff):
            picture.draft(picture.mode, (2 * size.width, 2 * size.height) if size else picture.size)
        yield picture


def pages(path: Path) -> "Iterator[Picture]":
    """The pages of a TIFF file, each valid until the next is asked for. Raises as `opened`."""
    from PIL import ImageSequence

    with deep_tiff.pages(path) as found:
        if found and any(page.bitspersample > 8 for page in found):
            for page in found:
                picture = deep_tiff.DeepTiff(page)
                _check(picture, None)
                yield picture
            return
    with picture_file(path, ["TIFF"]) as pillow:
        for frame in ImageSequence.Iterator(pillow):
            _check(frame, None)
            yield frame


def _check(picture: "Picture", size: Fit | None) -> None:
    most = LARGEST
    if size:
        most = LARGEST_SCALED if picture.format == "JPEG" else LARGEST_RESIZED
    if max(picture.size) > LONGEST:
        raise ValueError(f"it is {picture.width}x{picture.height}: a side above {LONGEST:,} pixels")
    if picture.width * picture.height > most:
        raise ValueError(f"it is {picture.width}x{picture.height}, more than {most:,} pixels")


@contextmanager
def _file(source: "Path | IO[bytes]") -> "Iterator[Picture]":
    from PIL import UnidentifiedImageError

    try:
        picture = picture_file(source, FORMATS)
    except UnidentifiedImageError:
        with deep_tiff.opened(source) as deep:
            if deep is None:
                raise
            yield deep
        return
    with picture:
        if deep_tiff.is_deep(picture):
            with deep_tiff.opened(source) as deep:
                yield deep or picture
        else:
            yield picture


@contextmanager
def pillow_unheard() -> Iterator[None]:
    """Pillow and tifffile do not warn: of large pictures, for which `opened` has limits of its own,
    and of damage that they read past.
    """
    log = logging.getLogger("tifffile")
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        log.disabled = before


def upright(picture: "Picture", channels: int, value_range: tuple[float, float] | None = None) -> "Image":
    """In 8 bits and that many channels: rotated as its EXIF data say, a palette resolved, grey by
    ITU-R 601 (0.299 R + 0.587 G + 0.114 B); transparency is laid over white unless alpha is a
    channel.

    `value_range` holds the numbers that count as black and white; None takes 0 to 255 of 8 bits and
    the upper 8 of 16.
    """
    from PIL import Image, ImageOps

    orientation = picture.getexif().get(ORIENTATION)
    ready = _shallow(picture, value_range)
    if orientation:
        ready.getexif()[ORIENTATION] = orientation
        ready = ImageOps.exif_transpose(ready)
    if channels != 4 and (ready.mode in ("LA", "PA", "RGBA") or "transparency" in ready.info):
        above = ready.convert("RGBA")
        ready = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return ready.convert(MODES[channels])


def _shallow(picture: "Picture", value_range: tuple[float, float] | None) -> "Image":
    """In 8 bits a channel, its range that of black to white; alpha and black and white of one bit
    stay as they are.
    """
    from PIL import Image

    if isinstance(picture, deep_tiff.DeepTiff):
        numbers, alpha = picture.numbers, picture.mode in ("LA", "RGBA")
        colours = numbers[..., :-1] if alpha else numbers
        array = eight_bits(colours, value_range)
        array = 255 - array if picture.white_is_zero else array
        if alpha:  # of the whole range of its type
            top = np.iinfo(numbers.dtype).max if numbers.dtype.kind in "ui" else 1
            array = np.concatenate([array, eight_bits(numbers[..., -1:], (0, top))], axis=-1)
        return Image.fromarray(array)
    if picture.mode.startswith("I") or picture.mode == "F":
        return Image.fromarray(eight_bits(np.asarray(picture), value_range))
    if value_range in (None, (0, 255)) or picture.mode == "1":
        return picture
    assert value_range
    if any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ())):  # Pillow drops the lower 8 bits
        value_range = value_range[0] / 256, value_range[1] / 256
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        array = np.array(picture)
        array[..., :3] = eight_bits(array[..., :3], value_range)
        return Image.fromarray(array)
    grey = picture.mode == "L"
    return Image.fromarray(eight_bits(np.asarray(picture if grey else picture.convert("RGB")), value_range))


def is_picture(path: Path) -> bool:
    """Whether the beginning of a file is that of a picture."""
    try:
        with _file(path):
            return True
    except Exception:  # Pillow and its plugins raise what they like
        return False


def is_grey(picture: "Picture") -> bool:
    """Whether a picture has a single channel beside alpha, or a palette of greys alone."""
    if isinstance(picture, deep_tiff.DeepTiff):
        return picture.mode in GREY
    if picture.mode == "P" and picture.palette and "transparency" not in picture.info:
        colours = np.array(picture.getpalette("RGB") or []).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return picture.mode in GREY


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
    return pixels(fitted(upright(picture, size.channels or image.shape[-1]), size, mode))
