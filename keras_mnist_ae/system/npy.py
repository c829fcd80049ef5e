"""Arrays in the .npy format from untrusted streams: memory grows with the data read, never with the
size that the header claims, and no object is ever loaded.
"""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from .reading import open_regular

LARGEST_ARCHIVE = 2**28  # bytes, unpacked
BOMB = 200  # times its packed size: images are not packed that well
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # what numpy writes; others unpack unbounded
ZIP_ERRORS: tuple[type[Exception], ...] = (  # what a damaged or hostile archive makes zipfile raise
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError),
)


def header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that follows, rows first. Raises `ValueError`."""
    try:
        shape, fortran, dtype = (
            read_array_header_1_0 if read_magic(stream) == (1, 0) else read_array_header_2_0
        )(stream)
    except (
        Exception
    ) as error:  # numpy parses it as Python, and raises whatever Python's tokenizer and parser do
        raise ValueError(
            f"its header is no array's: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    if dtype.hasobject or (fortran and len(shape) > 1) or any(size < 0 for size in shape):
        how = ", columns first (numpy.ascontiguousarray turns it)" if fortran else ""
        raise ValueError(f"an array of shape {shape} and type {dtype}{how}; give numbers, rows first")
    return shape, dtype


def rows(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The next numbers of a stream, of that shape; ValueError when there are fewer."""
    size = prod(shape) * dtype.itemsize
    content = bytearray()
    while len(content) < size:  # a header may promise more than memory holds
        part = stream.read(min(size - len(content), 2**24))
        if not part:
            raise ValueError(f"it is truncated: {len(content):,} of {size:,} bytes")
        content += part
    return np.frombuffer(content, dtype).reshape(shape)


@contextmanager
def members(path: Path) -> Iterator[zipfile.ZipFile]:
    """A .npz file whose arrays are packed as numpy packs them, and to no less than a 200th.

    Raises `ValueError`, OSError and `ZIP_ERRORS`, as does reading its members.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as found:
        for entry in found.infolist():
            if entry.compress_type not in METHODS:
                raise ValueError(f"{entry.filename} is packed in another way than numpy packs arrays")
            if entry.file_size > BOMB * max(entry.compress_size, 2**16):
                raise ValueError(f"it holds arrays that are packed to less than a {BOMB}th of their size")
        yield found


def archive(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a small .npz file by name. Raises `ValueError` and OSError."""
    try:
        with members(path) as found:
            if sum(member.file_size for member in found.infolist()) > LARGEST_ARCHIVE:
                raise ValueError(f"it unpacks to more than {LARGEST_ARCHIVE:,} bytes")
            arrays = {}
            for member in found.infolist():
                with found.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = rows(stream, *header(stream))
            return arrays
    except ZIP_ERRORS as error:
        raise ValueError(f"it is no .npz file: {error}") from error
