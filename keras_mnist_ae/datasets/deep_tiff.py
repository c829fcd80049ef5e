"""TIFF pictures of more than 8 bits a channel, read by tifffile: of colours Pillow keeps the upper
8 bits, of some layouts it makes noise, and some types of numbers it does not know.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from tifffile import TiffPage

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BITS, PLANES = 258, 284  # numbers of tags
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
ALPHA = (1, 2)  # kinds of extra samples: associated, unassociated
NAMES = {(1, False): "I", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}


class DeepTiff:
    """A page with the attributes of Pillow's pictures that are asked for here; its numbers are read
    when they are used.

    Raises:
        ValueError: Its colours are neither grey nor RGB.
    """

    format = "TIFF"

    def __init__(self, page: "TiffPage", count: int = 1) -> None:
        self._page, self.n_frames = page, count
        self.size = self.width, self.height = int(page.imagewidth), int(page.imagelength)
        kind = int(page.photometric)
        alpha = bool(page.extrasamples) and int(page.extrasamples[-1]) in ALPHA
        colours = 3 if kind == RGB else int(page.samplesperpixel) - alpha
        if kind not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB) or (colours, alpha) not in NAMES:
            name = getattr(page.photometric, "name", kind)
            raise ValueError(f"it has {page.samplesperpixel} channels ({name}), neither grey nor RGB")
        self.mode = NAMES[colours, alpha]
        self._channels = [*range(colours), *([int(page.samplesperpixel) - 1] if alpha else [])]
        self.white_is_zero = kind == WHITE_IS_ZERO

    @cached_property
    def numbers(self) -> NDArray[Any]:
        """As they stand in the file, (H, W) or (H, W, C)."""
        array = np.asarray(self._page.asarray())
        if array.ndim == 2:
            return array
        if self._page.axes.startswith("S"):  # a plane a channel
            array = np.moveaxis(array, 0, -1)
        return array[..., self._channels] if len(self._channels) > 1 else array[..., 0]

    @property
    def orientation(self) -> int:
        """As EXIF counts it."""
        tag = self._page.tags.get(0x0112)
        return int(tag.value) if tag else 1

    def getexif(self) -> dict[int, int]:
        return {0x0112: self.orientation}


def is_deep(picture: "Image") -> bool:
    """Whether a TIFF that Pillow has opened has more than 8 bits a channel."""
    bits = picture.tag_v2.get(BITS, (1,)) if picture.format == "TIFF" else (1,)  # type: ignore[attr-defined]
    return max(bits) > 8


@contextmanager
def opened(source: "Path | IO[bytes]") -> Iterator[DeepTiff | None]:
    """The first page of a TIFF; None where the content is no TIFF, or packed in a way that needs
    more than tifffile.
    """
    with pages(source) as found:
        yield DeepTiff(found[0], len(found)) if found else None


@contextmanager
def pages(source: "Path | IO[bytes]") -> Iterator[list[Any]]:
    """The pages of a TIFF; none where it is no TIFF, or a page is packed as above."""
    if not _is_tiff(source):
        yield []
        return
    import tifffile

    with tifffile.TiffFile(source) as file:
        found = list(file.pages)
        known = tifffile.TIFF.DECOMPRESSORS
        yield found if all(page.compression in known for page in found) else []


def _is_tiff(source: "Path | IO[bytes]") -> bool:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return stream.read(4) in BEGINNINGS
    source.seek(0)
    beginning = source.read(4)
    source.seek(0)
    return beginning in BEGINNINGS
