"""A calibration in an export: in the metadata of its graphs, in its manifest, and beside them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx

from ..analysis.scorer import CALIBRATION, STATISTICS
from ..errors import CorruptFileError
from ..runs.folder import Run
from ..system import npy
from ..system.reading import LARGEST_TEXT, read_bytes, read_json
from . import manifest
from .screening import content, screened

KEY = "calibration"
TOLD = ("score", "threshold", "false_alarms", "n")  # in metadata and manifest

Files = dict[str, bytes]


def of_run(run: Run, weights_sha256: str) -> Files | None:
    """The calibration of a run by file name; None where there is none for these weights. Raises
    `CorruptFileError`.
    """
    if not (run.path / CALIBRATION).is_file():
        return None
    try:
        if read_json(run.checked(CALIBRATION))["weights_sha256"] != weights_sha256:
            return None
        return {
            CALIBRATION: read_bytes(run.path / CALIBRATION, LARGEST_TEXT),
            STATISTICS: read_bytes(run.checked(STATISTICS), npy.LARGEST_ARCHIVE),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{run.path / CALIBRATION} cannot be used: {error}\nMake it anew: kae calibrate {run.path}"
        ) from error


def joined(export: Files, calibration: Files) -> Files:
    """The files of an export that says what it was calibrated to, with the calibration.

    Args:
        export: the content of graphs and manifest by file name.
        calibration: that of `calibration.json` and `scoring.npz`.
    """
    facts = json.loads(calibration[CALIBRATION])
    told: dict[str, Any] = {name: facts[name] for name in TOLD}
    graphs = {
        name: _with_metadata(data, json.dumps(told))
        for name, data in export.items()
        if name.endswith(".onnx")
    }
    listed = json.loads(export[manifest.NAME])
    for graph in listed["graphs"]:
        data = graphs[graph["file"]]
        graph["sha256"] = hashlib.sha256(data).hexdigest()
        graph["bytes"] = len(data)
    listed[KEY] = {**told, "sha256": hashlib.sha256(calibration[CALIBRATION]).hexdigest()}
    text = json.dumps(listed, indent=2) + "\n"
    return {**graphs, manifest.NAME: text.encode(), **calibration}


def read(folder: Path) -> Files:
    """Graphs and manifest of an export. Raises `CorruptFileError`."""
    try:
        listed = read_bytes(folder / manifest.NAME, LARGEST_TEXT)
        names = [Path(graph["file"]).name for graph in json.loads(listed)["graphs"]]
        graphs = {name: content(folder / name) for name in names}
        for name, data in graphs.items():
            manifest.check(folder / name, data)
            screened(data)
        return {**graphs, manifest.NAME: listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{folder} holds no export of ours: {error}\nMake it anew: kae export onnx"
        ) from error


def _with_metadata(data: bytes, text: str) -> bytes:
    model = onnx.load_model_from_string(data)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    properties[f"kae.{KEY}"] = text
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: properties[key] for key in sorted(properties)})
    return bytes(model.SerializeToString(deterministic=True))
