"""Clusters among the codes of a run: kae cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..runs.folder import Run
from ..runs.reopen import is_own
from ..system.hints import counted, did_you_mean
from ..system.progress import phase
from ..system.result import Result
from .codecs import keras_codec
from .table import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.clusters import Method
    from ..datasets.dataset import Dataset

SPACES = {"codes": "codes", "pca": "PCA codes", "pixels": "pixels"}
ROWS = 20  # clusters in the picture, the largest


def cluster(
    run: Run,
    clusters: int | None = None,
    *,
    methods: Sequence[str] = (),
    seeds: int = 10,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> Result:
    """Find groups among the codes of a run without labels, and beside them among the pixels and the
    codes of a PCA of the same size.

    Everything is fitted on training images and measured on test images, from the seeds 0, 1, ...

    Args:
        clusters: how many; None takes as many as there are classes.
        methods: names of `analysis.clusters.METHODS`, "kmeans", "mixture" and "umap"; () takes all
            that are installed.
        seeds: how many starts of each.

    Returns:
        `methods`, by method and space ("codes", "pca", "pixels"): `accuracy` under the best
        matching of clusters and classes, `nmi` and `ari`, each with `mean`, `std` and `seeds`, None
        without labels, and `agreement`, the mean adjusted Rand index between two seeds; `sizes`,
        the clusters of the method `shown`, from seed 0, with the test images nearest to the mean of
        each; `skipped`, reasons; the path of the `figure`. Kept in the run's metrics.

    Raises:
        UsageError: There are no labels and no number of clusters, or too few images.
        MissingDependencyError: A method that was asked for needs umap-learn.
        ValidationError: All codes are the same.
    """
    import numpy as np

    from ..analysis import clusters as of
    from ..analysis import latent, pca
    from ..datasets.images import to_float
    from . import kept

    chosen, skipped = _methods(methods)
    if seeds < 1:
        raise UsageError(f"seeds is {seeds!r}; give a whole number from 1 up")
    codec, data = keras_codec(run, data_dir, dataset)
    labels = data.test.labels
    count = _count(clusters, data)
    train, test = kept.codes(run, codec, data)
    latent.varied(train)
    linear = pca.fit(data.train.images, train.shape[1])
    splits = (data.train.images, data.test.images)
    width = data.train.images[0].size
    for method in chosen:
        if reason := of.unfit(method, train.shape[1]):
            skipped[method.name] = reason
    chosen = [method for method in chosen if method.name not in skipped]
    if not chosen:
        raise UsageError(f"no method serves: {'; '.join(skipped.values())}")
    by_method: dict[str, Any] = {method.name: {} for method in chosen}
    shown: Any = None
    with phase("clustering", len(chosen) * len(SPACES) * seeds) as advance:
        for space in SPACES:
            if space == "codes":
                points = [train, test]
            elif space == "pca":
                points = [linear.encode(to_float(images)).astype(np.float32) for images in splits]
            else:
                points = [to_float(images).reshape(len(images), -1) for images in splits]
            for method in chosen:
                if space == "pixels" and (reason := of.unfit(method, width)):
                    skipped[f"{method.name} on pixels"] = reason
                    advance(seeds)
                    continue
                each = of.found(method, points[0], points[1], count, seeds, lambda _: advance(1))
                scores = dict.fromkeys(of.SCORES) if labels is None else of.scored(each, labels)
                by_method[method.name][space] = {**scores, "agreement": of.agreement(each)}
                if space == "codes":
                    shown = (method, each[0])
    method, one = shown
    numbers = {
        "clusters": count,
        "classes": len(data.classes) if labels is not None else None,
        "seeds": seeds,
        "n_train": len(train),
        "n_test": len(test),
        "methods": by_method,
        "shown": method.name,
        "sizes": of.sizes(one, labels, data.classes),
        "skipped": skipped,
    }
    run.write_figure("clusters", _picture(numbers, method, data))
    key = "clusters" if is_own(run, data) else f"{data.title}: clusters"
    run.add_metrics({key: numbers})
    head = (
        f"{run.path}: {run.config.variant}, {count} clusters fitted on {len(train):,} training images, "
        f"measured on {len(test):,} test images of {data.title}, {counted(seeds, 'seed')}\n"
    )
    figure = str(run.figure("clusters"))
    return Result(
        {"run": str(run.path), **numbers, "figure": figure},
        f"{head}\n{text(numbers)}\nfigure         {figure}",
    )


def text(numbers: dict[str, Any]) -> str:
    """What `kae cluster` prints below its first line."""
    lines = [f"{part} left out: {reason}" for part, reason in numbers["skipped"].items()]
    if numbers["classes"] is None:
        lines.append("There are no labels to hold the clusters against: sizes and images tell what they are.")
    elif numbers["classes"] != numbers["clusters"]:
        lines.append(
            f"{numbers['clusters']} clusters for {numbers['classes']} classes: the accuracy counts one "
            "cluster a class at most."
        )
    parts = ["\n".join(lines)] if lines else []
    parts.append(table(header(numbers), rows(numbers)))
    head = ("cluster", "test images", "mostly", "images nearest to its mean")
    parts.append(table(head, size_rows(numbers)))
    return "\n\n".join(parts)


def header(numbers: dict[str, Any]) -> tuple[str, ...]:
    """The header of `rows`."""
    scores = () if numbers["classes"] is None else ("accuracy", "NMI", "ARI")
    return ("method", "on", *scores, "agreement of seeds")


def rows(numbers: dict[str, Any]) -> list[tuple[str, ...]]:
    """Each method on each space: mean and standard deviation over the seeds."""
    from ..analysis.clusters import METHODS, SCORES

    def cell(score: dict[str, Any]) -> str:
        return f"{score['mean']:.4f} ± {score['std']:.4f}"

    return [
        (
            METHODS[name].label,
            SPACES[space],
            *(cell(found[score]) for score in SCORES if found[score] is not None),
            "-" if found["agreement"] is None else f"{found['agreement']:.3f}",
        )
        for name, spaces in numbers["methods"].items()
        for space, found in spaces.items()
    ]


def size_rows(numbers: dict[str, Any]) -> list[tuple[str, ...]]:
    """Each cluster of the method that is shown: size, commonest class, a few images."""
    return [
        (
            str(each["cluster"]),
            f"{each['size']:,}",
            "-" if each["class"] is None else f"{each['class']} ({each['share']:.0%})",
            ", ".join(map(str, each["images"][:5])),
        )
        for each in numbers["sizes"]
    ]


def _methods(names: Sequence[str]) -> "tuple[list[Method], dict[str, str]]":
    """The methods asked for, or all that are installed, and why the others are left out."""
    from ..analysis.clusters import METHODS, missing

    for name in names:
        if name not in METHODS:
            hint = did_you_mean(name, METHODS)
            raise UsageError(f"no method {name!r}{hint}\nThe methods: {', '.join(METHODS)}.")
    wanted = [METHODS[name] for name in dict.fromkeys(names)] or [*METHODS.values()]
    skipped = {}
    if not names:
        skipped = {each.name: "umap-learn is not installed (pip install umap-learn)" for each in wanted}
        skipped = {name: reason for name, reason in skipped.items() if missing(METHODS[name])}
    return [each for each in wanted if each.name not in skipped], skipped


def _count(clusters: int | None, data: "Dataset") -> int:
    """The number of clusters: that asked for, else that of the classes."""
    if clusters is None:
        if data.train.labels is None or data.test.labels is None or len(data.classes) < 2:
            what = "no labels" if data.test.labels is None else "images of one class"
            raise UsageError(f"{data.name} has {what}: say how many clusters to find (--clusters).")
        clusters = len(data.classes)
    least = min(len(data.train.images), len(data.test.images))
    if not 2 <= clusters <= least:
        raise UsageError(f"{clusters} clusters cannot be found: give from 2 to {least:,}, the fewest images")
    return clusters


def _picture(numbers: dict[str, Any], method: "Method", data: "Dataset") -> "Figure":
    import numpy as np

    from ..analysis import plots
    from ..datasets.images import to_float

    largest = numbers["sizes"][:ROWS]
    width = max(len(each["images"]) for each in largest)
    strips = []
    for each in largest:
        mostly = "" if each["class"] is None else f"\n{each['share']:.0%} {each['class']}"
        images = to_float(data.test.images[each["images"]])
        images = np.concatenate([images, np.ones((width - len(images), *images.shape[1:]), np.float32)])
        strips.append((f"{each['size']:,} images{mostly}", images))
    some = f"the {ROWS} largest of {len(numbers['sizes'])}" if len(numbers["sizes"]) > ROWS else "clusters"
    return plots.strips(strips, title=f"{some} by {method.label}: the test images nearest to each mean")
