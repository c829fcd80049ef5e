"""Scores of huge sets: a table for each shard, by local processes over exported graphs."""

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from ..analysis.scorer import CALIBRATION, STATISTICS, Scorer
from ..datasets.reading import ReadingOptions
from ..errors import CorruptFileError
from ..export.infer import graphs_of
from ..export.infer_shards import EXAMPLES
from ..export.portions import Portion, divided
from ..export.runtime import OnnxAutoencoder
from ..export.shards import Done, digests, write_shards
from ..export.streams import CHUNK, Input
from ..runs.runs_dir import find as find_run
from ..system.npy import LARGEST_ARCHIVE
from ..system.reading import read_bytes
from ..system.workers import Count
from .score_files import write_table
from .scored_images import collected


def score_shards(
    run: str | os.PathLike[str] | None,
    source: str | os.PathLike[str],
    target: Path,
    *,
    shards: int,
    workers: int | None = None,
    format: str = "csv",
    runs_dir: Path = Path("runs"),
    data_dir: Path | None = None,
    **reading: Unpack[ReadingOptions],
) -> dict[str, Any]:
    """As `score`, in tables that local processes write into the folder `target`: those that are
    missing there. The rows are those of one process, in its order; all images of the source are
    scored, and nothing is ranked.

    A script calls it under `if __name__ == "__main__"`: the processes import that script.

    Args:
        run: a run with an export, or the folder of one; None is the latest run.
        shards: how many tables; each holds 256 images or more.
        workers: processes of one thread each; None takes as many as there are processors.
        format: csv, parquet or npz.

    Returns:
        The manifest: `rows`, `flagged`, `score`, `threshold`, `false_alarms`, `left_out`, the
        sha256 of model, source and of each table.

    Raises:
        UsageError: There is no export or calibration, or the folder holds shards of another model
            or source.
        DataError: The images do not fit, or most of them cannot be read.
        KaeError: The processes are killed again and again.
    """
    model, asked = graphs_of(os.fspath(run if run is not None else find_run(None, runs_dir).path), runs_dir)
    scorer, image = model.scorer, model.info.image
    asked = asked.changed(image, reading)
    model_sha256 = _fingerprint(model)
    given = divided(os.fspath(source), ["image"], image, asked, data_dir)
    facts = {
        "job": "score",
        "model_sha256": model_sha256,
        "source": os.fspath(source),
        "source_sha256": given.sha256,
        "reading": str(asked) or "as it is",
        "suffix": f".{format}",
        "chunk": CHUNK,
        "score": scorer.score,
        "threshold": scorer.threshold,
        "false_alarms": scorer.false_alarms,
    }
    work = ScoreShard(model.folder.absolute(), model_sha256, image)
    told = write_shards(target, facts, work, given, shards, workers)
    return {**told, "flagged": sum(part["flagged"] for part in told["parts"])}


@dataclass(frozen=True)
class ScoreShard:
    """Makes the table of one shard from a portion of the source."""

    folder: Path
    model_sha256: str
    image: tuple[int, ...]

    def __call__(self, portion: Portion, target: Path, count: Count) -> Done:
        scorer = _scorer(self.folder, self.model_sha256)
        broken = list[str]()
        given = Input(portion.total, portion.chunks(broken), first=portion.first)
        found = collected(scorer, given, self.image, (), 1)
        columns = found.columns(scorer.score)
        if not found.names:
            columns["image"] = columns["image"] + portion.first
        write_table(target, columns)
        count(portion.total)
        update, sums = digests(["score", "p_value", "flagged"])
        update(columns)
        rows, flagged = len(columns["score"]), int(np.sum(columns["flagged"]))
        return Done(rows, sums(), len(broken), broken[:EXAMPLES], {"flagged": flagged})


@lru_cache(maxsize=1)
def _scorer(folder: Path, model_sha256: str) -> Scorer:
    """The scorer, once a process. Raises `CorruptFileError` when it is no longer the same."""
    model = OnnxAutoencoder(folder, threads=1, chunk=CHUNK)
    if _fingerprint(model) != model_sha256:
        raise CorruptFileError(
            f"the graphs or the calibration in {folder} were changed meanwhile.\n"
            "Name a new folder for the shards."
        )
    return model.scorer


def _fingerprint(model: OnnxAutoencoder) -> str:
    """SHA-256 of the graphs, of the calibration and of what it was computed from."""
    graphs = model.load()
    parts = [graphs[name] for name in sorted(graphs)]
    parts += [read_bytes(model.folder / name, LARGEST_ARCHIVE) for name in (CALIBRATION, STATISTICS)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
