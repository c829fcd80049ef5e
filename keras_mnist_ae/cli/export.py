"""kae export and kae validate: ONNX graphs of a run, proved equal."""

from pathlib import Path
from typing import Any

import click

from ..export.formats import FORMATS, PRECISIONS, Format
from . import announce
from .completion import run_names
from .options import as_json, data_dir, dataset, echo, echo_json, echo_table, run, runs_dir

images = click.option(
    "--images", type=click.IntRange(1), help="Validate on the first N test images.  [default: all]"
)
precision = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="Precision of the exported weights.  [default: float32]",
)


@click.group()
def export() -> None:
    """Turn a run into files that need no Keras."""


def command(form: Format) -> click.Command:
    """The sub-command that exports in a format."""

    @export.command(form.name, help=form.help)
    @run
    @runs_dir
    @data_dir
    @dataset
    @precision
    @images
    @as_json
    def export_(
        run: str | None,
        runs_dir: Path,
        data_dir: Path | None,
        dataset: Any,
        precision: Any,
        images: int | None,
        as_json: bool,
    ) -> None:
        from ..runs.reopen import reopen
        from ..runs.runs_dir import find

        chosen = find(run, runs_dir)
        announce.of_run(chosen, f"export {form.name}")
        # chooses the backend, so it stands before what imports Keras
        _, data = reopen(chosen, data_dir, dataset, samples=True)
        export = form.load()
        report(chosen, data, export(chosen, data, precision or "float32", images), images, as_json)

    return export_


for form in FORMATS:
    command(form)


@click.command()
@click.argument("run", required=False, metavar="[RUN|DIR]", shell_complete=run_names)
@runs_dir
@data_dir
@dataset
@precision
@images
@as_json
def validate(
    run: str | None,
    runs_dir: Path,
    data_dir: Path | None,
    dataset: Any,
    precision: Any,
    images: int | None,
    as_json: bool,
) -> None:
    """Hold the exported graphs of RUN (the latest unless named), or those in its folder DIR,
    against its Keras model again.
    """
    from ..export.manifest import find
    from ..runs.reopen import reopen

    found, of_folder = find(run, runs_dir)
    if of_folder and precision and of_folder != precision:
        raise click.UsageError(f"{run} is an export in {of_folder}, not in {precision}")
    announce.of_run(found, "validate")
    _, data = reopen(found, data_dir, dataset, samples=True)
    from ..export.folder import validate

    report(
        found,
        data,
        validate(found, data, of_folder or precision or "float32", images),
        images,
        as_json,
        passed=True,
    )


def report(run: Any, data: Any, export: Any, images: int | None, as_json: bool, **more: bool) -> None:
    """What the gate measured, graph by graph."""
    folder, precision, graphs = export
    if as_json:
        echo_json({"run": str(run.path), "folder": str(folder), "graphs": graphs, **more})
        return
    exact = precision == "float32"
    header = (
        "graph",
        "nodes",
        "bytes",
        "largest difference",
        "mean",
        "Keras MSE",
        "ONNX MSE",
        "rise",
        "tolerance",
        "verdict",
    )
    rows = [
        (
            graph["file"],
            str(graph["nodes"]),
            f"{graph['bytes']:,}",
            f"{graph['max_abs_diff']:.1e}",
            f"{graph['mean_abs_diff']:.1e}",
            f"{graph['keras_mse']:.7f}",
            f"{graph['onnx_mse']:.7f}",
            f"{100 * graph['mse_rise']:+.3f} %",
            f"{graph['tolerance']:.1e}" if exact else f"{100 * graph['tolerance']:g} %",
            "equal" if exact else "passed",
        )
        for graph in graphs
    ]
    echo_table(header, rows, optional=("mean", "nodes", "tolerance", "bytes", "Keras MSE", "rise"))
    count = len(data.test.images[:images])
    echo(
        f"on {count:,} test images of {data.title}, at every optimisation level of onnxruntime, in batches "
        "of different sizes"
    )
    if exact and graphs[0]["ties"]:
        echo(
            f"{graphs[0]['ties']} images have a pooling window whose two largest pixels are equal up to "
            "rounding: their switches differ"
        )
    echo(f"folder  {folder}")
