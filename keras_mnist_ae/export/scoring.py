"""What a calibrated export says of images. Needs numpy and onnxruntime alone."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..models.ports import Port, batches, checked
from . import manifest

if TYPE_CHECKING:
    from ..analysis.scorer import Scorer


class Scoring(ABC):
    """Scores of exported graphs that `kae calibrate` has given a threshold.

    Images are those that `OnnxAutoencoder` takes.
    """

    folder: Path
    chunk: int

    @property
    @abstractmethod
    def info(self) -> Any: ...

    @abstractmethod
    def encode(self, images: ArrayLike) -> Any: ...

    @abstractmethod
    def decode(self, codes: Any) -> NDArray[np.float32]: ...

    @abstractmethod
    def reconstruct(self, images: ArrayLike) -> NDArray[np.float32]: ...

    @property
    @abstractmethod
    def variational(self) -> bool: ...

    @abstractmethod
    def posterior(self, images: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...

    @abstractmethod
    def beside(self) -> tuple[Any, int]:
        """Graphs to score with, and how many threads may use them at once."""

    @abstractmethod
    def _image_port(self) -> Port: ...

    def score(self, images: ArrayLike) -> NDArray[np.float64]:
        """How strange each image is, (n,), by the score that `kae calibrate` chose.

        Raises:
            UsageError: The export has no calibration.
            CorruptFileError: The calibration is damaged, or of another model.
        """
        values: NDArray[np.float64] = self._scores(images)[self.scorer.score]
        return values

    def p_value(self, images: ArrayLike) -> NDArray[np.float64]:
        """The share of normal images that are as strange as each image or more, (n,), each counted
        with the image itself.
        """
        values: NDArray[np.float64] = self._scores(images)["p_value"]
        return values

    def flag(self, images: ArrayLike) -> NDArray[np.bool_]:
        """Whether each image is stranger than the calibrated threshold, (n,): of normal images at
        most the calibrated share is, in expectation.
        """
        flags: NDArray[np.bool_] = self._scores(images)["flagged"]
        return flags

    def error_map(self, images: ArrayLike) -> NDArray[np.float64]:
        """Squared error of each pixel, averaged over the channels: (n, H, W)."""
        from ..analysis.scores import error_map

        parts = ((part, self.reconstruct(part)) for part in self._parts(images))
        return np.concatenate([error_map(part, other) for part, other in parts])

    @cached_property
    def scorer(self) -> "Scorer":
        """What scores images by the calibration beside the graphs."""
        from ..analysis.codec import of_graphs
        from ..analysis.scorer import Scorer

        sha256 = self.info.metadata["weights_sha256"]
        manifest.check_calibration(self.folder)
        return Scorer(of_graphs(*self.beside()), self.folder, sha256)

    def _scores(self, images: ArrayLike) -> dict[str, Any]:
        results: dict[str, list[Any]] = {}
        for found in self.scorer.each(self._parts(images)):
            for name in found.keys() - {"image", "reconstruction"}:
                results.setdefault(name, []).append(found[name])
        return {name: np.concatenate(parts) for name, parts in results.items()}

    def _parts(self, images: ArrayLike) -> Iterator[NDArray[np.float32]]:
        """Images as float32 (n, H, W, C) in [0, 1], a chunk at a time, at least one."""
        port = self._image_port()
        (array,) = batches([images], (port,))
        for start in range(0, max(len(array), 1), self.chunk):
            yield checked(array[start : start + self.chunk], port, start)
