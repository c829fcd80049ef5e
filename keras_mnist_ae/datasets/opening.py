"""Pictures in files, as Pillow or tifffile opens them: within bounds, their pixels not read yet."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

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
GREY = frozenset(["1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"])
ORIENTATION = 0x0112  # of EXIF
UPPER = "only the upper 8 can be read; save it as TIFF, or with 8 bits"
STORED = "kae.stored"  # in a picture's `info`


class Stored(NamedTuple):
    """How Pillow holds the numbers of a file: times `factor`, the `upper` 8 of 16 bits alone, and
    whether the colours are shades of grey.
    """

    factor: float = 1.0
    upper: bool = False
    grey: bool = False


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
        picture.info[STORED] = _stored(picture)
        if deep_tiff.is_deep(picture):
            with deep_tiff.opened(source) as deep:
                yield deep or picture
        else:
            yield picture


def _stored(picture: "ImageFile") -> Stored:
    """From what Pillow knows of the file before it has read the pixels."""
    (tile,) = picture.tile[:1] or (None,)
    arguments = str(tile[3]) if tile else ""
    if ";16" in arguments and not picture.mode.startswith("I"):
        return Stored(1 / 256, True, "LA;16" in arguments)
    if tile and tile[0].startswith("ppm") and isinstance(tile[3], tuple):  # made to fill 8 or 16 bits
        return Stored((65535 if picture.mode == "I" else 255) / tile[3][1])
    return Stored()


def stored(picture: "Picture") -> Stored:
    """How Pillow holds the numbers of a picture that `opened` gave."""
    return Stored() if isinstance(picture, deep_tiff.DeepTiff) else picture.info.get(STORED, Stored())


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
    if stored(picture).grey:
        return True
    if picture.mode == "P" and picture.palette and "transparency" not in picture.info:
        colours = np.array(picture.getpalette("RGB") or []).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return picture.mode in GREY
