"""Codes on a plane: PCA, t-SNE, UMAP."""

import io
import re
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout

import numpy as np

from ..errors import MissingDependencyError, UsageError
from .neighbours import Codes

MAPPED = 5000  # test codes on the map at most: more only cover each other
TSNE_ITERATIONS = 1000
Tell = Callable[[str], object]  # what is done next


def plane(train: Codes, test: Codes, method: str, tell: Tell = str) -> Codes:
    """Test codes as points of a plane, at most 5,000 of them, float of shape (n, 2).

    "pca" is fitted on the training codes; "tsne" (van der Maaten and Hinton 2008; scikit-learn,
    perplexity 30) and "umap" (McInnes et al. 2018; umap-learn) place the test codes themselves, and
    distances between far points mean little. Codes of one number get a zero beside it. Raises
    `MissingDependencyError` when umap-learn is not installed.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    shown = test[:MAPPED]
    if method == "pca":
        tell("map: PCA")
        points = PCA(min(2, train.shape[1], len(train))).fit(train).transform(shown)
        return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    if method == "umap":
        with warnings.catch_warnings(action="ignore", category=ImportWarning):
            try:
                from umap import UMAP
            except ModuleNotFoundError as error:
                raise MissingDependencyError(
                    "the map by UMAP needs umap-learn.\nInstall it: pip install umap-learn"
                ) from error
        tell("map: UMAP")
        with warnings.catch_warnings(action="ignore"):
            return np.asarray(UMAP(random_state=0, n_neighbors=min(15, len(shown) - 1)).fit_transform(shown))
    if len(shown) < 3:
        raise UsageError(f"a map by t-SNE needs 3 test images; there are {len(shown)}")
    tell("map: t-SNE")
    init = "pca" if train.shape[1] > 1 else "random"
    with redirect_stdout(_Iterations(tell)):
        tsne = TSNE(
            perplexity=min(30, (len(shown) - 1) / 3),
            max_iter=TSNE_ITERATIONS,
            init=init,
            random_state=0,
            verbose=2,
        )
        return np.asarray(tsne.fit_transform(shown))


class _Iterations(io.TextIOBase):
    """What scikit-learn's t-SNE prints, as progress."""

    def __init__(self, tell: Tell) -> None:
        self.announce = tell

    def write(self, text: str) -> int:
        if found := re.search(r"Iteration (\d+)", text):
            self.announce(f"map: t-SNE, iteration {found[1]} of {TSNE_ITERATIONS}")
        return len(text)
