"""kae explore: a run alive in one HTML file."""

from pathlib import Path
from typing import Any

import click

from . import announce
from .completion import run_names
from .options import as_json, data_dir, dataset, echo, echo_json, runs_dir


@click.command()
@click.argument("run", required=False, metavar="[RUN|DIR]", shell_complete=run_names)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: explorer.html in the run folder]",
)
@runs_dir
@data_dir
@dataset
@as_json
def explore(
    run: str | None,
    output: Path | None,
    runs_dir: Path,
    data_dir: Path | None,
    dataset: Any,
    as_json: bool,
) -> None:
    """Write RUN (the latest unless named) as one HTML file in which its encoder and decoder work:
    a map of the codes, a pad to draw on, sliders, paths between images. It needs no server and
    loads nothing.

    DIR is an export's folder within its run. Of RUN the float16 export is taken; where there is
    none, it is made for the page alone.
    """
    from ..export.manifest import find
    from ..reporting.explorer.explore import explore

    chosen, precision = find(run, runs_dir)
    announce.of_run(chosen, "explore")
    if precision is None and not chosen.export_folder("float16").is_dir():
        echo(
            f"kae: run {chosen.name} has no float16 export: graphs are made for this page alone.\n"
            f"To keep them: kae export onnx {chosen.path} --precision float16",
            err=True,
        )
    path = explore(chosen, output, precision=precision, data_dir=data_dir, dataset=dataset)
    if as_json:
        echo_json({"run": str(chosen.path), "explorer": str(path), "bytes": path.stat().st_size})
    else:
        echo(f"explorer   {path} ({path.stat().st_size / 1e6:.1f} MB)")
