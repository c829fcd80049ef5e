"""kae figures and kae report: a run to look at."""

from pathlib import Path
from typing import Any

import click

from . import announce
from .options import as_json, data_dir, dataset, echo, echo_json, run, runs_dir


@click.command()
@run
@runs_dir
@data_dir
@as_json
def figures(run: str | None, runs_dir: Path, data_dir: Path | None, as_json: bool) -> None:
    """Draw the pictures of RUN (the latest unless named) into its figures folder."""
    from ..reporting.captions import CAPTIONS
    from ..reporting.steps import draw
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "figures")
    drawn = draw(chosen, data_dir=data_dir)
    if missing := [name for name in CAPTIONS if name not in drawn]:
        reason = "the codes of the training images do not differ"
        echo(f"kae: left out {', '.join(missing)}: {reason}", err=True)
    if as_json:
        echo_json({"run": str(chosen.path), "figures": {name: str(drawn[name]) for name in drawn}})
        return
    for name, path in drawn.items():
        echo(f"{path}  {CAPTIONS[name].title}")


@click.command()
@run
@runs_dir
@data_dir
@dataset
@as_json
def report(run: str | None, runs_dir: Path, data_dir: Path | None, dataset: Any, as_json: bool) -> None:
    """Write the report of RUN (the latest unless named) as one HTML file: settings, numbers,
    pictures, how to use it.

    What `kae evaluate`, `kae latent` and `kae figures` have not made yet is made first.
    """
    from ..reporting.steps import report
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "report")
    path = report(chosen, data_dir=data_dir, dataset=dataset)
    if as_json:
        echo_json({"run": str(chosen.path), "report": str(path)})
    else:
        echo(f"report     {path}")
