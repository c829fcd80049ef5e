"""How well scores tell strange images from normal ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]

RESAMPLES = 200
FOUND = 0.95  # share of strange images found, at which false alarms are counted
MEASURES = ("auroc", "average_precision", "false_alarms_at_95")


def quality(scores: Double, strange: NDArray[np.bool_]) -> dict[str, Any]:
    """How well scores rank strange images above normal ones.

    Args:
        scores: (n,), larger is stranger.
        strange: (n,).

    Returns:
        `auroc`, `average_precision` and `false_alarms_at_95` (the share of normal images that score
        as high as 95 % of the strange ones do), and under `intervals` the 95 % percentile bootstrap
        interval of each (Efron 1979), from 200 resamples of normal and of strange images; None
        where all images are of one kind.

    Examples:
        >>> measures = quality(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True]))
        >>> measures["auroc"]
        0.75
    """
    if strange.all() or not strange.any():
        return {**dict.fromkeys(MEASURES), "intervals": {}}
    usual, unusual = scores[~strange], scores[strange]
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        resampled = [part[generator.integers(0, len(part), len(part))] for part in (usual, unusual)]
        draws.append(list(_measures(*resampled).values()))
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0)
    whole = _measures(usual, unusual)
    intervals = {name: [float(a), float(b)] for name, a, b in zip(whole, low, high, strict=True)}
    return {**whole, "intervals": intervals}


def auroc(usual: Double, unusual: Double) -> float:
    """The share of pairs of a normal and a strange image of which the strange one scores higher,
    ties counted half: the area under the ROC curve.

    Examples:
        >>> auroc(np.array([1.0, 3.0]), np.array([2.0, 3.0]))
        0.625
    """
    ordered = np.sort(usual)
    below = np.searchsorted(ordered, unusual, side="left")
    not_above = np.searchsorted(ordered, unusual, side="right")
    return float((below + not_above).mean() / 2 / len(ordered))


def average_precision(usual: Double, unusual: Double) -> float:
    """The mean over the strange images of the share of strange ones among all that score as high.

    Examples:
        >>> average_precision(np.array([1.0]), np.array([2.0, 0.0]))
        0.8333333333333333
    """
    found = len(unusual) - np.searchsorted(np.sort(unusual), unusual, side="left")
    wrong = len(usual) - np.searchsorted(np.sort(usual), unusual, side="left")
    return float((found / (found + wrong)).mean())


def _measures(usual: Double, unusual: Double) -> dict[str, float]:
    least = np.quantile(unusual, 1 - FOUND, method="lower")
    values = auroc(usual, unusual), average_precision(usual, unusual), float((usual >= least).mean())
    return dict(zip(MEASURES, values, strict=True))
