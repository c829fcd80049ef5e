"""The manifest of an export: what its files must be, and whose they are. Standard library only."""

import hashlib
from pathlib import Path

from ..errors import CorruptFileError, UsageError
from ..runs.folder import Run
from ..runs.runs_dir import find as find_run
from ..system.hints import calibrating
from ..system.reading import LARGEST_TEXT, read_bytes, read_json
from .formats import PRECISIONS, Precision

NAME = "manifest.json"
CALIBRATION = "calibration.json"
TOLD = ("variant", "precision", "weights_sha256")  # of the graphs, in their metadata too


def check(path: Path, content: bytes) -> dict[str, str]:
    """What the manifest beside `path` says of all the graphs; nothing where there is none.

    Raises `CorruptFileError` when it does not name a file of that name and content.
    """
    manifest = path.with_name(NAME)
    if not manifest.is_file():
        return {}
    try:
        told = read_json(manifest)
        expected = {graph["file"]: graph["sha256"] for graph in told["graphs"]}
        of_all = {key: str(told[key]) for key in TOLD}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{manifest} is not a manifest of ours: {error!r}\nMake the export anew: {command(path.parent)}"
        ) from error
    if expected.get(path.name) != hashlib.sha256(content).hexdigest():
        raise CorruptFileError(
            f"{path} is not the file that its {NAME} names.\nMake the export anew: {command(path.parent)}"
        )
    return of_all


def command(folder: Path) -> str:
    """The command that writes the export in a folder, as far as the folder tells."""
    run = Run(folder.parent)
    for precision in PRECISIONS:
        if run.export_folder(precision) == folder and (run.path / "config.toml").is_file():
            wanted = "" if precision == PRECISIONS[0] else f" --precision {precision}"
            return f"kae export onnx {run.path}{wanted}"
    return "kae export onnx"


def check_calibration(folder: Path) -> None:
    """Raise `CorruptFileError` for a calibration that is not the one which the manifest names."""
    manifest, calibration = folder / NAME, folder / CALIBRATION
    if not manifest.is_file() or not calibration.is_file():
        return
    try:
        told = read_json(manifest).get("calibration", {}).get("sha256")
        found = hashlib.sha256(read_bytes(calibration, LARGEST_TEXT)).hexdigest()
    except (OSError, ValueError, AttributeError) as error:
        raise CorruptFileError(
            f"{manifest} is not a manifest of ours: {error!r}\nMake the export anew: {command(folder)}"
        ) from error
    if told != found:
        raise CorruptFileError(
            f"{calibration} is not the calibration that its {NAME} names.\n"
            f"Make it anew: {calibrating(folder)}"
        )


def find(name: str | None, runs_dir: Path) -> tuple[Run, Precision | None]:
    """The run of that name or path, the latest for None; for the folder of an export that run and
    the precision. Raises `UsageError`.
    """
    folder = Path(name or "").resolve()
    if not name or not (folder / NAME).is_file():
        return find_run(name, runs_dir), None
    run = Run(folder.parent)
    for precision in PRECISIONS:
        if run.export_folder(precision) == folder and (folder.parent / "config.toml").is_file():
            return run, precision
    raise UsageError(
        f"{name} holds an export outside its run: the run that it came from is not around it.\n"
        "Name the folder inside the run."
    )
