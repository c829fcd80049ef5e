"""Rows of images in files that are read from any row to any other."""

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .decoding import Decoder
from .pictures import BROKEN, why


class Row(NamedTuple):
    """An image, None where it cannot be read; its name and label, None where it has none."""

    image: NDArray[np.uint8] | None
    name: str | None
    label: Any


@dataclass(frozen=True)
class Streamed(ABC):
    """Rows in files that are read from the first to the last; it can be sent to another process.

    Args:
        files: in their order.
        counts: how many rows each has.
        decoder: makes images of pictures.
    """

    files: tuple[Path, ...]
    counts: tuple[int, ...]
    decoder: Decoder

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes 0, 1, ..., where the files have them."""
        return ()

    @property
    def total(self) -> int:
        return sum(self.counts)

    def rows(self, start: int, stop: int, broken: list[str]) -> Iterator[Row]:
        """The rows from `start` to before `stop`; `broken` is told which cannot be read and why.

        Raises:
            DataError: A file cannot be read.
        """
        first = 0
        for path, count in zip(self.files, self.counts, strict=True):
            low, high = max(start - first, 0), min(stop - first, count)
            if low < high:
                yield from self._rows(path, low, high, first, broken)
            first += count

    @abstractmethod
    def _rows(self, path: Path, low: int, high: int, first: int, broken: list[str]) -> Iterator[Row]:
        """The rows of one file, whose first is row `first` of all."""

    def _image(self, content: Any, what: str, broken: list[str]) -> NDArray[np.uint8] | None:
        try:
            return self.decoder(io.BytesIO(content) if isinstance(content, bytes) else content)
        except BROKEN as error:
            broken.append(f"{what} ({why(error)})")
            return None
