"""The manifest of an export: what its files must be. Standard library only."""

import hashlib
import json
from pathlib import Path

from ..errors import CorruptFileError

NAME = "manifest.json"


TOLD = ("variant", "precision", "weights_sha256")  # of the graphs, in their metadata too


def check(path: Path, content: bytes) -> dict[str, str]:
    """What the manifest beside `path` says of all the graphs; nothing where there is none.

    Raises `CorruptFileError` when it does not name a file of that name and content.
    """
    manifest = path.with_name(NAME)
    if not manifest.is_file():
        return {}
    try:
        told = json.loads(manifest.read_text(encoding="utf-8"))
        expected = {graph["file"]: graph["sha256"] for graph in told["graphs"]}
        of_all = {key: str(told[key]) for key in TOLD}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{manifest} is not a manifest of ours: {error!r}\nMake the export anew: kae export onnx") from error
    if expected.get(path.name) != hashlib.sha256(content).hexdigest():
        raise CorruptFileError(f"{path} is not the file that its {NAME} names.\nMake the export anew: kae export onnx")
    return of_all
