"""What takes long to compute of a finished run and stays the same, kept in its folder: the codes of
its images, and the mixture of Gaussians fitted on them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis import generation, latent
from ..errors import KaeError
from ..runs.checksums import sha256
from ..runs.folder import Run
from ..runs.reopen import is_own
from ..system import npy
from ..system.notes import say
from ..system.progress import phase

if TYPE_CHECKING:
    from ..analysis.codec import Codec
    from ..analysis.neighbours import Codes
    from ..datasets.dataset import Dataset

CODES, MIXTURE = "codes.npz", "mixture.npz"
LARGEST = 2**27  # bytes of the codes that are kept

Arrays = dict[str, Any]


def codes(run: Run, codec: "Codec", data: "Dataset") -> "tuple[Codes, Codes]":
    """The codes of all training and all test images, each float32 of shape (n, d).

    Of the data that the run was trained on they are kept, and read the next time.
    """

    def encoded() -> Arrays:
        splits = {"train": data.train.images, "test": data.test.images}
        with phase("encoding", sum(map(len, splits.values()))) as advance:
            return {name: latent.encoded(images, codec, advance) for name, images in splits.items()}

    found = _kept(run, data, CODES, encoded)
    return found["train"], found["test"]


def mixture(run: Run, data: "Dataset") -> generation.Fit:
    """`generation.fit_gaussians` on the training codes of a run, which keeps what it fits."""

    def fit(codes: "Codes", density: generation.Density) -> Any:
        if density != "mixture":
            return generation.fit_gaussians(codes, density)

        def fitted() -> Arrays:
            found = generation.fit_gaussians(codes)
            return {"weights": found.weights_, "means": found.means_, "covariances": found.covariances_}

        return generation.gaussians(**_kept(run, data, MIXTURE, fitted))

    return fit


def _kept(run: Run, data: "Dataset", name: str, make: Callable[[], Arrays]) -> Arrays:
    """The arrays in a file of the run, made where they are missing or of other weights."""
    if not is_own(run, data):
        return make()
    model = np.frombuffer(bytes.fromhex(sha256(run.path / "model.keras")), np.uint8)
    if (run.path / name).is_file():
        try:
            found = npy.archive(run.checked(name))
            if np.array_equal(found.pop("model"), model):
                return found
        except (OSError, ValueError, KeyError, KaeError) as error:
            say(f"kae: {name} is computed anew: {str(error).splitlines()[0]}")
    made = make()
    if sum(array.nbytes for array in made.values()) <= LARGEST:
        with run.replacing(name) as temporary:
            np.savez(temporary, allow_pickle=False, model=model, **made)
    return made
