"""Arrays of numbers as text in JSON: base64, little-endian."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers64(array: NDArray[Any], kind: str) -> str:
    """Base64 of the numbers in that type of numpy."""
    return text64(np.ascontiguousarray(array, kind).tobytes())


def text64(content: bytes) -> str:
    """Base64 as text."""
    return base64.b64encode(content).decode("ascii")
