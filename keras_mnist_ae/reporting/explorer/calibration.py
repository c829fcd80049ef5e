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

    `terms` are the parts whose weighted sum the score is, None for one that the page does not
    compute; `mean` and `precision` are those of the cells of `structure`, else of the code.
    """
    if not (run.path / CALIBRATION).is_file():
        return None
    try:
        scorer = Scorer(codec, run.path, weights_sha256)
    except CorruptFileError as error:
        say(f"kae: the page has no threshold: {error}")
        return None
    known = scorer.statistics
    return {
        "score": scorer.score,
        "meaning": SCORES[scorer.score].meaning,
        "false_alarms": float(scorer.facts["false_alarms"]),
        "threshold": scorer.threshold,
        **computed(scorer.score, known),
    }


def computed(score: str, known: Statistics) -> dict[str, Any]:
    """What the page needs to compute a score: see `analysis.scores`."""
    mean, precision = known.code_mean, known.code_precision
    if score == "structure":
        mean, precision = known.structure_mean, known.structure_precision
    return {
        "terms": terms(score, known),
        "mean": numbers64(mean, "<f4"),
        "precision": numbers64(precision[np.tril_indices(len(precision))], "<f4"),  # it is symmetric
    }


def terms(score: str, known: Statistics) -> dict[str, float] | None:
    """The parts of a score and what each is multiplied by."""
    match score:
        case "structure" | "ssim" | "error" | "code":
            return {score: 1.0}
        case "error+code":
            return {"error": _weight(known.error), "code": _weight(known.distance)}
    return None


def _weight(moments: NDArray[np.float64]) -> float:
    mean, variance = moments
    return float(mean / max(variance, 1e-30))
