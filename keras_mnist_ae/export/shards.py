"""A source in shards: each a file that is whole or not there, beside a manifest that says of which
model and source they are. What is missing is done; what is there is checked.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ..datasets.assembly import some
from ..errors import CorruptFileError, DataError, UsageError, WriteError
from ..runs.checksums import sha256, to_json
from ..system import signals, workers
from ..system.atomic import advice, sweep, write_text
from ..system.notes import say
from ..system.progress import phase
from ..system.reading import read_json
from .portions import Divided, Portion
from .streams import CHUNK

MANIFEST, LOCK = "manifest.json", ".lock"
REFUSALS = {  # what may differ between what lies there and what is asked for
    "job": "the results of `{old}`, not of `{new}`",
    "model_sha256": "results of another model (sha256 {old:.12}, now {new:.12})",
    "source_sha256": "results of another or a changed source (sha256 {old:.12}, now {new:.12})",
    "reading": "results of images that were read otherwise ({old}, now {new})",
    "shards": "{old} shards, not {new}",
    "suffix": "files of the kind {old}, not {new}",
}


@dataclass(frozen=True)
class Done:
    """A finished shard: rows, SHA-256 of the rows of each output, how many items were left out, the
    first of these, and what else was counted.
    """

    rows: int
    rows_sha256: dict[str, str]
    left_out: int
    broken: list[str]
    counts: dict[str, int] = field(default_factory=dict)


class Work(Protocol):
    """What makes the file of one shard, in another process."""

    def __call__(self, portion: Portion, target: Path, count: workers.Count) -> Done: ...


def write_shards(
    folder: Path,
    job: dict[str, Any],
    work: Work,
    source: Divided,
    shards: int,
    processes: int | None,
) -> dict[str, Any]:
    """Write the shards of a source that are missing in a folder; give the manifest, and under
    `made` how many were missing.

    Args:
        job: identifies the results: `job`, `model_sha256`, `source_sha256`, `reading`, `suffix`.
        processes: local processes; None takes as many as there are processors.

    Raises:
        UsageError: The folder holds something else, or another process writes there.
        DataError: Most of the source cannot be read, or it changed meanwhile.
    """
    processes = _processes(processes)
    chunks = max(1, math.ceil(source.total / CHUNK))
    if shards > chunks:
        say(f"kae: {chunks} shards instead of {shards}: each holds {CHUNK} items or more")
    shards = min(shards, chunks)
    edges = [min(at * chunks // shards * CHUNK, source.total) for at in range(shards + 1)]
    job = {**job, "shards": shards}
    names = [f"shard-{at:05}-of-{shards:05}{job['suffix']}" for at in range(shards)]
    with _locked(folder):
        parts: dict[str, Any] = _known(folder, job)
        missing = [at for at, name in enumerate(names) if name not in parts]

        def manifest() -> dict[str, Any]:
            listed = [parts[name] for name in names if name in parts]
            rows = sum(part["rows"] for part in listed)
            return {
                **job,
                "items": source.total,
                "complete": len(listed) == shards,
                "rows": rows,
                "parts": listed,
            }

        def done(at: int, result: Done) -> None:
            path = folder / names[at]
            parts[names[at]] = {
                "file": names[at],
                "first": edges[at],
                "stop": edges[at + 1],
                "rows": result.rows,
                "left_out": result.left_out,
                "examples": result.broken,
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
                "rows_sha256": result.rows_sha256,
                **result.counts,
            }
            write_text(folder / MANIFEST, to_json(manifest()))

        write_text(folder / MANIFEST, to_json(manifest()))
        todo = sum(edges[at + 1] - edges[at] for at in missing)
        try:
            with (
                signals.remedied("the same command again"),
                phase("rows", todo) as advance,
            ):
                workers.each(
                    partial(_shard, work),
                    missing,
                    lambda at: (source.part(edges[at], edges[at + 1]), folder / names[at]),
                    done,
                    processes,
                    advance,
                )
        finally:
            sweep(folder)
        told = {**manifest(), "made": len(missing), "workers": processes}
    _check_left_out(told)
    return told


def _shard(work: Work, task: tuple[Portion, Path], count: workers.Count) -> Done:
    return work(*task, count)


def _processes(asked: int | None) -> int:
    cores = workers.cores()
    if asked and asked > cores:
        say(f"kae: {asked} workers share {cores} processors")
    return asked or cores


class _locked:  # noqa: N801  # a context
    """The folder, made where it is missing, to which no other process writes meanwhile."""

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; name a folder for the shards.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"cannot make {folder}: {error.strerror}\n{advice(error)}") from error
        self._folder, self._lock = folder, FileLock(folder / LOCK, timeout=0)

    def __enter__(self) -> None:
        from filelock import Timeout

        try:
            self._lock.acquire()
        except Timeout:
            raise UsageError(
                f"another process writes to {self._folder}.\nWait until it ends, or stop it."
            ) from None
        except OSError as error:
            raise WriteError(f"cannot write to {self._folder}: {error.strerror}\n{advice(error)}") from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _known(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """The shards that lie there, by name, each with the sha256 that it should have."""
    sweep(folder)
    path = folder / MANIFEST
    if not path.exists():
        if other := sorted(entry.name for entry in folder.iterdir() if entry.name != LOCK):
            raise UsageError(
                f"{folder} holds other files ({some(other)}) and no {MANIFEST}.\nName a new folder."
            )
        return {}
    try:
        told = read_json(path)
        found = {part["file"]: part for part in told["parts"]}
        differing = next((key for key in REFUSALS if told[key] != job[key]), None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} is no manifest of shards: {error!r}\nName a new folder.") from error
    if differing:
        what = REFUSALS[differing].format(old=told[differing], new=job[differing])
        raise UsageError(f"{folder} holds {what}.\nName a new folder, or remove this one.")
    good: dict[str, Any] = {}
    with phase("checking shards", len(found)) as advance:
        for name, part in found.items():
            file = folder / Path(name).name
            if file.is_file() and file.stat().st_size == part["bytes"] and sha256(file) == part["sha256"]:
                good[name] = part
            elif file.exists():
                say(f"kae: {name} is not what was written there: it is made anew")
            advance(1)
    return good


def _check_left_out(told: dict[str, Any]) -> None:
    left_out = sum(part["left_out"] for part in told["parts"])
    examples = [text for part in told["parts"] for text in part["examples"]]
    told["left_out"] = left_out
    what = f"{left_out:,} of {told['items']:,} cannot be read: {some(examples)}"
    if 2 * left_out > told["items"]:
        raise DataError(what)
    if left_out:
        say(f"kae: left out: {what}")


def digests(names: list[str]) -> tuple[Callable[[dict[str, Any]], None], Callable[[], dict[str, str]]]:
    """What takes the arrays of each chunk, and what gives the SHA-256 of the rows by name."""
    found = {name: hashlib.sha256() for name in names}

    def update(arrays: dict[str, Any]) -> None:
        for name, digest in found.items():
            digest.update(arrays[name].tobytes())

    return update, lambda: {name: digest.hexdigest() for name, digest in found.items()}
