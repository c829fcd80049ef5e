"""kae figures and kae report: a run to look at."""

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import click

from ..errors import ValidationError
from .evaluate import evaluated, with_keras
from .latent import analysed
from .options import as_json, data_dir, echo_json, progress, run, runs_dir


@click.command()
@run
@runs_dir
@data_dir
@as_json
def figures(run: str | None, runs_dir: Path, data_dir: Path | None, as_json: bool) -> None:
    """Draw the pictures of RUN (the latest unless named) into its figures folder."""
    from ..runs.runs_dir import find

    found = find(run, runs_dir)
    _, data = with_keras(found, data_dir)
    drawn = draw(found, data)
    from ..reporting.figures import CAPTIONS

    if missing := [name for name in CAPTIONS if name not in drawn]:
        click.echo(
            f"kae: left out {', '.join(missing)}: the codes of the training images do not differ", err=True
        )
    if as_json:
        echo_json({"run": str(found.path), "figures": drawn})
        return
    for name, path in drawn.items():
        click.echo(f"{path}  {CAPTIONS[name].title}")


@click.command()
@run
@runs_dir
@data_dir
@as_json
def report(run: str | None, runs_dir: Path, data_dir: Path | None, as_json: bool) -> None:
    """Tell the story of RUN (the latest unless named) in one HTML file: settings, numbers,
    pictures, how to use it.

    What `kae evaluate`, `kae latent` and `kae figures` have not made yet is made first.
    """
    from ..runs.runs_dir import find

    found = find(run, runs_dir)
    codec, data = with_keras(found, data_dir)
    told(found, codec, data)
    if as_json:
        echo_json({"run": str(found.path), "report": str(found.report)})
    else:
        click.echo(f"report     {found.report}")


def told(run: Any, codec: Any, data: Any) -> None:
    """Write the report, and before it whatever it lacks."""
    from ..reporting import figures, html

    if "pca_components" not in run.metrics:
        evaluated(run, codec, data)
    silent = ""
    if "latent" not in run.metrics:
        try:
            analysed(run, codec, data)
        except ValidationError as error:  # the rest of the story can be told
            silent = str(error)
            click.echo(f"kae: {silent}", err=True)
    there = {name for name in figures.CAPTIONS if run.figure(name).is_file()}
    if there < set(figures.CAPTIONS):
        draw(run, data, kept=there)
    html.write(run, silent)


def draw(run: Any, data: Any, kept: AbstractSet[str] = frozenset()) -> dict[str, str]:
    """Every picture that can be made, anew but for those `kept`; the paths by name."""
    from ..reporting import figures

    drawn = {}
    with progress(len(figures.CAPTIONS) + 1, "figures") as tell:
        for name, figure in figures.pictures(run, data, tell):
            drawn[name] = str(run.figure(name))
            if name not in kept:
                run.write_figure(name, figure)
    return drawn
