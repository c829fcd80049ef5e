"""Checkpoints of a run: everything it needs to go on as if it had never stopped."""

import json
import math
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptFileError
from ..system import npy
from ..system.notes import say
from .folder import Run

UNREADABLE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *npy.ZIP_ERRORS,
)
KEPT = 2
NAME = re.compile(r"\d{6}-\d{8}\.npz")


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after `batch` batches of an epoch, counted from 0.

    `history` is that of the epochs before it, `seconds` what was spent in it so far, `arrays` every
    variable of model, optimizer and metrics in Keras' order.
    """

    epoch: int
    batch: int
    seconds: float
    history: dict[str, list[float]]
    arrays: list[NDArray[Any]]


def save(run: Run, checkpoint: Checkpoint) -> None:
    """Write it, and remove all but the last two. Raises `WriteError`."""
    told = {name: getattr(checkpoint, name) for name in ("epoch", "batch", "seconds", "history")}
    arrays = {f"array{number}": array for number, array in enumerate(checkpoint.arrays)}
    with run.replacing(f"checkpoints/{checkpoint.epoch:06d}-{checkpoint.batch:08d}.npz") as temporary:
        np.savez(temporary, allow_pickle=False, told=np.array(json.dumps(told)), **arrays)
    for path in _newest_first(run)[KEPT:]:
        path.unlink(missing_ok=True)


BEST = "checkpoints/best.npz"


def save_best(run: Run, weights: list[NDArray[Any]]) -> None:
    """Keep the weights of the best epoch so far."""
    with run.replacing(BEST) as temporary:
        np.savez(temporary, allow_pickle=False, **{f"array{at}": w for at, w in enumerate(weights)})


def best(run: Run) -> list[NDArray[Any]] | None:
    """The weights that `save_best` kept; None where there are none."""
    if not (run.path / BEST).is_file():
        return None
    arrays = npy.archive(run.checked(BEST))
    return [arrays[f"array{at}"] for at in range(len(arrays))]


def newest(run: Run) -> Checkpoint | None:
    """The newest checkpoint that is whole; None when there is none yet. A broken one is told of on
    stderr.

    Raises `CorruptFileError` when there are some and all are broken.
    """
    broken, paths = [], _newest_first(run)
    for path in paths:
        try:
            return _read(run.checked(f"checkpoints/{path.name}"))
        except CorruptFileError as error:
            broken.append(error)
            back = "; going back to the one before it" if path != paths[-1] else ""
            say(f"kae: {str(error).splitlines()[0]}{back}")
    if broken:
        raise CorruptFileError(
            f"no checkpoint of run {run.path} is whole.\n"
            f"Train again: kae train --config {run.path / 'config.toml'}"
        )
    return None


def _check(found: Checkpoint) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError for what no training writes."""
    if (
        not all(type(number) is int and number >= 0 for number in (found.epoch, found.batch))
        or not 0 <= float(found.seconds) < math.inf
    ):
        raise ValueError(f"epoch {found.epoch}, batch {found.batch}, {found.seconds} seconds")
    for column, values in found.history.items():
        if len(values) != found.epoch or not all(type(value) in (int, float) for value in values):
            raise ValueError(f"its history has no {found.epoch} numbers of {column}")
    for array in found.arrays:
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise ValueError("its state is not one of finite numbers")


def _newest_first(run: Run) -> list[Path]:
    return sorted(
        (path for path in (run.path / "checkpoints").glob("*.npz") if NAME.fullmatch(path.name)), reverse=True
    )


def _read(path: Path) -> Checkpoint:
    try:
        with npy.members(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed")
            arrays = {}
            for member in archive.infolist():
                with archive.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = npy.rows(stream, *npy.header(stream))
        told = json.loads(str(arrays.pop("told")))
        ordered = [arrays[f"array{number}"] for number in range(len(arrays))]
        found = Checkpoint(told["epoch"], told["batch"], told["seconds"], told["history"], ordered)
        _check(found)
        return found
    except UNREADABLE as error:
        raise CorruptFileError(f"{path} is not a checkpoint of ours: {error!r}") from error
