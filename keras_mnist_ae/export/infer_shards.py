"""Exported graphs over huge sets: in shards, by local processes."""

import os
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Unpack

from ..datasets.reading import ReadingOptions
from ..errors import CorruptFileError, UsageError
from ..system.workers import Count
from .infer import graphs_of, ports_and_names
from .outputs import writing
from .portions import Portion, divided
from .runtime import OnnxAutoencoder
from .shards import Done, digests, write_shards
from .streams import CHUNK, Chunk, Input

GRAPHS = {"encode": "encoder", "decode": "decoder", "reconstruct": "autoencoder"}
FORMATS = ("npy", "npz", "csv", "parquet")
EXAMPLES = 3  # of what was left out


def infer_shards(
    job: str,
    folder: str | os.PathLike[str],
    source: str | os.PathLike[str],
    target: Path,
    *,
    shards: int,
    workers: int | None = None,
    format: str | None = None,
    runs_dir: Path = Path("runs"),
    data_dir: Path | None = None,
    **reading: Unpack[ReadingOptions],
) -> dict[str, Any]:
    """As `infer`, in shards that local processes write into the folder `target`: those that are
    missing there. The rows of all shards are those of one process, bit for bit.

    A script calls it under `if __name__ == "__main__"`: the processes import that script.

    Args:
        shards: how many files; each holds 256 items or more.
        workers: processes of one thread each; None takes as many as there are processors.
        format: npy, npz (with names and classes; what switches need), or of codes csv or parquet.

    Returns:
        The manifest: `rows`, `left_out`, the sha256 of model, source and of each shard's rows.

    Raises:
        UsageError: The folder holds shards of another model or source.
        DataError: The content does not fit, or most of it cannot be read.
        KaeError: The processes are killed again and again.
    """
    model, asked = graphs_of(os.fspath(folder), runs_dir)
    asked = asked.changed(model.info.image, reading)
    ports, names = ports_and_names(job, model.info)
    suffix = f".{format or ('npz' if len(names) > 1 else 'npy')}"
    if (suffix == ".npy" and len(names) > 1) or (suffix in (".csv", ".parquet") and names != ["latent"]):
        raise UsageError(f"{', '.join(names)} cannot be written as {suffix[1:]}; use --format npz.")
    model_sha256 = sha256(model.load()[GRAPHS[job]]).hexdigest()
    given = divided(os.fspath(source), ports, model.info.image, asked, data_dir)
    facts = {
        "job": job,
        "model_sha256": model_sha256,
        "source": os.fspath(source),
        "source_sha256": given.sha256,
        "reading": str(asked) or "as it is",
        "suffix": suffix,
        "chunk": CHUNK,
    }
    work = InferShard(job, model.folder.absolute(), model_sha256, ports, names, model.info.latent_size)
    return write_shards(target, facts, work, given, shards, workers)


@dataclass(frozen=True)
class InferShard:
    """Makes the file of one shard from a portion of the source."""

    job: str
    folder: Path
    model_sha256: str
    ports: list[str]
    names: list[str]
    latent_size: int

    def __call__(self, portion: Portion, target: Path, count: Count) -> Done:
        model = _model(self.folder, GRAPHS[self.job], self.model_sha256)
        rows, at, broken = 0, 0, list[str]()
        update, sums = digests(self.names)
        given = Input(portion.total, iter(()), first=portion.first)
        with writing(target, self.names, self.latent_size, given) as write:
            for chunk in portion.chunks(broken):
                arrays: Any = [chunk.arrays[port] for port in self.ports]
                result = getattr(model, self.job)(arrays if len(arrays) > 1 else arrays[0])
                results = dict(zip(self.names, result if isinstance(result, list) else [result], strict=True))
                write(Chunk(results, chunk.names, chunk.classes))
                update(results)
                rows += len(results[self.names[0]])
                at = min(at + CHUNK, portion.total)
                count(at)
        return Done(rows, sums(), len(broken), broken[:EXAMPLES])


@lru_cache(maxsize=1)
def _model(folder: Path, graph: str, model_sha256: str) -> OnnxAutoencoder:
    """The graphs, once a process. Raises `CorruptFileError` when they are no longer the same."""
    model = OnnxAutoencoder(folder, threads=1, chunk=CHUNK)
    if sha256(model.load()[graph]).hexdigest() != model_sha256:
        raise CorruptFileError(
            f"{folder / graph}.onnx was changed meanwhile.\nName a new folder for its shards."
        )
    return model
