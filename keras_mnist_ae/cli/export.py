"""kae export and kae validate: ONNX graphs of a run, proved equal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .options import as_json, data_dir, echo_json, echo_table, run, runs_dir

images = click.option("--images", type=click.IntRange(1), help="Validate on the first N test images.  [default: all]")


@click.group()
def export() -> None:
    """Turn a run into files that need no Keras."""


@export.command("onnx")
@run
@runs_dir
@data_dir
@images
@as_json
def onnx_(run: str | None, runs_dir: Path, data_dir: Path | None, images: int | None, as_json: bool) -> None:
    """Write encoder, decoder and autoencoder of RUN (the latest unless named) as ONNX graphs, held against the Keras model."""
    from ..export.folder import export

    report(export, run, runs_dir, data_dir, images, as_json)


@click.command()
@run
@runs_dir
@data_dir
@images
@as_json
def validate(run: str | None, runs_dir: Path, data_dir: Path | None, images: int | None, as_json: bool) -> None:
    """Hold the exported graphs of RUN (the latest unless named) against its Keras model again."""
    from ..export.folder import validate

    report(validate, run, runs_dir, data_dir, images, as_json, passed=True)


def report(
    job: Callable[..., list[dict[str, Any]]],
    run: str | None,
    runs_dir: Path,
    data_dir: Path | None,
    images: int | None,
    as_json: bool,
    **more: bool,
) -> None:
    """Do the job on a run and its test images, and tell of each graph."""
    from ..runs import find
    from ..training import reopen

    found = find(run, runs_dir)
    _, data = reopen(found, data_dir)
    graphs = job(found, data.test.images[:images])
    if as_json:
        echo_json({"run": str(found.path), "folder": str(found.onnx), "graphs": graphs, **more})
        return
    header = ("graph", "nodes", "bytes", "largest difference", "mean", "tolerance", "Keras MSE", "ONNX MSE", "verdict")
    rows = [
        (
            graph["file"],
            str(graph["nodes"]),
            f"{graph['bytes']:,}",
            f"{graph['max_abs_diff']:.1e}",
            f"{graph['mean_abs_diff']:.1e}",
            f"{graph['tolerance']:.1e}",
            *("-" if graph[error] is None else f"{graph[error]:.7f}" for error in ("keras_mse", "onnx_mse")),
            "equal" if graph["passed"] else "differs",
        )
        for graph in graphs
    ]
    echo_table(header, rows)
    count = len(data.test.images[:images])
    click.echo(f"on {count:,} test images of {data.name}, at every optimisation level of onnxruntime, in batches of 1 to 257")
    if graphs[0]["ties"]:
        click.echo(
            f"{graphs[0]['ties']} images have a pooling window whose two largest pixels are equal up to rounding: their switches differ"
        )
    click.echo(f"folder  {found.onnx}")
