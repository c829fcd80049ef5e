"""kae demo: the main job from nothing."""

from pathlib import Path

import click

from ..system.backend import BACKENDS
from .options import as_json, runs_dir
from .report import told
from .train import report

EPOCHS = 40  # of 45 steps each


@click.command()
@click.option("--backend", help=f"{', '.join(BACKENDS)}.  [default: KERAS_BACKEND, else torch]")
@runs_dir
@as_json
def demo(backend: str | None, runs_dir: Path, as_json: bool) -> None:
    """Train conv-avgpool on the embedded digits, export it as ONNX and write a report: no download,
    about a minute.
    """
    from ..runs.reopen import reopen
    from ..training.train import train

    settings = {"backend": backend} if backend else {}
    run = train("conv-avgpool", dataset="digits", epochs=EPOCHS, runs_dir=str(runs_dir), **settings)
    from ..analysis.codec import of_model
    from ..export.folder import export  # imports keras, so the backend is chosen first

    model, data = reopen(run)
    folder, _, graphs = export(run, data)
    told(run, of_model(model), data)
    report(run, as_json)
    if not as_json:
        click.echo(f"report     {run.report}")
        furthest = max(graph["max_abs_diff"] for graph in graphs)
        click.echo(
            f"onnx       {folder}: {len(graphs)} graphs, equal to the Keras model up to {furthest:.0e} on every test image"
        )
