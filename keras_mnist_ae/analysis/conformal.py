"""Thresholds with a promise, by split conformal prediction (Vovk et al. 2005; Laxhammar 2010)."""

import math

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

Double = NDArray[np.float64]


def threshold(scores: Double, false_alarms: float) -> float:
    """The ceil((n + 1)(1 - a))-th smallest of n scores of normal images.

    Of further normal images at most a share `a` scores higher, in expectation and whatever the
    distribution, if they and these are exchangeable and training has seen neither.

    Raises:
        UsageError: There are too few scores for that share.

    Examples:
        >>> import numpy as np
        >>> threshold(np.arange(1.0, 100.0), 0.05)
        95.0
    """
    if not 0 < false_alarms < 1:
        raise UsageError(f"false_alarms is {false_alarms!r}; give a share above 0 and below 1")
    rank = math.ceil((len(scores) + 1) * (1 - false_alarms) - 1e-9)  # of rounding
    if rank > len(scores):
        least = math.ceil(1 / false_alarms) - 1
        raise UsageError(
            f"{len(scores)} normal images are too few for a share of {false_alarms:g} false alarms: "
            f"it takes {least}.\nKeep more out of training (--validation), or allow a larger share."
        )
    return float(np.sort(scores)[rank - 1])


def p_values(scores: Double, normal: Double) -> Double:
    """The share of normal images that score at least as high, each counted with the image itself:
    (1 + #{normal >= score}) / (n + 1).
    """
    ordered = np.sort(normal)
    higher = len(ordered) - np.searchsorted(ordered, scores, side="left")
    values: Double = (1 + higher) / (len(ordered) + 1)
    return values
