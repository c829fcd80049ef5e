"""kae compare: a run among the records."""

from pathlib import Path

import click

from .options import as_json, echo_result, run, runs_dir


@click.command()
@run
@runs_dir
@as_json
def compare(run: str | None, runs_dir: Path, as_json: bool) -> None:
    """Place RUN (the latest unless named) in the tables of record: which protocol fits it and which
    does not, and its numbers beside published ones.

    Nothing is measured anew: what is missing comes with the command that measures it. `kae runs
    --compare` puts runs side by side.
    """
    from ..bench.compare import compare
    from ..runs.runs_dir import find

    echo_result(compare(find(run, runs_dir)), as_json)
