"""kae evaluate: how good a run is."""

from pathlib import Path
from typing import Any

import click

from . import announce
from .completion import run_names
from .options import as_json, data_dir, dataset, echo_result, runs_dir


@click.command()
@click.argument("run", required=False, metavar="[RUN|DIR]", shell_complete=run_names)
@click.option(
    "--split",
    type=click.Choice(["test", "train"]),
    default="test",
    show_default=True,
    help="Which images.",
)
@click.option(
    "--onnx",
    is_flag=True,
    help="Measure the run's exported float32 graphs instead of its Keras model.",
)
@click.option(
    "--importance-samples",
    type=click.IntRange(0, 10_000),
    default=0,
    help="For a variational variant: estimate the log likelihood with this many codes per image.",
)
@runs_dir
@data_dir
@dataset
@as_json
def evaluate(
    run: str | None,
    split: str,
    onnx: bool,
    importance_samples: int,
    runs_dir: Path,
    data_dir: Path | None,
    dataset: Any,
    as_json: bool,
) -> None:
    """Measure RUN (the latest unless named), or the exported graphs in its folder DIR, beside a PCA
    with as many components as its code has numbers.

    All errors are per pixel on [0, 1]. MSE, MAE, PSNR and SSIM are means over the images. A
    variational variant reconstructs from the mean of the code; its evidence lower bound is measured
    too. A run with noise is measured with it as well.
    """
    from ..export.manifest import find
    from ..reporting.steps import evaluate

    chosen, exported = find(run, runs_dir)
    announce.of_run(chosen, "evaluate")
    result = evaluate(
        chosen,
        split,
        precision=exported or ("float32" if onnx else None),
        importance_samples=importance_samples,
        data_dir=data_dir,
        dataset=dataset,
    )
    echo_result(result, as_json)
