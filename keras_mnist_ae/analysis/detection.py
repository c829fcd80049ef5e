"""How well scores tell strange images from normal ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]

RESAMPLES = 200
FOUND = 0.95  # share of strange images found, at which false alarms are counted


def quality(scores: Double, strange: NDArray[np.bool_]) -> dict[str, Any]:
    """`auroc`, `average_precision` and `false_alarms_at_95`, each with a 95 % bootstrap interval in
    `intervals`; None where all images are of one kind.
    """
    if strange.all() or not strange.any():
        return {"auroc": None, "average_precision": None, "false_alarms_at_95": None, "intervals": {}}
    whole = _measures(scores, strange)
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        at = generator.integers(0, len(scores), len(scores))
        if strange[at].any() and not strange[at].all():
            draws.append(list(_measures(scores[at], strange[at]).values()))
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0)
    intervals = {name: [float(a), float(b)] for name, a, b in zip(whole, low, high, strict=True)}
    return {**whole, "intervals": intervals}


def _measures(scores: Double, strange: NDArray[np.bool_]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    least = np.quantile(scores[strange], 1 - FOUND, method="lower")
    return {
        "auroc": float(roc_auc_score(strange, scores)),
        "average_precision": float(average_precision_score(strange, scores)),
        "false_alarms_at_95": float((scores[~strange] >= least).mean()),
    }
