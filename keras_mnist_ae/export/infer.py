"""Files in, files out: the graphs of a run over arrays, codes and pictures of any number, a chunk
in memory at a time.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from ..datasets.reading import Fit, Reading, ReadingOptions, range_of
from ..errors import UsageError
from ..runs.reading import trained_reading
from ..runs.runs_dir import find as find_run
from . import inputs, manifest
from .outputs import writing
from .runtime import Info, OnnxAutoencoder
from .streams import CHUNK, Chunk


def infer(
    job: str,
    folder: str | os.PathLike[str],
    source: str | os.PathLike[str],
    target: Path,
    *,
    runs_dir: Path = Path("runs"),
    data_dir: Path | None = None,
    **reading: Unpack[ReadingOptions],
) -> int:
    """Run `job` ("encode", "decode" or "reconstruct") of exported graphs over `source` into
    `target`; give the number of items.

    Images are read as training reads them: with the size, range and layout of the run that the
    graphs belong to.

    Args:
        job: what to do.
        folder: a folder of graphs, or the name or path of a run with an export.
        source: a file of arrays, a picture, a folder, or any other dataset's path or name; to
            decode, a .npy, .npz, .csv or .parquet file of codes.
        target: a .npy file; a .npz file, needed where encoding gives switches too; for codes a .csv
            or .parquet table (name, class, z0, ...); for images a new folder of .png pictures,
            which bear the names of those that were read, else numbers.
        reading: what is read otherwise than the run's own images: see `ReadingOptions`.

    Raises:
        UsageError: There is no such run, source or kind of target.
        DataError: The content does not fit.
        CorruptFileError, WriteError: A file is damaged, or cannot be written.
    """
    model, asked = graphs_of(os.fspath(folder), runs_dir)
    asked = asked.changed(model.info.image, reading)
    ports, names = ports_and_names(job, model.info)
    count = 0
    with (
        inputs.reading(os.fspath(source), ports, model.info.image, asked, data_dir) as given,
        writing(target, names, model.info.latent_size, given) as write,
    ):
        for chunk in given.chunks:
            arrays: Any = [chunk.arrays[port] for port in ports]
            result = getattr(model, job)(arrays if len(ports) > 1 else arrays[0])
            results = result if isinstance(result, list) else [result]
            write(Chunk(dict(zip(names, results, strict=True)), chunk.names, chunk.classes))
            count += len(results[0])
    return count


def ports_and_names(job: str, info: Info) -> tuple[list[str], list[str]]:
    """The names of what a job takes, and of what it gives."""
    codes = ["latent", *info.switches]
    return codes if job == "decode" else ["image"], codes if job == "encode" else ["reconstruction"]


def graphs_of(folder: str, runs_dir: Path) -> tuple[OnnxAutoencoder, Reading]:
    """The graphs in a folder or of a run, and how the run that they belong to reads images."""
    path = Path(folder)
    if not (path / "encoder.onnx").is_file() and not (path.is_dir() and any(path.glob("*.onnx"))):
        if path.is_dir() and not (path / "config.toml").is_file() and not (runs_dir / folder).is_dir():
            return OnnxAutoencoder(path, chunk=CHUNK), Reading()  # which says what is missing
        run = find_run(folder, runs_dir)
        run.require_finished()
        path = run.export_folder("float32")
        if not path.is_dir():
            raise UsageError(f"there is no export in {path}.\nMake one: {manifest.command(path)}")
        return OnnxAutoencoder(path, chunk=CHUNK), trained_reading(run)
    model = OnnxAutoencoder(path, chunk=CHUNK)
    return model, reading_of(model.info)


def reading_of(info: Info) -> Reading:
    """How the run of some graphs read its images, as their metadata say."""
    told = info.metadata
    size = Fit(*info.image) if "resize" in told else None
    asked = Reading(size, mode=_mode(told.get("resize", "")))
    if "range" in told:
        asked = replace(asked, value_range=range_of(told["range"]))
    if "depth" in told:
        asked = asked.with_depth(range_of(told["depth"]))
    return replace(asked, invert=told.get("invert") == "true")


def _mode(text: str) -> str:
    """The mode of a resizing, from its words in the metadata."""
    words = {"padded": "pad", "alone": "stretch"}
    return next((mode for word, mode in words.items() if word in text), "crop")
