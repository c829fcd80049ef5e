"""Images of any size and colour made to fit."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ["PNG", "JPEG"]
LARGEST = 2**25  # pixels of a picture
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class Fit(NamedTuple):
    """The size asked for; `channels` is None where the images keep theirs."""

    height: int
    width: int
    channels: int | None = None

    def __str__(self) -> str:
        colours = {None: "", 1: ", grey", 3: ", RGB", 4: ", RGBA"}[self.channels]
        return f"{self.height}x{self.width}{colours}"


@contextmanager
def opened(path: Path) -> "Iterator[Image]":
    """The picture in a file, whose pixels are not read yet. Raises ValueError for one of more than
    `LARGEST` and what Pillow does.
    """
    from PIL import Image

    with (
        warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
        Image.open(path, formats=FORMATS) as picture,
    ):
        if picture.width * picture.height > LARGEST:
            raise ValueError(f"it is {picture.width}x{picture.height}, more than {LARGEST:,} pixels")
        yield picture


def upright(picture: "Image", channels: int) -> "Image":
    """In 8 bits and that many channels: turned as its EXIF data say, 16 bits cut to the upper 8, a
    palette resolved, grey by ITU-R 601 (0.299 R + 0.587 G + 0.114 B); what is transparent is laid
    over white, unless alpha is a channel.
    """
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if channels != 4 and (picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info):
        above = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return picture.convert(MODES[channels])


def fitted(picture: "Image", fit: Fit) -> "Image":
    """Scaled, bicubic with anti-aliasing, until it just covers the size, then cropped at the
    centre.
    """
    from PIL import Image, ImageOps

    size = (fit.width, fit.height)
    return picture if picture.size == size else ImageOps.fit(picture, size, Image.Resampling.BICUBIC)


def pixels(picture: "Image") -> NDArray[np.uint8]:
    """uint8 of shape (H, W, C)."""
    array = np.asarray(picture)
    return array if array.ndim == 3 else array[..., np.newaxis]


def fitted_array(image: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """The same for an image uint8 of shape (H, W, C)."""
    from PIL import Image

    picture: Any = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return pixels(fitted(upright(picture, fit.channels or image.shape[-1]), fit))
