"""kae latent, generate, interpolate: what the codes hold, and what can be made of them."""

from pathlib import Path
from typing import Any

import click

from .evaluate import with_keras
from .options import as_json, data_dir, echo_json, echo_table, progress, run, runs_dir

PARTS = 23  # of the analysis


@click.command()
@run
@click.option(
    "--map",
    "method",
    type=click.Choice(["pca", "tsne", "umap"]),
    default="pca",
    show_default=True,
    help="The map of the codes.",
)
@runs_dir
@data_dir
@as_json
def latent(run: str | None, method: str, runs_dir: Path, data_dir: Path | None, as_json: bool) -> None:
    """Tell what the codes of RUN (the latest unless named) hold: classes, clusters, dimensions in
    use, neighbours, a map.

    Everything is fitted on the codes of the training images and scored on those of the test images.
    """
    from ..runs.runs_dir import find

    found = find(run, runs_dir)
    codec, data = with_keras(found, data_dir)
    if method != "pca":
        click.echo("placing the codes on a map takes a minute or more", err=True)
    facts, drawn = analysed(found, codec, data, method)
    if as_json:
        echo_json({"run": str(found.path), **facts, "figures": drawn})
        return
    click.echo(
        f"{found.path}: {found.config.variant}, fitted on {facts['n_train']:,} codes, scored on {facts['n_test']:,}, of {data.name}\n"
    )
    report(facts)
    for path in drawn:
        click.echo(f"figure         {path}")


def analysed(run: Any, codec: Any, data: Any, method: str = "pca") -> tuple[dict[str, Any], list[str]]:
    """The analysis, kept in the run's metrics, and the paths of its figures."""
    from ..analysis import pca
    from ..analysis.latent import analyse, encoded
    from ..datasets.images import to_float
    from ..reporting import figures

    with progress(PARTS + (20 if method == "tsne" else 0), "latent") as tell:
        tell("codes")
        train, test = encoded(data.train.images, codec), encoded(data.test.images, codec)
        tell("PCA")
        linear = pca.fit(data.train.images, train.shape[1])
        first, second = (linear.encode(to_float(split.images)) for split in (data.train, data.test))
        facts = analyse(data, train, test, first, second, tell)
        drawn = {
            f"map{'' if method == 'pca' else f'-{method}'}": figures.mapped(train, test, data, method, tell)
        }
        drawn["neighbours"] = figures.neighbours(data, train, test)
    for name, figure in drawn.items():
        run.write_figure(name, figure)
    run.add_metrics({"latent": facts})
    return facts, [str(run.figure(name)) for name in drawn]


def report(facts: dict[str, Any]) -> None:
    """The analysis as text."""
    from ..reporting import text

    click.echo(text.dimensions(facts))
    for part, reason in facts["skipped"].items():
        click.echo(f"{part} left out: {reason}")
    if rows := text.probes(facts):
        click.echo()
        echo_table(("test accuracy", "codes", "pixels", "PCA codes"), rows)
    if rows := text.clusters(facts):
        click.echo()
        echo_table((f"k-means, {facts['kmeans']['clusters']} clusters", "mean", "std of 10 seeds"), rows)
    click.echo("\nTest images, and the training images whose codes are nearest:")
    for query in facts["nearest"]:
        click.echo(
            f"  {_named(query['test'], query['class'])}: {', '.join(map(_named, query['train'], query['classes']))}"
        )
    click.echo()


def _named(index: int, name: str | None) -> str:
    return f"{index} ({name})" if name else str(index)


@click.command()
@run
@click.option(
    "-n", "count", type=click.IntRange(1, 10_000), default=64, show_default=True, help="How many images."
)
@click.option(
    "--density",
    type=click.Choice(["mixture", "gaussian", "prior"]),
    help="What codes are drawn from: fitted on training codes, or a variational variant's prior.  [default: prior, else mixture]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the codes drawn.")
@runs_dir
@data_dir
@as_json
def generate(
    run: str | None, count: int, density: Any, seed: int, runs_dir: Path, data_dir: Path | None, as_json: bool
) -> None:
    """New images from RUN (the latest unless named), each beside the training image nearest to it,
    so that copying shows.
    """
    import numpy as np

    from ..runs.runs_dir import find

    found = find(run, runs_dir)
    if density == "prior" and not found.variant.variational:
        raise click.UsageError(f"{found.config.variant} has no prior: only variational variants do")
    codec, data = with_keras(found, data_dir)
    from ..analysis.generation import BORROWED, generate, nearest_images
    from ..analysis.latent import encoded
    from ..datasets.images import to_float
    from ..reporting import figures

    density = density or figures.density_of(found)
    with progress(3, "generating") as tell:
        tell("codes")
        codes = encoded(data.train.images, codec)
        tell("images")
        made = generate(codec, data.train.images, codes, count, density, seed)
        tell("distances of test images")
        usual = float(np.median(nearest_images(data.train.images, to_float(data.test.images[:1000]))[0]))
    switches = bool(found.model.variant.switches)
    found.write_figure("generated", figures.samples(made, data.train, density, switches))
    found.write_generated(
        images=made.images, codes=made.codes, nearest=made.nearest, distances=made.distances
    )
    facts = {
        "n": count,
        "density": density,
        "components": made.components,
        "nearest_rmse": float(np.median(made.distances)),
        "test_nearest_rmse": usual,
        "switches": BORROWED if switches else None,
    }
    found.add_metrics({"generated": facts})
    if as_json:
        echo_json(
            {
                "run": str(found.path),
                **facts,
                "figure": str(found.figure("generated")),
                "arrays": str(found.generated),
            }
        )
        return
    click.echo(f"{found.path}: {count} images {figures.drawn_from(density, made.components)}")
    if switches:
        click.echo(f"Its decoder needs pooling switches, which cannot be drawn: they are {BORROWED}.")
    click.echo(
        f"RMSE to the nearest training image: {facts['nearest_rmse']:.4f} in the median; of test images, {usual:.4f}"
    )
    click.echo(f"figure         {found.figure('generated')}")
    click.echo(f"arrays         {found.generated}: images, codes, nearest, distances")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, metavar="[RUN] A B")
@runs_dir
@data_dir
@as_json
def interpolate(words: tuple[str, ...], runs_dir: Path, data_dir: Path | None, as_json: bool) -> None:
    """Draw the ways from test image A to test image B of RUN (the latest unless named).

    In the code, straight and along a great circle, and as a cross-fade of the pixels.
    """
    from ..errors import UsageError
    from ..runs.runs_dir import find

    if len(words) not in (2, 3) or not all(word.isdecimal() for word in words[-2:]):
        raise click.UsageError(
            "give the numbers of two test images, counted from 0: kae interpolate [RUN] A B"
        )
    found = find(words[0] if len(words) == 3 else None, runs_dir)
    codec, data = with_keras(found, data_dir)
    from ..datasets.images import to_float
    from ..reporting import figures

    first, second = map(int, words[-2:])
    if max(first, second) >= len(data.test.images):
        raise UsageError(
            f"there is no test image {max(first, second)}: {data.name} has {len(data.test.images):,}, counted from 0"
        )
    switches = bool(found.model.variant.switches)
    name = f"interpolation-{first}-{second}"
    found.write_figure(name, figures.paths(codec, data, [(first, second)], switches))
    path = found.figure(name)
    codes = codec.encode(to_float(data.test.images[[first, second]]))[0]
    if len(set(map(bytes, codes))) == 1:
        click.echo("kae: both images have the same code: there is no way between them", err=True)
    labels = [
        None if data.test.labels is None else data.classes[data.test.labels[index]]
        for index in (first, second)
    ]
    if as_json:
        echo_json(
            {
                "run": str(found.path),
                "a": first,
                "b": second,
                "classes": labels,
                "steps": figures.STEPS,
                "figure": str(path),
            }
        )
        return
    click.echo(
        f"{found.path}: from {_named(first, labels[0])} to {_named(second, labels[1])} in {figures.STEPS} steps"
    )
    if switches:
        click.echo(
            "Its decoder needs pooling switches, which have no path between them: they are those of the nearer end."
        )
    click.echo(f"figure         {path}")
