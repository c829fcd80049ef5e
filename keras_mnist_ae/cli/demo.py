"""kae demo: the main job from nothing."""

from pathlib import Path

import click

from ..system.backend import BACKENDS
from .options import as_json, echo, runs_dir
from .train import report as echo_run

EPOCHS = 40  # of 45 steps each


@click.command()
@click.option("--backend", help=f"{', '.join(BACKENDS)}.  [default: KERAS_BACKEND, else torch]")
@runs_dir
@as_json
def demo(backend: str | None, runs_dir: Path, as_json: bool) -> None:
    """Train conv-avgpool on the embedded digits, export it as ONNX, write a report and an explorer:
    no download, about a minute.
    """
    from ..reporting.explorer.explore import NAME
    from ..reporting.steps import report
    from ..runs.reopen import reopen
    from ..training.train import train

    run = train("conv-avgpool", dataset="digits", epochs=EPOCHS, runs_dir=runs_dir, backend=backend)
    _, data = reopen(run)
    from ..export.folder import export  # imports keras, so the backend is chosen first

    folder, _, graphs = export(run, data)
    page = report(run)
    explorer = run.path / NAME  # which the report has written
    echo_run(run, as_json)
    if not as_json:
        echo(f"report     {page}")
        furthest = max(graph["max_abs_diff"] for graph in graphs)
        echo(
            f"onnx       {folder}: {len(graphs)} graphs, equal to the Keras model up to "
            f"{furthest:.0e} on every test image"
        )
        echo(f"explorer   {explorer}")
