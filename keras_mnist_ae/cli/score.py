"""kae calibrate and kae score: what does not belong."""

from pathlib import Path

import click

from . import announce
from .completion import run_names
from .options import as_json, data_dir, dataset, echo_json, echo_result, run, runs_dir
from .progress import progress


@click.command()
@run
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Share of normal images that may be flagged.",
)
@click.option(
    "--score",
    default="error+code",
    show_default=True,
    help="error+code, error, ssim, patch, code, pca or knn.",
)
@runs_dir
@data_dir
@dataset
@as_json
def calibrate(
    run: str | None,
    false_alarms: float,
    score: str,
    runs_dir: Path,
    data_dir: Path | None,
    dataset: str | None,
    as_json: bool,
) -> None:
    """Set the score above which RUN (the latest unless named) flags an image, so that at most the
    given share of normal images is flagged.
    """
    from ..reporting.anomalies import calibrate
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "calibrate")
    result = calibrate(
        chosen,
        false_alarms,
        score=score,
        data_dir=data_dir,
        dataset=dataset,
        progress=progress,
    )
    echo_result(result, as_json)


@click.command()
@click.argument("run", metavar="RUN|DIR", shell_complete=run_names)
@click.argument("source", metavar="INPUT")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Table: .csv, .parquet or .npz.")
@click.option("--maps", type=click.Path(path_type=Path), help="Folder for pictures of the errors.")
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="How many to show.")
@click.option("--normal", help="Classes that are normal.  [default: those it was trained on]")
@runs_dir
@data_dir
@as_json
def score(
    run: str,
    source: str,
    output: Path | None,
    maps: Path | None,
    top: int,
    normal: str | None,
    runs_dir: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Score the images of INPUT, a dataset's name or a path, by RUN or by the exported graphs in
    DIR; the strangest first.

    Needs `kae calibrate` first. With labels of what is normal, the quality is measured beside that
    of a PCA and of nearest neighbours.
    """
    from ..export.manifest import find
    from ..reporting import anomalies, score_files
    from ..runs.reopen import scored_data

    chosen, precision = find(run, runs_dir)
    if precision:
        scorer = anomalies.Scorer.of_export(chosen.export_folder(precision))
    else:
        scorer = anomalies.Scorer.of_run(chosen)
    data, numbers = scored_data(chosen, source, data_dir, normal)
    result = anomalies.score(scorer, data, numbers, progress)
    if output:
        score_files.write_table(output, result.rows)
    if maps:
        score_files.write_maps(maps, scorer, data, result.rows, top)
    if as_json:
        echo_json({"run": str(chosen.path), **result})
        return
    click.echo(str(result))
    click.echo()
    click.echo(score_files.strangest(result.rows, top))
