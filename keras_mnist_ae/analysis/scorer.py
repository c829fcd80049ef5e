"""A calibrated autoencoder that scores images: numpy beside what encodes and decodes."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptFileError, UsageError
from ..system import npy
from ..system.hints import calibrating
from ..system.reading import read_bytes, read_json
from . import scores
from .codec import Codec
from .conformal import p_values

CALIBRATION, STATISTICS = "calibration.json", "scoring.npz"


class Scorer:
    """Scores images and says which are stranger than a threshold allows.

    Args:
        codec: the autoencoder.
        folder: where `calibration.json` and `scoring.npz` lie, as `kae calibrate` wrote them.
        weights_sha256: the fingerprint of the autoencoder's weights.

    Raises:
        UsageError: There is no calibration in the folder.
        CorruptFileError: It is damaged, or of another model.
    """

    def __init__(self, codec: Codec, folder: Path, weights_sha256: str) -> None:
        self.codec = codec
        if not (folder / CALIBRATION).is_file():
            raise UsageError(f"{folder} has no calibration yet.\nMake one: {calibrating(folder)}")
        try:
            self.facts = read_json(folder / CALIBRATION)
            if self.facts["weights_sha256"] != weights_sha256:
                raise CorruptFileError(
                    f"the calibration in {folder} is of another model.\nMake it anew: {calibrating(folder)}"
                )
            statistics = read_bytes(folder / STATISTICS, npy.LARGEST_ARCHIVE)
            if hashlib.sha256(statistics).hexdigest() != self.facts["statistics_sha256"]:
                raise ValueError(f"{STATISTICS} beside it is another")
            self.statistics = scores.Statistics(**npy.archive(folder / STATISTICS))
            self.normal = np.array(self.facts["scores"], np.float64)
            self.threshold = float(self.facts["threshold"])
            self.score = str(self.facts["score"])
            self.false_alarms = float(self.facts["false_alarms"])
            self.largest_error = float(self.facts["largest_error"])
            if self.score not in scores.SCORES or not len(self.normal):
                raise ValueError(f"its score is {self.score!r}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(
                f"{folder / CALIBRATION} cannot be used: {error}\nMake it anew: {calibrating(folder)}"
            ) from error

    def __call__(self, images: NDArray[np.float32], names: tuple[str, ...] = ()) -> dict[str, Any]:
        """Scores by name, and `p_value`, `flagged`, `image` and `reconstruction`, each of n rows.

        Args:
            images: (n, H, W, C) in [0, 1].
            names: further scores beside the calibrated one.

        Raises:
            ValidationError: Codes, reconstructions or scores are not finite.
        """
        wanted = self._wanted(names)
        return self._result(scores.modelled(self.codec, images, wanted), wanted)

    def each(
        self, parts: Iterable[NDArray[np.float32]], names: tuple[str, ...] = ()
    ) -> Iterator[dict[str, Any]]:
        """The same of each part of some images, in turn: numpy's work on one beside the model's on
        the next, or on as many as the codec allows at once.
        """
        wanted = self._wanted(names)
        threads = self.codec.threads
        # a bound is the model's work again
        ahead = 0 if threads == 1 and set(scores.VARIATIONAL) & set(wanted) else threads

        def finished(task: Future[Any]) -> dict[str, Any]:
            return self._result(task.result(), wanted) if threads > 1 else task.result()

        waiting: deque[Future[Any]] = deque()
        with ThreadPoolExecutor(threads) as workers:
            for images in parts:
                if threads > 1:
                    waiting.append(workers.submit(scores.modelled, self.codec, images, wanted))
                else:
                    inputs = scores.modelled(self.codec, images, wanted)
                    waiting.append(workers.submit(self._result, inputs, wanted))
                if len(waiting) > ahead:
                    yield finished(waiting.popleft())
            while waiting:
                yield finished(waiting.popleft())

    def _wanted(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([self.score, *names]))

    def _result(self, inputs: scores.Inputs, names: tuple[str, ...]) -> dict[str, Any]:
        values = {name: scores.SCORES[name].compute(inputs, self.statistics) for name in names}
        return {
            **values,
            "p_value": p_values(values[self.score], self.normal),
            "flagged": values[self.score] > self.threshold,
            "image": inputs.images,
            "reconstruction": inputs.reconstructions,
        }
