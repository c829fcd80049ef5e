"""The handwritten digits inside scikit-learn, enlarged from 8 x 8 to 28 x 28 pixels."""

from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .cache import Decoded, decoded
from .idx import Arrays

TRAIN = 1437  # of 1,797: the set is ordered by writer, so that the rest comes mostly from others
CLASSES = tuple("0123456789")


@cache
def load() -> Decoded:
    """1,437 training and 360 test images; made once per process, and kept in the array cache."""
    spec = find_spec("sklearn")
    folders = spec.submodule_search_locations if spec else None
    source = Path(next(iter(folders or ["."]))) / "datasets" / "data" / "digits.csv.gz"
    name = f"digits {version('scikit-image')}"  # which enlarges them
    return decoded(name, source, [source] if source.is_file() else [], _enlarged)


def _enlarged() -> tuple[Arrays, tuple[str, ...]]:
    from skimage.transform import resize
    from sklearn.datasets import load_digits

    digits = load_digits()
    # cubic splines overshoot; resize clips them
    enlarged = np.stack([resize(image / 16, (28, 28), order=3) for image in digits.images])
    images = np.rint(enlarged * 255).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    return (images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:]), CLASSES
