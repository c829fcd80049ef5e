"""How good the images are that a run generates: kae generate --quality."""

from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..system.progress import phase
from .table import table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..analysis.codec import Codec
    from ..analysis.generation import Fit
    from ..datasets.dataset import Dataset

SAMPLES = 10_000  # generated, real and training images, at most: as many of each
HEADER = ("", "FID", "KID", "precision", "recall")


def measure(
    codec: "Codec",
    data: "Dataset",
    codes: "NDArray[Any]",
    density: str,
    seed: int,
    fit: "Fit | None" = None,
) -> dict[str, Any]:
    """FID, KID, precision and recall of generated images against the test images, beside those of
    as many training images: the `floor`, which a generator that draws perfectly would reach.

    Args:
        codes: of all training images, (n, d).
        fit: fits the density; None fits it anew.

    Raises:
        UsageError: There are no labels for the classifier whose features are compared, or too few
            images.
    """
    import numpy as np

    from ..analysis import generation, quality
    from ..models import classifier

    train, test = data.train, data.test
    if train.labels is None or test.labels is None or len(np.unique(train.labels)) < 2:
        raise UsageError(
            f"{data.name} has no labels of several classes: the quality is measured on features of a "
            "classifier, which needs them."
        )
    count = min(SAMPLES, len(train.images), len(test.images))
    if count <= classifier.FEATURES:
        raise UsageError(
            f"{count} images are too few to tell the quality: give more than 64 training and test images"
        )
    with phase("training the classifier", classifier.steps(len(train.images))) as advance:
        judge = classifier.fit(train.images, train.labels, len(data.classes), advance)
    with phase("generating for the quality", count) as advance:
        drawn, _ = generation.drawn(codes, count, density, seed, fit)  # type: ignore[arg-type]
        made = []
        for start in range(0, count, 500):
            images = generation.decoded(codec, drawn[start : start + 500], train.images, codes)
            made.append(judge.of(np.clip(images, 0, 1).astype(np.float32)))
            advance(len(images))
    real = judge.of(test.images[:count])
    others = np.sort(np.random.default_rng(seed).permutation(len(train.images))[:count])
    with phase("comparing", 2) as advance:
        found = quality.scores(real, np.concatenate(made))
        advance(1)
        floor = quality.scores(real, judge.of(train.images[others]))
        advance(1)
    return {
        **found,
        "floor": floor,
        "samples": count,
        "density": density,
        "seed": seed,
        "classifier": {
            "recipe": classifier.RECIPE,
            "accuracy": judge.accuracy(test.images, test.labels),
            "sha256": judge.sha256,
        },
    }


def rows(numbers: dict[str, Any]) -> list[tuple[str, ...]]:
    """Generated images and the floor."""
    return [
        (
            label,
            f"{each['fid']:.4g}",
            f"{each['kid']:.3g}",
            f"{each['precision']:.4f}",
            f"{each['recall']:.4f}",
        )
        for label, each in (("generated", numbers), ("training images, the floor", numbers["floor"]))
    ]


def words(numbers: dict[str, Any]) -> str:
    """What the numbers are of, and what they do not compare with."""
    judge = numbers["classifier"]
    return (
        f"{numbers['samples']:,} images each against {numbers['samples']:,} test images, on 64 features of "
        f"a classifier ({judge['accuracy']:.1%} of the test images right; weights sha256 "
        f"{judge['sha256'][:12]}). They compare with numbers of the same weights alone, not with those of "
        "Inception."
    )


def text(numbers: dict[str, Any]) -> str:
    """What `kae generate --quality` prints of it."""
    return f"\n{table(HEADER, rows(numbers))}\n\n{words(numbers)}"
