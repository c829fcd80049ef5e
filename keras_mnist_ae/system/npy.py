"""Arrays in the .npy format from streams that are not to be trusted: nothing is allocated on a
header's word, no object is ever loaded.
"""

from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray


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
