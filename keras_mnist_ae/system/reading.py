"""Bounded reading of text, TOML and JSON files that may have been damaged."""

import json
import os
import stat
import tomllib
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from .atomic import DOTS

LARGEST_TEXT = 2**24  # bytes
LARGEST_TOML = 2**16


def read_text(path: Path, most: int = LARGEST_TEXT) -> str:
    """A UTF-8 text no larger than any of ours. Raises OSError and `ValueError`."""
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:  # which holds the whole content
        raise ValueError(f"it is no UTF-8 text, from byte {error.start}") from None


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes. Raises OSError and `ValueError`."""
    with open_regular(path) as file:
        if length(file) > most:
            raise ValueError(f"it has more than {most:,} bytes")
        return file.read(most)


def open_regular(path: Path) -> BufferedReader:
    """A regular file to read: others, such as pipes and devices, are refused without waiting for
    them. Raises OSError and `ValueError`.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise ValueError("it is no regular file")
    return file


def length(file: IO[bytes]) -> int:
    """The bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises OSError and `ValueError`."""
    text = read_text(path, LARGEST_TOML)
    if any(line.count(".") > DOTS for line in text.splitlines()):
        raise ValueError(f"a line of it has more than {DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises OSError and `ValueError`."""
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
