"""Many images side by side in one PNG."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 16  # images, however large they are


def fitting(
    images: NDArray[np.uint8], most: int, room: int, beside: int
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """A sprite of at most `most` images from all over the set, and their indices; fewer where it
    would take more than `room` bytes in base64 with `beside` bytes for each image.
    """
    count = min(most, len(images))
    while True:
        at = np.linspace(0, len(images) - 1, count).astype(int)
        packed = pack(images[at])
        size = len(packed["png"]) + beside * count
        if size <= room or count <= LEAST:
            return packed, at
        count = max(LEAST, min(count - 1, int(0.95 * count * max(room, 0) / size)))


def pack(images: NDArray[np.uint8]) -> dict[str, Any]:
    """A PNG, in base64, of uint8 images of shape (n, H, W, C) side by side in lines of `columns`.

    Three channels are colours; others lie side by side as grey tiles, since browsers change the
    colours of pixels that are transparent.
    """
    from PIL import Image

    count, height, width, channels = images.shape
    if channels != 3:
        images = images.transpose(0, 1, 3, 2).reshape(count, height, channels * width, 1)
    columns = int(np.ceil(np.sqrt(count * height / images.shape[2])))
    rows = -(-count // columns)
    tiles = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    tiles[:count] = images
    lines = tiles.reshape(rows, columns, *images.shape[1:]).transpose(0, 2, 1, 3, 4)
    picture = np.ascontiguousarray(lines).reshape(rows * height, columns * images.shape[2], -1)
    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze(-1) if channels != 3 else picture).save(buffer, "PNG", optimize=True)
    return {"png": base64.b64encode(buffer.getvalue()).decode("ascii"), "columns": columns}
