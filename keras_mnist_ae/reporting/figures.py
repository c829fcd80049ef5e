"""The pictures of a run: what each shows, and its making from the model and its dataset."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..analysis import latent, plots
from ..analysis.codec import Codec, of_model
from ..analysis.generation import BORROWED, Density, Generated, decoded, generate, interpolate
from ..analysis.metrics import pairs, squared_errors
from ..analysis.neighbours import Codes, nearest
from ..analysis.projection import plane
from ..datasets.catalog import Dataset, Split
from ..datasets.images import Images, to_float
from ..datasets.noise import first_images
from ..runs.folder import Run
from . import kept

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SHOWN = 10  # images across
STEPS = 9  # of a path, of a traverse
DIRECTIONS = 6  # of a traverse
SAMPLES = 32
DRAWN = 256  # generated images in a picture, at most
NEIGHBOURS = 7


def pictures(run: Run, data: Dataset, tell: Callable[[str], object] = str) -> "Iterator[tuple[str, Figure]]":
    """Every picture of `CAPTIONS` with its name, one after the other; those of the codes are left
    out where the codes have collapsed.

    `tell` is told of each before it is made. Raises `ValidationError` for a model that gives NaN.
    """
    from ..models.build import build

    codec = of_model(run.model)
    tell("losses")
    yield "losses", losses(run)
    tell("reconstructions")
    wanted, given = first_images(data.test, SHOWN, run.config.noise, run.config.seed + 1)
    before = of_model(build(run.variant, run.config.seed)).reconstruct(given)
    yield "reconstructions", plots.before_and_after(wanted, given, before, codec.reconstruct(given))
    tell("classes")
    yield "classes", best_and_worst(data, codec)
    tell("errors")
    yield (
        "errors",
        plots.heat_map(_error_map(data.test, codec), "mean squared error, pixels in [0, 1]"),
    )
    tell("codes")
    train, test = kept.codes(run, codec, data)
    if latent.collapsed(train):
        return
    tell("map")
    yield "map", mapped(train, test, data, "pca")
    tell("neighbours")
    yield "neighbours", neighbours(data, train, test)
    tell("traverse")
    yield "traverse", traverse(codec, train, data.train.images)
    tell("samples")
    density = density_of(run)
    made = generate(
        codec, data.train.images, train, SAMPLES, density, run.config.seed, kept.mixture(run, data)
    )
    yield "samples", samples(made, data.train, density, bool(_switches(run)))
    if pairs := _pairs(data.test):
        tell("interpolations")
        yield "interpolations", paths(codec, data, pairs, bool(_switches(run)))


def losses(run: Run) -> "Figure":
    """The history of a run."""
    seen = "validation" if run.config.validation else "test, with noise" if run.config.noise else "test"
    if not run.variant.variational:
        return plots.losses({"training": run.history["loss"], seen: run.history["val_loss"]})
    parts = {"training, reconstruction": "reconstruction", "training, KL": "kl"}
    parts |= {f"{seen}, reconstruction": "val_reconstruction", f"{seen}, KL": "val_kl"}
    return plots.losses({name: run.history[column] for name, column in parts.items()}, "nats per image")


def best_and_worst(data: Dataset, codec: Codec) -> "Figure":
    """The test images with the smallest and the largest error of each class, up to ten; without
    labels the ten of all.
    """
    errors, labels = squared_errors(data.test, codec.reconstruct), data.test.labels
    if labels is None:
        order = np.argsort(errors, kind="stable")
        best, worst = order[:SHOWN], order[::-1][:SHOWN]
        heads: tuple[str, ...] = ()
    else:
        present = [number for number in range(len(data.classes)) if (labels == number).any()][:SHOWN]
        best = np.array([np.where(labels == number, errors, np.inf).argmin() for number in present])
        worst = np.array([np.where(labels == number, errors, -np.inf).argmax() for number in present])
        heads = tuple(data.classes[number] for number in present)
    rows = []
    for name, chosen in (("best", best), ("worst", worst)):
        images = to_float(data.test.images[chosen])
        rows += [
            (name, images),
            (
                f"reconstruction\nMSE {errors[chosen].min():.4f} to {errors[chosen].max():.4f}",
                codec.reconstruct(images),
            ),
        ]
    return plots.strips(rows, tuple(_short(head) for head in heads))


def mapped(
    train: Codes, test: Codes, data: Dataset, method: str, tell: Callable[[str], object] = str
) -> "Figure":
    """The test codes on a plane; `method` as in `latent.plane`."""
    points = plane(train, test, method, tell)
    labels = None if data.test.labels is None else data.test.labels[: len(points)]
    label = {"pca": "principal component", "tsne": "t-SNE dimension", "umap": "UMAP dimension"}[method]
    title = f"codes of {len(points):,} test images of {data.title}"
    return plots.latent_map(points, labels, data.classes, (f"{label} 1", f"{label} 2"), title)


def neighbours(data: Dataset, train: Codes, test: Codes) -> "Figure":
    """A few test images, each with the training images of the nearest codes."""
    _, indices = nearest(train, test[: latent.QUERIES], NEIGHBOURS)
    rows = []
    for query, found in enumerate(indices):
        label = "" if data.test.labels is None else data.classes[data.test.labels[query]]
        rows.append(
            (label, to_float(np.concatenate([data.test.images[query : query + 1], data.train.images[found]])))
        )
    return plots.strips(rows, ("test", *(f"{rank}." for rank in range(1, indices.shape[1] + 1))))


def traverse(codec: Codec, train: Codes, images: Images) -> "Figure":
    """The mean code moved along the directions of the largest variance; for a code of two numbers
    the whole plane they span.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    eigenvalues, vectors = np.linalg.eigh(np.atleast_2d(np.cov(train, rowvar=False, dtype=np.float64)))
    spread = (vectors * np.sqrt(np.maximum(eigenvalues, 0))).T[
        ::-1
    ]  # a row per direction, one standard deviation long
    steps = np.linspace(-3, 3, STEPS)
    if len(spread) == 2:
        codes = mean + steps[::-1, None, None] * spread[1] + steps[None, :, None] * spread[0]
        labels = [f"{step:+g} sd" if step else "mean" for step in steps[::-1]]
    else:
        codes = mean + steps[None, :, None] * spread[:DIRECTIONS, None, :]
        labels = [f"direction {number}" for number in range(1, len(codes) + 1)]
    rows = [
        (label, decoded(codec, row.astype(np.float32), images, train))
        for label, row in zip(labels, codes, strict=True)
    ]
    return plots.strips(rows, tuple(f"{step:+g} sd" if step else "mean" for step in steps))


def samples(generated: Generated, train: Split, density: Density, switches: bool) -> "Figure":
    """Generated images, the first ones of many, each above its nearest training image."""
    rows: list[tuple[str, Images]] = []
    images, copies = generated.images[:DRAWN], to_float(train.images[generated.nearest[:DRAWN]])
    found = zip(plots.lines_of(images, 16), plots.lines_of(copies, 16), strict=True)
    for images, copies in found:
        rows += [("generated", images), ("nearest", copies)]
    title = drawn_from(density, generated.components) + (f"; pooling switches {BORROWED}" if switches else "")
    return plots.strips(rows, title=title)


def paths(codec: Codec, data: Dataset, pairs: list[tuple[int, int]], switches: bool) -> "Figure":
    """For each pair of test images the three paths between them."""
    rows: list[tuple[str, Images]] = []
    for pair in pairs:
        first, second = to_float(data.test.images[list(pair)])
        rows += list(interpolate(codec, first, second, STEPS).items())
    title = "pooling switches are those of the nearer end" if switches else ""
    return plots.strips(rows, title=title)


def drawn_from(density: Density, components: int) -> str:
    """The density in words."""
    named = {
        "mixture": f"a mixture of {components} Gaussians",
        "gaussian": "a Gaussian",
        "prior": "the prior, a standard normal distribution",
    }
    return f"of codes from {named[density]}"


def density_of(run: Run) -> Density:
    """What new codes of a run are drawn from unless told otherwise."""
    return "prior" if run.variant.variational else "mixture"


def _switches(run: Run) -> dict[str, object]:
    return dict(run.variant.switches)


def _pairs(test: Split) -> list[tuple[int, int]]:
    """Three pairs of test images, of different classes where there are several; fewer where there
    are not so many images.
    """
    if test.labels is None or len(np.unique(test.labels)) < 2:
        firsts = list(range(min(6, len(test.images))))
    else:
        firsts = [int(np.argmax(test.labels == label)) for label in np.unique(test.labels)[:6]]
    return list(zip(firsts[::2], firsts[1::2], strict=False))


def _error_map(split: Split, codec: Codec) -> Images:
    total = np.zeros(split.images.shape[1:3])
    for chunk, wanted in pairs(split):
        total += np.square(wanted.astype(np.float64) - codec.reconstruct(chunk)).mean(axis=-1).sum(axis=0)
    return total / len(split.images)


def _short(name: str) -> str:
    return name if len(name) <= 9 else f"{name[:8]}…"
