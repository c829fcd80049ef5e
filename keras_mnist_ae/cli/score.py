"""kae calibrate and kae score: what does not belong."""

from pathlib import Path
from typing import Any

import click

from . import announce
from .completion import run_names
from .options import as_json, data_dir, dataset, echo, echo_json, echo_result, reading, run, runs_dir, sharded

KEYS = (  # of --json
    *("run", "score", "n", "threshold", "false_alarms", "flagged"),
    *("auroc", "average_precision", "pca_auroc", "knn_auroc"),
)


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
    default="structure",
    show_default=True,
    help="structure, error+code, error, ssim, patch, code, pca, knn, or, of a variational run, elbo.",
)
@click.option(
    "--images",
    metavar="PATH",
    help="Normal images that training has not seen.  [default: the validation images, else those of "
    "the test that are of the classes trained on]",
)
@reading
@runs_dir
@data_dir
@dataset
@as_json
def calibrate(
    run: str | None,
    false_alarms: float,
    runs_dir: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Set the score above which RUN (the latest unless named) flags an image, so that at most the
    given share of normal images is flagged.

    The threshold is kept in the run and in its exports.
    """
    from ..reporting.calibration import calibrate
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "calibrate")
    echo_result(calibrate(chosen, false_alarms, **options), as_json)


@click.command()
@click.argument("run", metavar="[RUN|DIR]", required=False, shell_complete=run_names)
@click.argument("source", metavar="INPUT", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Table: .csv, .parquet or .npz. With --shards a folder.",
)
@click.option("--maps", type=click.Path(path_type=Path), help="Folder for pictures of the strangest.")
@click.option("--top", type=click.IntRange(1), help="How many to show.  [default: 10]")
@click.option("--normal", help="Classes that are normal.  [default: those it was trained on]")
@sharded("tables", ["csv", "parquet", "npz"], "csv")
@reading
@runs_dir
@data_dir
@as_json
def score(
    run: str | None,
    source: str | None,
    output: Path | None,
    maps: Path | None,
    top: int | None,
    normal: str | None,
    shards: int | None,
    workers: int | None,
    format: str | None,
    runs_dir: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Score the images of INPUT, a dataset's name or a path, by RUN (the latest unless named) or by
    the exported graphs in DIR; the strangest are shown.

    Needs `kae calibrate` first. Of a dataset with a test split the test images are scored. With
    labels of what is normal, the quality is measured beside that of a PCA and of nearest
    neighbours.
    """
    if source is None:  # RUN may be left out, INPUT may not
        run, source = None, run
    if source is None:
        raise click.UsageError("Missing argument 'INPUT'.")
    if shards:
        if output is None or maps or normal or top:
            raise click.UsageError("--shards N goes with -o FOLDER, and without --maps, --top and --normal.")
        from ..reporting.score_shards import score_shards

        told = score_shards(
            *(run, source, output),
            shards=shards,
            workers=workers,
            format=format or "csv",
            runs_dir=runs_dir,
            **options,
        )
        if as_json:
            more = ("shards", "made", "workers", "left_out", "model_sha256", "source_sha256")
            facts = {**told, "run": run, "n": told["rows"], "false_alarms": None}
            echo_json({key: facts.get(key) for key in (*KEYS, *more)})
            return
        made = f"{told['made']} of them made" if told["made"] else "all were there"
        echo(
            f"{told['rows']:,} images in {told['shards']} tables in {output}, {made}; {told['flagged']:,} "
            f"flagged ({told['score']} above {told['threshold']:.6g})"
        )
        return
    if workers or format:
        raise click.UsageError("--workers and --format go with --shards N.")
    from ..reporting.anomalies import score
    from ..reporting.score_files import strangest

    result = score(
        *(run, source),
        output=output,
        maps=maps,
        top=top or 10,
        normal=normal,
        runs_dir=runs_dir,
        **options,
    )
    if as_json:
        echo_json({key: result[key] for key in KEYS})
        return
    echo(str(result))
    echo()
    echo(strangest(result.rows))
    for what, path in (("table", output), ("maps", maps)):
        if path:
            echo(f"{what:14} {path}")
