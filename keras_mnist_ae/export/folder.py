"""The export of a run: three graphs and a manifest, written together or not at all, and checked
again later.
"""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets.catalog import Dataset
from ..datasets.images import to_float
from ..errors import CorruptFileError, UsageError, ValidationError, WriteError
from ..runs.folder import Run
from ..runs.leftovers import beside, put_back
from ..runs.reading import trained_reading
from ..system import signals
from ..system.atomic import advice, replacing
from . import calibrated, manifest, weights
from .formats import Precision
from .onnx import emit
from .parity import GraphCheck, compare
from .runtime import OnnxAutoencoder
from .screening import screened

FITTED = {
    "crop": "scaled until it covers that, then cropped at the centre",
    "pad": "scaled until it lies within that, then padded with black",
    "stretch": "each side scaled alone",
}
CALIBRATION = 1024  # training images that an int8 export is fitted to


class Export(NamedTuple):
    """The graphs of a run in one precision, and what the manifest says of each."""

    folder: Path
    precision: Precision
    graphs: list[dict[str, Any]]


def export(run: Run, data: Dataset, precision: Precision = "float32", limit: int | None = None) -> Export:
    """Write encoder.onnx, decoder.onnx, autoencoder.onnx and manifest.json into the run's folder
    for that precision.

    The graphs are held against the Keras model on the test images of `data`, the first `limit` if
    it is given, before; what is there already stays until all is well. Raises `ValidationError`
    when a graph differs, and `WriteError`.
    """
    images = data.test.images[:limit]
    told_of_run = facts(run)
    arrays = weights.read(run.model)
    calibration = to_float(data.train.images[:CALIBRATION]).transpose(0, 3, 1, 2)
    models = emit.emit(run.model.variant, arrays, told_of_run, precision, calibration)
    files = {name: model.SerializeToString(deterministic=True) for name, model in models.items()}
    for name, content in files.items():
        try:
            screened(content)
        except ValueError as error:  # a table of the user's, larger than what is ever loaded
            raise ValidationError(f"{name}.onnx could not be loaded again: {error}") from error
    graphs = reports(files, passed(compare(run.model, files, images, precision)))
    told = {
        "variant": run.model.variant.name,
        "precision": precision,
        "weights_sha256": weights.fingerprint(arrays),
        **told_of_run,
        "validated_images": len(images),
        "graphs": graphs,
    }
    properties = {entry.key: entry.value for entry in models["autoencoder"].metadata_props}
    if "kae.rows" in properties:  # of int8: how each is computed, and why
        told["rows"] = dict(row.split(": ", 1) for row in properties["kae.rows"].split("; "))
    folder = run.export_folder(precision)
    contents = {**{f"{name}.onnx": content for name, content in files.items()}, manifest.NAME: _json(told)}
    known = calibrated.of_run(run, weights.fingerprint(arrays)) if precision == "float32" else None
    if known:  # another precision has other scores: `kae calibrate` gives it a threshold of its own
        contents = calibrated.joined(contents, known)
        graphs = json.loads(contents[manifest.NAME])["graphs"]
    with run.locked():
        write_whole(folder, contents)
    return Export(folder, precision, graphs)


def facts(run: Run) -> dict[str, str]:
    """What graphs and manifest say of the run that they come from."""
    told = {
        "dataset": Path(str(run.environment["dataset"])).name,  # of own data without its path
        "dataset_sha256": str(run.environment["dataset_sha256"]),
        **{name: f"{run.metrics[name]:.6g}" for name in ("train_mse", "test_mse")},
    }
    if size := run.config.reading.size:
        told["resize"] = f"{size}; {FITTED[run.config.fit]}"
    if run.config.range:
        told["range"] = run.config.range
    elif depth := trained_reading(run).depth:
        told["depth"] = f"{depth[0]:g}:{depth[1]:g}"
    if run.config.invert:
        told["invert"] = "true"
    return told


def validate(run: Run, data: Dataset, precision: Precision = "float32", limit: int | None = None) -> Export:
    """Hold the exported graphs of a run against its Keras model again, as `export` did.

    Raises `UsageError` when nothing was exported, `CorruptFileError` for a file that is not what
    the manifest says, and `ValidationError` when a graph differs.
    """
    folder = run.export_folder(precision)
    if not (folder / manifest.NAME).is_file():
        raise UsageError(f"there is no export in {folder}.\nMake one: {manifest.command(folder)}")
    autoencoder = OnnxAutoencoder(folder)
    files = autoencoder.load()
    if autoencoder.info.metadata["weights_sha256"] != weights.fingerprint(weights.read(run.model)):
        raise CorruptFileError(
            f"the graphs in {folder} hold other weights than the model of the run.\n"
            f"Make the export anew: {manifest.command(folder)}"
        )
    return Export(
        folder,
        precision,
        reports(files, passed(compare(run.model, files, data.test.images[:limit], precision))),
    )


def reports(files: dict[str, bytes], checks: list[GraphCheck]) -> list[dict[str, Any]]:
    """The checks with file name and sha256, for the manifest and for --json."""
    return [
        {
            "file": f"{check.graph}.onnx",
            "sha256": hashlib.sha256(files[check.graph]).hexdigest(),
            **check._asdict(),
        }
        for check in checks
    ]


def passed(checks: list[GraphCheck]) -> list[GraphCheck]:
    """The checks, when all are good. Raises `ValidationError` with those that are not."""
    failures = [
        f"{check.graph}.onnx: difference {check.max_abs_diff:.2g}, MSE {check.mse_rise:+.2%}, "
        f"tolerance {check.tolerance:.2g}"
        for check in checks
        if not check.passed
    ]
    if failures:
        raise ValidationError("\n".join(["the ONNX graphs differ from the Keras model:", *failures]))
    return checks


def write_whole(folder: Path, contents: dict[str, bytes]) -> None:
    """All files in a new folder that then takes the place of the old one, with whatever else the
    old one held.
    """
    if folder.is_symlink():
        raise WriteError(f"{folder} is a link.\nPut a folder in its place.")
    new, old = beside(folder)
    try:
        put_back(folder)
        for name, content in contents.items():
            with replacing(new / name) as temporary:
                temporary.write_bytes(content)
        for other in folder.iterdir() if folder.exists() else ():
            if other.name not in contents:
                _copy(other, new / other.name)
        with signals.deferred():
            _swap(folder, new, old)
    except OSError as error:
        raise WriteError(f"cannot write {folder}: {error.strerror or error}\n{advice(error)}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder; links stay links."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _swap(folder: Path, new: Path, old: Path) -> None:
    with suppress(FileNotFoundError):
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        with suppress(FileNotFoundError):
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
