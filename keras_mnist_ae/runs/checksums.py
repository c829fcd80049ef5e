"""SHA-256 of files, and of JSON values."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..system.atomic import write_text

CHECKSUMS = "checksums.json"


def to_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
