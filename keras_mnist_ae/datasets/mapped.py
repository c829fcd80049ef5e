"""Arrays larger than memory: filled image by image in a file without a name, and mapped."""

import os
import tempfile
from collections.abc import Iterable
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..errors import WriteError


def filled(shape: tuple[int, ...], images: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A mapped array of as many of `shape` as there are images, at most shape[0].

    Raises ValueError for no images, and `WriteError` when there is no space.
    """
    if prod(shape) == 0:
        raise ValueError("it holds no images")
    with tempfile.TemporaryFile() as file:
        try:
            if hasattr(os, "posix_fallocate"):  # a mapped file that cannot grow ends the process
                os.posix_fallocate(file.fileno(), 0, prod(shape))
        except OSError as error:
            raise WriteError(
                f"cannot write {prod(shape):,} bytes into {tempfile.gettempdir()}: {error.strerror}\n"
                "Name another folder: TMPDIR."
            ) from error
        array = np.memmap(file, np.uint8, "w+", shape=shape)
        count = 0
        for image in images:
            array[count] = image
            count += 1
    if not count:
        raise ValueError("it holds no images")
    return array[:count]
