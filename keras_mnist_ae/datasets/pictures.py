"""A folder of pictures, or a stack of pages in one TIFF file, as a source of images."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, reason
from ..system import signals
from ..system.hints import counted
from ..system.progress import phase
from . import folders
from .assembly import Part, Source, some
from .decoding import Decoder
from .deep_tiff import DeepTiff
from .mapped import filled
from .reading import Fit, Reading
from .resize import ORIENTATION, eight_bits, is_grey, opened, pages

if TYPE_CHECKING:
    from .resize import Picture

TWELVE_BITS, EIGHT_BITS = 4095, 255
LOOKED_AT = 256  # pictures between two steps of the bar
BROKEN = Exception  # Pillow and its plugins raise what they like for content that is broken


class Header(NamedTuple):
    """What a picture is without its pixels; `highest` is the highest of more than 8 bits."""

    path: Path
    size: tuple[int, int]
    grey: bool
    highest: int | None


def source(folder: Path, files: folders.Tree, reading: Reading) -> Source:
    """The pictures below a folder.

    Raises:
        DataError: There are none, most are broken, or they have different sizes and none was asked
            for.
    """
    folders.require(files)
    order = folders.layout(files)
    broken: dict[Path, str] = {}
    headers = _headers(files.files, reading, broken)
    _check_broken(folder, len(files.files), broken)
    size = reading.size or _common_size(folder, headers, reading.expected)
    channels = size.channels or (1 if all(header.grey for header in headers) else 3)
    value_range, notes = _depth(headers, reading)
    notes = [*order.notes, *notes, *folders.left_out(files)]
    good = {header.path for header in headers}

    decoder = Decoder((size.height, size.width, channels), replace(reading, value_range=value_range))

    def decode(path: Path) -> NDArray[np.uint8] | None:
        try:
            return decoder(path)
        except BROKEN as error:
            broken[path] = _reason(error)
            return None

    parts = {}
    names = {name for entries in order.splits.values() for _, name in entries}
    for split, entries in order.splits.items():
        kept = [(path, name) for path, name in entries if path in good]
        labels = [name for _, name in kept]
        named = None not in labels and len(names) > 1  # a single class says nothing
        names_kept = [path.relative_to(folder).as_posix() for path, _ in kept]
        parts[split] = Part([path for path, _ in kept], decode, labels if named else None, names_kept)

    def finish() -> list[str]:
        _check_broken(folder, len(files.files), broken)
        names = [f"{path.relative_to(folder)} ({why})" for path, why in sorted(broken.items())]
        return [f"{len(names)} broken: {some(names)}"] if names else []

    shape = (size.height, size.width, channels)
    return Source(str(folder), parts, shape, notes, parallel=True, finish=finish, decoder=decoder)


def stack(path: Path, reading: Reading) -> Source:
    """The pages of a TIFF file as images. Raises `DataError`."""
    try:
        headers = [_header_of(path, page, reading) for page in pages(path)]
        size = reading.size or Fit(*headers[0].size[::-1])
        if len({header.size for header in headers}) > 1 and not reading.size:
            raise DataError(f"the pages of {path} have several sizes.\nFit them: --resize SIZE")
        value_range, notes = _depth(headers, reading)
        channels = size.channels or (1 if all(header.grey for header in headers) else 3)
        shape = (size.height, size.width, channels)
        decoder = Decoder(shape, replace(reading, value_range=value_range))
        images = filled((len(headers), *shape), (decoder.image(page) for page in pages(path)))
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read: {_reason(error)}") from error
    return Source(str(path), {"": Part(images, lambda image: image)}, shape, notes)


def _headers(files: list[Path], reading: Reading, broken: dict[Path, str]) -> list[Header]:
    headers = []
    with phase("looking at pictures", len(files)) as advance:
        for number, path in enumerate(files, 1):
            if header := _header(path, reading, broken):
                headers.append(header)
            if number % LOOKED_AT == 0:
                advance(LOOKED_AT)
    return headers


def _header(path: Path, reading: Reading, broken: dict[Path, str]) -> Header | None:
    signals.check()
    try:
        with opened(path, reading.size) as picture:
            if picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1:
                raise ValueError("it has several pages; give it as the dataset, or split it")
            return _header_of(path, picture, reading)
    except BROKEN as error:
        broken[path] = _reason(error)
        return None


def _header_of(path: Path, picture: "Picture", reading: Reading) -> Header:
    size = picture.size
    if picture.getexif().get(ORIENTATION) in (5, 6, 7, 8):  # turned by a quarter
        size = size[::-1]
    deep = isinstance(picture, DeepTiff) or picture.mode.startswith("I") or picture.mode == "F"
    highest = None
    if deep and not reading.value_range:
        numbers = np.asarray(picture.numbers if isinstance(picture, DeepTiff) else picture)
        eight_bits(numbers, None)  # or says why not
        highest = int(numbers.max())
    return Header(path, size, is_grey(picture), highest)


def _common_size(folder: Path, headers: list[Header], expected: Fit | None) -> Fit:
    if expected:
        wanted = (expected.width, expected.height)
        if other := next((header for header in headers if header.size != wanted), None):
            raise DataError(
                f"{other.path} is {other.size[0]}x{other.size[1]} pixels; expected {wanted[0]}x{wanted[1]}.\n"
                "Fit them: --resize"
            )
        return expected
    sizes = {header.size: header.path for header in reversed(headers)}
    if len(sizes) > 1:
        shown = [f"{height}x{width} ({path.relative_to(folder)})" for (width, height), path in sizes.items()]
        raise DataError(
            f"the pictures in {folder} have {len(sizes)} sizes: {some(shown)}.\nFit them: --resize SIZE"
        )
    ((width, height),) = sizes
    return Fit(height, width)


def _depth(headers: list[Header], reading: Reading) -> tuple[tuple[float, float] | None, list[str]]:
    """The range of pictures of more than 8 bits, and what was assumed."""
    if reading.value_range:
        return reading.value_range, []
    deep = [header.highest for header in headers if header.highest is not None]
    if not deep or max(deep) > TWELVE_BITS:
        return None, []
    bits, top = (8, EIGHT_BITS) if max(deep) <= EIGHT_BITS else (12, TWELVE_BITS)
    note = f"{counted(len(deep), 'picture')} of 16 bits: no value is above {top:,}: read as {bits} bits"
    return (0, top), [note]


def _check_broken(folder: Path, count: int, broken: dict[Path, str]) -> None:
    if 2 * len(broken) > count:
        names = [f"{path.relative_to(folder)} ({why})" for path, why in broken.items()]
        of = f"{len(broken)} of {counted(count, 'picture')} in {folder}"
        raise DataError(f"{of} cannot be read: {some(names)}")


def _reason(error: BaseException) -> str:
    from PIL import UnidentifiedImageError

    return "its content is no picture" if isinstance(error, UnidentifiedImageError) else reason(error, 80)
