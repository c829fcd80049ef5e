"""Images of one's own as arrays: a folder of pictures, a .npz or a .npy file. Each is read a part
at a time, into a file that is mapped.
"""

import os
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, WriteError
from ..system import npy, signals
from .idx import Arrays
from .resize import MODES, Fit, fitted, fitted_array, opened, pixels, upright

SUFFIXES = {".png", ".jpg", ".jpeg"}
GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N"}
TESTED = 6  # one image in so many is for the test, where nothing says which
TOLD = 3  # files named in a message
LARGEST = 2**36  # bytes of pixels
BOMB = 200  # images are not packed that well
ROWS = 256  # of an array at a time

Found = tuple[Arrays, tuple[str, ...]]
SETS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)
WHOLE = ("images", "labels")


def is_path(name: str) -> bool:
    """Whether a dataset's name is that of a folder or file: it has a separator, or a suffix that is
    read here.
    """
    return (
        ("/" in name.removeprefix("tfds:") and not name.startswith("tfds:"))
        or name.endswith((".npz", ".npy"))
        or name in (".", "..")
    )


def sources(path: Path) -> list[Path]:
    """The files that a dataset comes from. Raises `DataError` when there are none."""
    if path.is_file():
        if path.suffix not in (".npz", ".npy"):
            raise DataError(f"{path} is no folder of pictures, no .npz and no .npy file.")
        return [path]
    if not path.is_dir():
        raise DataError(
            f"there is no folder or file {path}.\n"
            "Name a folder of pictures, a .npz or a .npy file, or a dataset (kae data list)."
        )
    found = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
    if not found:
        raise DataError(f"{path} holds no pictures ({', '.join(sorted(SUFFIXES))}).")
    return found


def read(path: Path, files: list[Path], fit: Fit | None) -> Found:
    """The images below a folder, or in a file; fitted where that is asked for. Raises `DataError`."""
    return _pictures(path, files, fit) if path.is_dir() else _array_file(path, fit)


def refitted(images: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """Images uint8 of shape (n, H, W, C) made to fit."""
    channels = fit.channels or images.shape[-1]
    return _filled(
        (len(images), fit.height, fit.width, channels), (fitted_array(image, fit) for image in images)
    )


def _pictures(folder: Path, files: list[Path], fit: Fit | None) -> Found:
    from PIL import Image

    broken: list[str] = []
    good: list[tuple[Path, bool, tuple[int, int]]] = []
    for path in files:
        signals.check()
        try:
            with opened(path) as picture:
                picture.load()
                if picture.mode == "F":
                    raise ValueError("its pixels are floating point numbers")
                good.append((path, picture.mode in GREY, upright(picture, 1).size))
        except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
            broken.append(f"{path.relative_to(folder)} ({' '.join(str(error).split())[:80]})")
    if broken:
        told = f"{len(broken)} of {len(files)} pictures in {folder} cannot be read: {_some(broken)}"
        if 2 * len(broken) > len(files):
            raise DataError(told)
        print(f"kae: left out: {told}", file=sys.stderr)
    sizes = {size: path for path, _, size in reversed(good)}
    if not fit and len(sizes) > 1:
        shown = [f"{height}x{width} ({path.relative_to(folder)})" for (width, height), path in sizes.items()]
        raise DataError(
            f"the pictures in {folder} have {len(sizes)} sizes: {_some(shown)}.\nFit them: --resize SIZE"
        )
    grey = all(grey for _, grey, _ in good)
    (width, height), *_ = sizes
    wanted = fit or Fit(height, width)
    channels = wanted.channels or (1 if grey else 3)

    def decoded(path: Path) -> NDArray[np.uint8]:
        signals.check()
        with opened(path) as picture:
            return pixels(fitted(upright(picture, channels), wanted))

    split = {
        part: [path for path, _, _ in good if path.relative_to(folder).parts[0] == part]
        for part in ("train", "test")
    }
    above = 1 if all(split.values()) else 0  # levels above the folders of the classes
    if not all(split.values()):
        train, test = _parted(len(good), folder)
        split = {"train": [good[at][0] for at in train], "test": [good[at][0] for at in test]}
    named = {path: path.relative_to(folder).parts[above:-1] for paths in split.values() for path in paths}
    classes = tuple(sorted({parts[0] for parts in named.values()})) if all(named.values()) else ()
    arrays: list[Any] = []
    for paths in split.values():
        arrays.append(_filled((len(paths), wanted.height, wanted.width, channels), map(decoded, paths)))
        arrays.append(
            np.array([classes.index(named[path][0]) for path in paths], np.int64)
            if len(classes) > 1
            else None
        )
    return (arrays[0], arrays[1], arrays[2], arrays[3]), classes if len(classes) > 1 else ()


def _array_file(path: Path, fit: Fit | None) -> Found:
    try:
        if path.suffix == ".npy":
            with path.open("rb") as stream:
                return _split(path, _images(path, "the array", stream, path.stat().st_size, fit), None)
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            if any(entry.file_size > BOMB * max(entry.compress_size, 2**16) for entry in archive.infolist()):
                raise ValueError(f"it holds arrays that are packed to less than a {BOMB}th of their size")

            def member(name: str, take: Callable[[str, IO[bytes]], Any]) -> Any:
                if name not in names:
                    return None
                with archive.open(f"{name}.npy") as stream:
                    return take(name, stream)

            def images(name: str, stream: IO[bytes]) -> Any:
                return _images(path, name, stream, archive.getinfo(f"{name}.npy").file_size, fit)

            def labels(name: str, stream: IO[bytes]) -> Any:
                return _labels(path, name, stream)

            for train, train_labels, test, test_labels in SETS:
                if {train, test} <= names:
                    first, second = member(train, images), member(test, images)
                    given = [
                        (member(label, labels), array)
                        for label, array in ((train_labels, first), (test_labels, second))
                    ]
                    if first.shape[1:] != second.shape[1:]:
                        raise ValueError(
                            f"{train} has images of {first.shape[1:]}, {test} of {second.shape[1:]}"
                        )
                    both = [_matched(each, array) for each, array in given]
                    if any(each is None for each in both):
                        if any(each is not None for each in both):
                            print(
                                f"kae: {path}: only one of {train_labels}, {test_labels} is there: no "
                                "labels are used",
                                file=sys.stderr,
                            )
                        both = [None, None]
                    return (first, both[0], second, both[1]), _classes(*both)
            name = WHOLE[0] if WHOLE[0] in names else next(iter(names)) if len(names) == 1 else None
            if name is None:
                wanted = " or ".join(", ".join(group) for group in (*SETS, WHOLE))
                raise ValueError(f"it has the arrays {', '.join(sorted(names)) or 'none'}; give {wanted}")
            array = member(name, images)
            return _split(path, array, _matched(member(WHOLE[1], labels), array))
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} cannot be used: {error}") from error


def _images(path: Path, name: str, stream: IO[bytes], size: int, fit: Fit | None) -> NDArray[np.uint8]:
    """From a stream of so many bytes."""
    shape, dtype = npy.header(stream)
    if len(shape) not in (3, 4) or not all(1 <= size <= 4096 for size in shape[1:]) or prod(shape) > LARGEST:
        raise ValueError(
            f"{name} has shape {shape}; give images of shape (n, height, width) or (n, height, width, "
            "channels)"
        )
    if prod(shape) * dtype.itemsize > size:
        raise ValueError(f"{name} is truncated: {size:,} bytes for shape {shape} and type {dtype}")
    first = len(shape) == 4 and shape[-1] not in MODES and shape[1] in MODES
    if len(shape) == 4 and shape[-1] not in MODES and not first:
        raise ValueError(
            f"{name} has shape {shape}; give {', '.join(map(str, MODES))} channels, as the last axis"
        )
    if first:
        print(
            f"kae: {path}: {name} has its channels first: {shape} is read as images of {shape[2]}x{shape[3]}",
            file=sys.stderr,
        )

    def rows() -> Iterator[NDArray[np.uint8]]:
        for start in range(0, shape[0], ROWS):
            signals.check()
            part = _bytes(npy.rows(stream, (min(ROWS, shape[0] - start), *shape[1:]), dtype), name, start)
            part = (
                part.reshape(*part.shape, 1)
                if part.ndim == 3
                else part.transpose(0, 2, 3, 1)
                if first
                else part
            )
            yield from (fitted_array(image, fit) for image in part) if fit else part

    height, width, channels = (
        (*shape[1:], 1) if len(shape) == 3 else (*shape[2:], shape[1]) if first else shape[1:]
    )
    if fit:
        height, width, channels = fit.height, fit.width, fit.channels or channels
    return _filled((shape[0], height, width, channels), rows())


def _bytes(array: NDArray[Any], name: str, start: int) -> NDArray[np.uint8]:
    match array.dtype.kind:
        case "b":
            return array.astype(np.uint8) * 255
        case "u" | "i" if array.dtype != np.uint8:
            low, high, top = array.min(), array.max(), 255
        case "f":
            low, high, top = array.min(), array.max(), 1
        case "u":
            return array
        case _:
            raise ValueError(
                f"{name} is of type {array.dtype}; give uint8 in 0..255 or floating point in [0, 1]"
            )
    if not (low >= 0 and high <= top):  # NaN is not
        what = "NaN" if low != low or high != high else f"values from {low:g} to {high:g}"
        raise ValueError(
            f"{name} holds {what} (images {start} to {start + len(array) - 1}); give uint8 in 0..255 or "
            "floating point in [0, 1]"
        )
    return (np.rint(array * 255.0) if top == 1 else array).astype(np.uint8)


def _labels(path: Path, name: str, stream: IO[bytes]) -> NDArray[np.int64]:
    shape, dtype = npy.header(stream)
    if (
        dtype.kind not in "iu"
        or prod(shape) > LARGEST // 8
        or not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1))
    ):
        raise ValueError(f"{name} is {dtype} of shape {shape}; give whole numbers of shape (n,)")
    return npy.rows(stream, shape, dtype).reshape(-1).astype(np.int64)


def _matched(labels: Any, images: Any) -> Any:
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"there are {len(images)} images and {len(labels)} labels")
    if labels is not None and len(labels) and not (labels.min() >= 0 and labels.max() < 10_000):
        raise ValueError(f"labels go from {labels.min()} to {labels.max()}; give 0, 1, ... to at most 9,999")
    return labels


def _split(path: Path, images: Any, labels: Any) -> Found:
    train, test = _parted(len(images), path)
    parts = [(_taken(images, at), None if labels is None else labels[at]) for at in (train, test)]
    return (parts[0][0], parts[0][1], parts[1][0], parts[1][1]), _classes(labels)


def _taken(images: Any, at: NDArray[np.int64]) -> Any:
    return _filled((len(at), *images.shape[1:]), (images[number] for number in at))


def _classes(*labels: Any) -> tuple[str, ...]:
    highest = max((int(each.max()) for each in labels if each is not None and len(each)), default=-1)
    return tuple(str(number) for number in range(highest + 1))


def _parted(count: int, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which are for training and which for the test: the same for the same number of images."""
    if count < 2:
        raise DataError(
            f"{path} has {count or 'no'} image{'s' * (count != 1)}; give at least 2: one in {TESTED} is "
            "for the test"
        )
    order = np.random.default_rng(0).permutation(count)
    test = max(1, count // TESTED)
    return np.sort(order[test:]), np.sort(order[:test])


def _filled(shape: tuple[int, ...], images: Iterator[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """An array of that shape, in a file without a name."""
    if prod(shape) == 0:
        raise ValueError("it holds no images")
    with tempfile.TemporaryFile() as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(
                    file.fileno(), 0, prod(shape)
                )  # a mapped file that cannot grow ends the process
        except OSError as error:
            raise WriteError(
                f"cannot write {prod(shape):,} bytes into {tempfile.gettempdir()}: {error.strerror}\n"
                "Name another folder: TMPDIR."
            ) from error
        array = np.memmap(file, np.uint8, "w+", shape=shape)
        for at, image in enumerate(images):
            array[at] = image
    return array


def _some(items: list[str]) -> str:
    return ", ".join(items[:TOLD]) + (f" and {len(items) - TOLD} more" if len(items) > TOLD else "")
