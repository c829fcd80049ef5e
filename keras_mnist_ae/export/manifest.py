"""The manifest of an export: what its files must be. Standard library only."""

import hashlib
import json
from pathlib import Path

from ..errors import CorruptFileError

NAME = "manifest.json"


def check(path: Path, content: bytes) -> None:
    """Raise `CorruptFileError` when the manifest beside `path` does not name a file of that name and content.

    A folder without a manifest says nothing of its files, and passes.
    """
    manifest = path.with_name(NAME)
    if not manifest.is_file():
        return
    try:
        told = {graph["file"]: graph["sha256"] for graph in json.loads(manifest.read_text(encoding="utf-8"))["graphs"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{manifest} is not a manifest of ours: {error!r}\nMake the export anew: kae export onnx") from error
    if told.get(path.name) != hashlib.sha256(content).hexdigest():
        raise CorruptFileError(f"{path} is not the file that its {NAME} names.\nMake the export anew: kae export onnx")
