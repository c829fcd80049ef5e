"""Things timed in turns, so that what else the machine does meets all of them alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHORTEST = 0.02  # seconds that a turn takes at least: a call is repeated until it does


@dataclass(frozen=True)
class Ratio:
    """How many times the other's time: the median over the rounds, and its quartiles."""

    median: float
    low: float
    high: float


def alternate(calls: dict[str, Callable[[], object]], count: int) -> dict[str, NDArray[np.float64]]:
    """Seconds per call, one number for each of `count` rounds. The first call of each is not
    counted.
    """
    repeats = {}
    for name, call in calls.items():
        call()
        repeats[name] = max(1, round(SHORTEST / _seconds(call, 1)))
    rounds = [{name: _seconds(call, repeats[name]) for name, call in calls.items()} for _ in range(count)]
    return {name: np.array([taken[name] for taken in rounds]) for name in calls}


def ratio(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Ratio:
    """Of the times of two calls, round by round."""
    low, median, high = (float(value) for value in np.quantile(ours / theirs, (0.25, 0.5, 0.75)))
    return Ratio(median, low, high)


def _seconds(call: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
