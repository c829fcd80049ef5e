"""Any pair of IDX files, images and labels, in a folder: such as those of EMNIST."""

import gzip
import re
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..system.reading import open_regular
from .assembly import Part, Source
from .mapped import filled
from .reading import Reading, scaled
from .resize import fitted_array
from .splits import NAMES

Pairs = dict[str, tuple[Path, ...]]  # images, and labels where there are any, by split

LARGEST = 2**34  # bytes of pixels


def pairs(folder: Path) -> Pairs:
    """The IDX files in a folder, by the split that their names contain; {} where there are none.

    Raises:
        DataError: There are those of several sets.
    """
    found: Pairs = {}
    for path in sorted(folder.iterdir()):
        if not re.search(r"idx3-ubyte(\.gz)?$", path.name) or not path.is_file():
            continue
        words = re.split(r"[-_.]", path.name.lower())
        split = next((NAMES[word] for word in words if word in NAMES), "")
        split = "test" if words[0] == "t10k" else split
        if split in found:
            raise DataError(
                f"{folder} holds IDX files of several sets: {found[split][0].name}, {path.name}.\n"
                "Give a folder with those of one."
            )
        labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
        found[split] = (path, labels) if labels.is_file() else (path,)
    return found


def source(folder: Path, files: Pairs, reading: Reading) -> Source:
    """The images in pairs of IDX files. Those of EMNIST are published with rows and columns
    exchanged, and are turned upright.

    Raises:
        DataError: A file is damaged.
    """
    parts: dict[str, Part] = {}
    notes: list[str] = []
    shape = (0, 0, 0)
    for split, (images, *labels) in files.items():
        array = _read(images, 3)
        if images.name.lower().startswith("emnist"):
            array = array.transpose(0, 2, 1)
            notes = ["EMNIST: rows and columns exchanged, so that the characters stand upright"]
        if reading.value_range:
            try:
                array = scaled(array, reading.value_range, images.name)
            except ValueError as error:
                raise DataError(str(error)) from error
        array = 255 - array if reading.invert else array
        pixels = array[..., np.newaxis]
        if size := reading.size:
            target = (len(pixels), size.height, size.width, size.channels or 1)
            pixels = filled(target, (fitted_array(image, size, reading.mode) for image in pixels))
        shape = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
        named = _read(labels[0], 1).astype(np.int64) if labels else None
        parts[split] = Part(pixels, lambda image: image, named)
    if set(parts) == {"train"} or len(parts) == 1:
        parts = {"": next(iter(parts.values()))}
    return Source(str(folder), parts, shape, notes)


def _read(path: Path, axes: int) -> NDArray[np.uint8]:
    header = 4 + 4 * axes
    try:
        with open_regular(path) as opened, gzip.open(opened) if path.suffix == ".gz" else opened as stream:
            start = stream.read(header)
            if len(start) < header or start[:4] != bytes([0, 0, 8, axes]):
                raise ValueError(f"its first bytes are those of no IDX file of {axes} axes")
            shape = struct.unpack_from(f">{axes}I", start, 4)
            if prod(shape) > LARGEST:
                raise ValueError(f"its header claims {prod(shape):,} bytes")
            content = bytearray()
            while len(content) < prod(shape):
                part = stream.read(min(prod(shape) - len(content), 2**24))
                if not part:
                    raise ValueError(f"it is truncated: {len(content):,} of {prod(shape):,} bytes")
                content += part
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return np.frombuffer(content, np.uint8).reshape(shape)
