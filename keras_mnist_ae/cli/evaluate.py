"""kae evaluate: how good a run is."""

import math
from pathlib import Path

import click

from .options import as_json, data_dir, echo_json, run, runs_dir


@click.command()
@run
@runs_dir
@data_dir
@as_json
def evaluate(run: str | None, runs_dir: Path, data_dir: Path | None, as_json: bool) -> None:
    """Measure RUN (the latest unless named) on the test images, beside a PCA with as many components as its code has numbers."""
    from ..evaluation import pca_squared_errors, squared_errors
    from ..runs import find
    from ..training import reconstruct, reopen

    found = find(run, runs_dir)
    model, data = reopen(found, data_dir)
    mse = float(squared_errors(data.test.images, lambda images: reconstruct(model, images)).mean())
    pca = float(pca_squared_errors(data.train.images, data.test.images, model.variant.latent).mean())
    facts = {"n": len(data.test.images), "mse": mse, "rmse": math.sqrt(mse), "psnr_of_mean_mse": -10 * math.log10(mse), "pca_mse": pca}
    found.write_metrics({**found.metrics, **facts})
    if as_json:
        echo_json({"run": str(found.path), **facts})
        return
    click.echo(f"{found.path}: {model.variant.name} on the {facts['n']:,} test images of {data.name}, pixels in [0, 1]")
    click.echo(f"MSE    {mse:.5f}   (PCA with {model.variant.latent} components: {pca:.5f})")
    click.echo(f"RMSE   {facts['rmse']:.5f}")
    click.echo(f"PSNR   {facts['psnr_of_mean_mse']:.2f} dB, of the mean MSE")
    if model.variant.switches:
        bits = sum(2 * math.prod(shape) for shape in model.variant.switches.values())
        click.echo(f"The pooling switches carry {bits:,} bits beside the code's {model.variant.latent} numbers; a PCA has no such help.")
