"""The export of a run: three graphs and a manifest, written together or not at all, and checked again later."""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CorruptFileError, UsageError, ValidationError, WriteError
from ..files import replacing
from ..runs import Run
from . import manifest, onnx, weights
from .parity import Verdict, compare

GRAPHS = ("encoder", "decoder", "autoencoder")


def export(run: Run, images: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Write encoder.onnx, decoder.onnx, autoencoder.onnx and manifest.json into the run's `onnx` folder.

    The graphs are held against the Keras model on `images`, uint8 of shape (n, H, W, C), first; what is there already stays until all
    is well. Gives what the manifest says of the graphs. Raises `ValidationError` when a graph differs, and `WriteError`.
    """
    facts = {
        "dataset": str(run.environment["dataset"]),
        "dataset_sha256": str(run.environment["dataset_sha256"]),
        **{name: f"{run.metrics[name]:.6g}" for name in ("train_mse", "test_mse")},
    }
    arrays = weights.read(run.model)
    models = onnx.emit(run.model.variant, arrays, facts)
    files = {name: model.SerializeToString(deterministic=True) for name, model in models.items()}
    graphs = reports(files, passed(compare(run.model, files, images)))
    told = {
        "variant": run.model.variant.name,
        "weights_sha256": weights.fingerprint(arrays),
        **facts,
        "validated_images": len(images),
        "graphs": graphs,
    }
    _write_whole(run.onnx, {**{f"{name}.onnx": content for name, content in files.items()}, manifest.NAME: _json(told)})
    return graphs


def validate(run: Run, images: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Hold the exported graphs of a run against its Keras model again.

    Raises `UsageError` when nothing was exported, `CorruptFileError` for a file that is not what the manifest says, and
    `ValidationError` when a graph differs.
    """
    files = read(run.onnx)
    return reports(files, passed(compare(run.model, files, images)))


def read(folder: Path) -> dict[str, bytes]:
    """The graphs of an export, each checked against the manifest's sha256. Raises `UsageError` and `CorruptFileError`."""
    if not (folder / manifest.NAME).is_file():
        raise UsageError(f"there is no export in {folder}.\nMake one: kae export onnx")
    files = {}
    for name in GRAPHS:
        path = folder / f"{name}.onnx"
        try:
            files[name] = path.read_bytes()
        except OSError as error:
            raise CorruptFileError(f"{path} cannot be read: {error.strerror}\nMake the export anew: kae export onnx") from error
        manifest.check(path, files[name])
    return files


def reports(files: dict[str, bytes], verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """The verdicts with file name and sha256, for the manifest and for --json."""
    return [
        {"file": f"{verdict.graph}.onnx", "sha256": hashlib.sha256(files[verdict.graph]).hexdigest(), **verdict._asdict()}
        for verdict in verdicts
    ]


def passed(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts, when all are good. Raises `ValidationError` with those that are not."""
    failures = [
        f"{verdict.graph}.onnx: {verdict.max_abs_diff:.2g}, tolerance {verdict.tolerance:.2g}" for verdict in verdicts if not verdict.passed
    ]
    if failures:
        raise ValidationError("\n".join(["the ONNX graphs differ from the Keras model; largest difference:", *failures]))
    return verdicts


def _write_whole(folder: Path, contents: dict[str, bytes]) -> None:
    """All files in a new folder that then takes the place of the old one."""
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    try:
        for stale in (new, old):
            shutil.rmtree(stale, ignore_errors=True)
        for name, content in contents.items():
            with replacing(new / name) as temporary:
                temporary.write_bytes(content)
        with suppress(FileNotFoundError):
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        raise WriteError(f"cannot write {folder}: {error.strerror or error}\nFree some space there.") from error
    finally:
        for stale in (new, old):
            shutil.rmtree(stale, ignore_errors=True)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
