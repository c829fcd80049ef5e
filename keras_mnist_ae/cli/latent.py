"""kae latent, generate, interpolate: what the codes hold, and what can be made of them."""

from pathlib import Path
from typing import Any

import click

from . import announce
from .options import as_json, data_dir, dataset, echo_result, run, runs_dir


@click.command()
@run
@click.option(
    "--map",
    "method",
    type=click.Choice(["pca", "tsne", "umap"]),
    default="pca",
    show_default=True,
    help="Method of the map of the codes.",
)
@runs_dir
@data_dir
@dataset
@as_json
def latent(
    run: str | None, method: str, runs_dir: Path, data_dir: Path | None, dataset: Any, as_json: bool
) -> None:
    """Measure what the codes of RUN (the latest unless named) hold: classes, clusters, dimensions
    in use, neighbours, a map.

    Everything is fitted on the codes of the training images and scored on those of the test images.
    """
    from ..reporting.steps import analyse
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "latent")
    result = analyse(chosen, method, data_dir=data_dir, dataset=dataset)
    echo_result(result, as_json)


@click.command()
@run
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="How many images.",
)
@click.option(
    "--density",
    type=click.Choice(["mixture", "gaussian", "prior"]),
    help="What codes are drawn from: fitted on training codes, or a variational variant's prior.  "
    "[default: prior, else mixture]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the codes drawn.")
@click.option(
    "--quality",
    is_flag=True,
    help="Measure FID, KID, precision and recall of up to 10,000 of them against test images, beside "
    "training images, on features of a small classifier that is trained for it.",
)
@runs_dir
@data_dir
@dataset
@as_json
def generate(
    run: str | None,
    count: int,
    density: str | None,
    seed: int,
    quality: bool,
    runs_dir: Path,
    data_dir: Path | None,
    dataset: Any,
    as_json: bool,
) -> None:
    """New images from RUN (the latest unless named), each beside the training image nearest to it,
    so that copying shows.
    """
    from ..reporting.generated import generate
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "generate")
    result = generate(
        chosen,
        count,
        density=density,
        seed=seed,
        quality=quality,
        data_dir=data_dir,
        dataset=dataset,
    )
    echo_result(result, as_json)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, metavar="[RUN] A B")
@runs_dir
@data_dir
@dataset
@as_json
def interpolate(
    words: tuple[str, ...], runs_dir: Path, data_dir: Path | None, dataset: Any, as_json: bool
) -> None:
    """Draw the paths from test image A to test image B of RUN (the latest unless named).

    In the code, straight and along a great circle, and as a cross-fade of the pixels.
    """
    from ..reporting.generated import interpolate
    from ..runs.runs_dir import find

    if len(words) not in (2, 3) or not all(word.isdecimal() for word in words[-2:]):
        raise click.UsageError(
            "give the numbers of two test images, counted from 0: kae interpolate [RUN] A B"
        )
    chosen = find(words[0] if len(words) == 3 else None, runs_dir)
    announce.of_run(chosen, "interpolate")
    result = interpolate(chosen, int(words[-2]), int(words[-1]), data_dir=data_dir, dataset=dataset)
    echo_result(result, as_json)
