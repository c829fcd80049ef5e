"""The test images that a run keeps, so that it can be exported and looked at without its data."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.cache import Decoded, content_sha256
from ..datasets.dataset import Dataset, of_decoded
from ..errors import CorruptFileError
from ..system import npy

if TYPE_CHECKING:
    from .folder import Run

NAME = "samples.npz"
KEPT = 64


def write_samples(run: "Run", data: Dataset) -> None:
    """Keep test images, from all over the test set, with their labels."""
    count = len(data.test.images)
    at = np.linspace(0, count - 1, min(KEPT, count)).astype(int)
    test = data.test.take(at)
    arrays: dict[str, NDArray[Any]] = {"images": np.ascontiguousarray(test.images)}
    if test.targets is not None:
        arrays["targets"] = np.ascontiguousarray(test.targets)
    if test.labels is not None:
        arrays["labels"] = test.labels
        arrays["classes"] = np.array(data.classes)
    with run.replacing(NAME) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def read_samples(run: "Run") -> Dataset | None:
    """The kept images as training and test set alike; None where a run keeps none.

    Raises:
        CorruptFileError: The file is damaged.
    """
    if not (run.path / NAME).is_file():
        return None
    try:
        arrays = npy.archive(run.checked(NAME))
        images, labels = arrays["images"], arrays.get("labels")
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(f"images of type {images.dtype} and shape {images.shape}")
        if "targets" in arrays:
            images = np.concatenate([images, arrays["targets"]], axis=-1)
        classes = tuple(map(str, arrays["classes"])) if "classes" in arrays else ()
    except (OSError, ValueError, KeyError) as error:
        raise CorruptFileError(f"{run.path / NAME} holds no images of ours: {error}") from error
    both = (images, labels, images, labels)
    name = str(run.environment.get("dataset", "samples"))
    return of_decoded(name, Decoded(both, classes, content_sha256(both), paired="targets" in arrays))
