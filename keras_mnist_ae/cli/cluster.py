"""kae cluster: groups among the codes, found without labels."""

from pathlib import Path
from typing import Any

import click

from . import announce
from .options import as_json, data_dir, dataset, echo_result, run, runs_dir


@click.command()
@run
@click.option(
    "--clusters",
    type=click.IntRange(2, 10_000),
    metavar="K",
    help="How many clusters.  [default: as many as classes]",
)
@click.option(
    "--method",
    "methods",
    type=click.Choice(["kmeans", "mixture", "umap"]),
    multiple=True,
    help="k-means, a Gaussian mixture, or a mixture where UMAP has moved the codes to (N2D); may be given "
    "several times.  [default: all that are installed]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=10, show_default=True, help="How many starts of each."
)
@runs_dir
@data_dir
@dataset
@as_json
def cluster(
    run: str | None,
    clusters: int | None,
    methods: tuple[str, ...],
    seeds: int,
    runs_dir: Path,
    data_dir: Path | None,
    dataset: Any,
    as_json: bool,
) -> None:
    """Find groups among the codes of RUN (the latest unless named) without labels, beside those
    among PCA codes and pixels.

    Fitted on training images, measured on test images: accuracy under the best matching of clusters
    and classes, NMI, ARI. Without labels, give --clusters: sizes and images are shown.
    """
    from ..reporting.clustered import cluster
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "cluster")
    result = cluster(
        chosen,
        clusters,
        methods=methods,
        seeds=seeds,
        data_dir=data_dir,
        dataset=dataset,
    )
    echo_result(result, as_json)
