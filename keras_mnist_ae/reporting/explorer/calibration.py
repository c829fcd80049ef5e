"""The threshold of `kae calibrate` on a page, and what its score needs of normal images."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...analysis.scorer import CALIBRATION, Scorer
from ...analysis.scores import SCORES, Statistics
from ...errors import CorruptFileError
from ...runs.folder import Run
from ...system.notes import say
from .base64_text import numbers64

if TYPE_CHECKING:
    from ...analysis.codec import Codec


def calibration(run: Run, codec: "Codec", weights_sha256: str) -> dict[str, Any] | None:
    """The calibration of a run for the page, None where there is none or it is of another model.

    `factors` are those of the mean squared error and of the code's distance in the score: the page
    computes scores that are a sum of these two, and has None for others.
    """
    if not (run.path / CALIBRATION).is_file():
        return None
    try:
        scorer = Scorer(codec, run.path, weights_sha256)
    except CorruptFileError as error:
        say(f"kae: the page has no threshold: {error}")
        return None
    known, precision = scorer.statistics, scorer.statistics.code_precision
    return {
        "score": scorer.score,
        "meaning": SCORES[scorer.score].meaning,
        "false_alarms": float(scorer.facts["false_alarms"]),
        "threshold": scorer.threshold,
        "factors": factors(scorer.score, known),
        "mean": numbers64(known.code_mean, "<f4"),
        "precision": numbers64(precision[np.tril_indices(len(precision))], "<f4"),  # it is symmetric
    }


def factors(score: str, known: Statistics) -> list[float] | None:
    """What error and distance are multiplied by in a score: see `analysis.scores`."""
    match score:
        case "error":
            return [1.0, 0.0]
        case "code":
            return [0.0, 1.0]
        case "error+code":
            return [_weight(known.error), _weight(known.distance)]
    return None


def _weight(moments: NDArray[np.float64]) -> float:
    mean, variance = moments
    return float(mean / max(variance, 1e-30))
