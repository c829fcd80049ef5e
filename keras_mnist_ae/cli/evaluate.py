"""kae evaluate: how good a run is."""

from pathlib import Path
from typing import Any

import click

from .options import as_json, data_dir, echo_json, echo_table, progress, runs_dir


@click.command()
@click.argument("run", required=False, metavar="[RUN|DIR]")
@click.option(
    "--split", type=click.Choice(["test", "train"]), default="test", show_default=True, help="Which images."
)
@click.option(
    "--onnx", is_flag=True, help="Measure the run's exported float32 graphs instead of its Keras model."
)
@click.option(
    "--importance-samples",
    type=click.IntRange(0, 10_000),
    default=0,
    help="Of a variational variant: estimate the log likelihood with so many codes an image.",
)
@runs_dir
@data_dir
@as_json
def evaluate(
    run: str | None,
    split: str,
    onnx: bool,
    importance_samples: int,
    runs_dir: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Measure RUN (the latest unless named), or the exported graphs in its folder DIR, beside a PCA
    with as many components as its code has numbers.

    All errors are per pixel on [0, 1]. MSE, MAE, PSNR and SSIM are means over the images. A
    variational variant reconstructs from the mean of the code; its evidence lower bound is told
    too. A run with noise is measured with it as well.
    """
    from ..export.manifest import find

    found, precision = find(run, runs_dir)
    source = f"ONNX {precision or 'float32'}" if onnx or precision else "Keras"
    if source == "Keras":
        codec, data = with_keras(found, data_dir)
    else:
        codec, data = with_graphs(found, found.export_folder(precision or "float32"), data_dir)
    if importance_samples and not (found.variant.variational and source == "Keras"):
        raise click.UsageError("--importance-samples is for the Keras model of a variational variant")
    facts = evaluated(found, codec, data, split, source, importance_samples)
    if as_json:
        echo_json({"run": str(found.path), **facts})
        return
    click.echo(
        f"{found.path}: {found.config.variant} ({source}) on the {facts['n']:,} {split} images of {data.name}\n"
    )
    report(facts)


def evaluated(
    run: Any, codec: Any, data: Any, split: str = "test", source: str = "Keras", samples: int = 0
) -> dict[str, Any]:
    """The evaluation, kept in the run's metrics."""
    from ..analysis.elbo import evidence
    from ..analysis.metrics import evaluate, noisy_error
    from ..datasets.noise import corruption

    images = getattr(data, split).images
    with progress(len(images), "evaluating") as tell:
        facts = {
            "split": split,
            "model": source,
            **evaluate(data, split, codec.reconstruct, run.variant, tell),
        }
    if run.config.noise:
        noisy = noisy_error(images, codec.reconstruct, corruption(run.config.noise), run.config.seed + 1)
        facts["noise"] = {"kind": run.config.noise, "mse": noisy}
    if run.variant.variational and source == "Keras":
        with progress(len(images), "sampling") as tell:
            facts["evidence"] = evidence(
                run.model, images, run.config.likelihood, samples, run.config.seed, tell
            )
    run.add_metrics(facts if source == "Keras" and split == "test" else {f"{source} {split}": facts})
    return facts


def with_keras(run: Any, data_dir: Path | None) -> Any:
    """The run's Keras model as a codec, and its dataset."""
    from ..runs.reopen import reopen

    model, data = reopen(run, data_dir)
    from ..analysis.codec import of_model

    return of_model(model), data


def with_graphs(run: Any, folder: Path, data_dir: Path | None) -> Any:
    """Exported graphs as a codec, and the run's dataset.

    Raises `UsageError` where there are none, `CorruptFileError` for those of another variant.
    """
    from ..analysis.codec import of_graphs
    from ..errors import CorruptFileError, UsageError
    from ..export.runtime import OnnxAutoencoder
    from ..runs.reopen import reopen_data

    run.metrics  # noqa: B018  (a run that was not finished is told of first)
    if not folder.is_dir():
        raise UsageError(f"there is no export in {folder}.\nMake one: kae export onnx {run.path}")
    graphs = OnnxAutoencoder(folder)
    graphs.load()
    if graphs.info.variant != run.config.variant:
        raise CorruptFileError(
            f"{run.path} says {run.config.variant}, but the graphs in {folder} are a {graphs.info.variant}"
        )
    return of_graphs(graphs), reopen_data(run, data_dir)


def report(facts: dict[str, Any]) -> None:
    """The numbers as text."""
    from ..reporting import text

    echo_table(("", "value", "95 % interval", ""), text.numbers(facts))
    click.echo(f"\n{text.beside(facts)}\n{text.size(facts)}")
    for line in text.more(facts):
        click.echo(line)
    if facts["per_class"]:
        click.echo()
        echo_table(("class", "images", "MSE", "MAE", "PSNR, dB", "SSIM"), text.classes(facts))
    click.echo(f"\n{text.worst(facts)}")
