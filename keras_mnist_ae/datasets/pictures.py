"""A folder of pictures, or a stack of pages in one TIFF file, as a source of images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, reason
from ..system import signals
from ..system.hints import counted
from ..system.progress import phase
from . import folders
from .assembly import Part, Source, some
from .decoding import Decoder
from .headers import Header, header, images_of
from .layout import layout
from .mapped import filled
from .opening import opened, pages
from .reading import Fit, Reading

LOOKED_AT = 256  # pictures between two steps of the bar
BROKEN = Exception  # Pillow and its plugins raise what they like for content that is broken


def source(folder: Path, files: folders.Tree, reading: Reading) -> Source:
    """The pictures below a folder.

    Raises:
        DataError: There are none, most are broken, or they have different sizes and none was asked
            for.
    """
    folders.require(files)
    order = layout(files)
    broken: dict[Path, str] = {}
    headers = _headers(files.files, reading, broken)
    _check_broken(folder, len(files.files), broken)
    size = reading.size or _common_size(folder, headers, reading.expected)
    shape, reading, notes = images_of(headers.values(), size, reading)
    notes = [*order.notes, *notes, *folders.left_out(files)]

    decoder = Decoder(shape, reading)

    def decode(path: Path) -> NDArray[np.uint8] | None:
        try:
            return decoder(path)
        except BROKEN as error:
            broken[path] = why(error)
            return None

    parts = {}
    names = {name for entries in order.splits.values() for _, name in entries}
    for split, entries in order.splits.items():
        kept = [(path, name) for path, name in entries if path in headers]
        labels = [name for _, name in kept]
        named = None not in labels and len(names) > 1  # a single class says nothing
        names_kept = [path.relative_to(folder).as_posix() for path, _ in kept]
        parts[split] = Part([path for path, _ in kept], decode, labels if named else None, names_kept)

    def finish() -> list[str]:
        _check_broken(folder, len(files.files), broken)
        names = [f"{path.relative_to(folder)} ({why})" for path, why in sorted(broken.items())]
        return [f"{len(names)} broken: {some(names)}"] if names else []

    return Source(
        str(folder),
        parts,
        shape,
        notes,
        parallel=True,
        finish=finish,
        decoder=decoder,
        depth=reading.depth,
    )


def stack(path: Path, reading: Reading) -> Source:
    """The pages of a TIFF file as images. Raises `DataError`."""
    try:
        headers = [header(page, reading) for page in pages(path)]
        size = reading.size or Fit(*headers[0].size[::-1])
        if len({each.size for each in headers}) > 1 and not reading.size:
            raise DataError(f"the pages of {path} have several sizes.\nFit them: --resize SIZE")
        shape, reading, notes = images_of(headers, size, reading)
        decoder = Decoder(shape, reading)
        images = filled((len(headers), *shape), (decoder.image(page) for page in pages(path)))
    except BROKEN as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read: {why(error)}") from error
    return Source(str(path), {"": Part(images, lambda image: image)}, shape, notes, depth=reading.depth)


def _headers(files: list[Path], reading: Reading, broken: dict[Path, str]) -> dict[Path, Header]:
    headers = {}
    with phase("looking at pictures", len(files)) as advance:
        for number, path in enumerate(files, 1):
            if found := _header(path, reading, broken):
                headers[path] = found
            if number % LOOKED_AT == 0:
                advance(LOOKED_AT)
    return headers


def _header(path: Path, reading: Reading, broken: dict[Path, str]) -> Header | None:
    signals.check()
    try:
        with opened(path, reading.size) as picture:
            if picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1:
                raise ValueError("it has several pages; give it as the dataset, or split it")
            return header(picture, reading)
    except BROKEN as error:
        broken[path] = why(error)
        return None


def _common_size(folder: Path, headers: dict[Path, Header], expected: Fit | None) -> Fit:
    if expected:
        wanted = (expected.width, expected.height)
        if other := next((item for item in headers.items() if item[1].size != wanted), None):
            path, (size, *_) = other
            raise DataError(
                f"{path} is {size[0]}x{size[1]} pixels; expected {wanted[0]}x{wanted[1]}.\nFit them: --resize"
            )
        return expected
    sizes = {headers[path].size: path for path in reversed(headers)}
    if len(sizes) > 1:
        shown = [f"{height}x{width} ({path.relative_to(folder)})" for (width, height), path in sizes.items()]
        raise DataError(
            f"the pictures in {folder} have {len(sizes)} sizes: {some(shown)}.\nFit them: --resize SIZE"
        )
    ((width, height),) = sizes
    return Fit(height, width)


def _check_broken(folder: Path, count: int, broken: dict[Path, str]) -> None:
    if 2 * len(broken) > count:
        names = [f"{path.relative_to(folder)} ({why})" for path, why in broken.items()]
        of = f"{len(broken)} of {counted(count, 'picture')} in {folder}"
        raise DataError(f"{of} cannot be read: {some(names)}")


def why(error: BaseException) -> str:
    """Why a picture cannot be read, in a few words."""
    from PIL import UnidentifiedImageError

    return "its content is no picture" if isinstance(error, UnidentifiedImageError) else reason(error, 80)
