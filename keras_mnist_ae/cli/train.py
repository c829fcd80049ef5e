"""kae train: one run."""

from pathlib import Path
from typing import Any

import click

from ..system.backend import BACKENDS, DEVICES
from .options import as_json, data_dir, echo_json, run, runs_dir


@click.command()
@click.argument("variant", required=False)
@click.option("--table", help="TOML file with a variant of your own, in place of VARIANT.")
@click.option("--latent-dim", type=int, help="Length of the code.  [default: the variant's]")
@click.option(
    "--batch-norm", is_flag=True, default=None, help="Batch normalisation before each activation within."
)
@click.option("--dropout", type=float, help="Dropout of that rate after each layer within.")
@click.option("--backend", help=f"{', '.join(BACKENDS)}.  [default: KERAS_BACKEND, else torch]")
@click.option("--device", help=f"{', '.join(DEVICES)}.  [default: auto]")
@click.option(
    "--dataset",
    help="A name from `kae data list`, a folder of pictures, or a .npz or .npy file.  [default: mnist]",
)
@data_dir
@click.option(
    "--resize",
    is_flag=False,
    flag_value="variant",
    metavar="[SIZE|HxW]",
    help="Fit the images to SIZE, or without it to the variant.",
)
@click.option(
    "--noise", help="On the images that go in: gaussian:DEVIATION, mask:SHARE or salt-pepper:SHARE."
)
@click.option("--beta", type=float, help="Weight of the divergence of a variational variant.  [default: 1]")
@click.option(
    "--kl-warm-up", type=float, help="Part of all steps in which that weight rises from 0.  [default: 0]"
)
@click.option(
    "--likelihood",
    help="Of the pixels, for a variational variant: bernoulli or gaussian.  [default: bernoulli]",
)
@click.option(
    "--recipe",
    help="reference, fast (its quality in the least time) or best (the least error).  [default: reference]",
)
@click.option("--epochs", type=int, help="Times through the training images.  [default: the recipe's]")
@click.option("--batch-size", type=int, help="Images per step.  [default: the recipe's]")
@click.option("--learning-rate", type=float, help="Adam's.  [default: the recipe's]")
@click.option(
    "--precision",
    help="What training multiplies in: float32, or bfloat16 where a device is fast at it.  [default: float32]",
)
@click.option("--seed", type=int, help="Of the weights and the order of the images.  [default: 0]")
@click.option(
    "--validation",
    type=int,
    help="Look at the last N training images after each epoch, kept out of training, not at the test set.",
)
@click.option("--limit", type=int, help="Only the first N training images; the test set stays whole.")
@click.option(
    "--checkpoint-every",
    help="So many batches (200) or seconds (30s), and after each epoch.  [default: 60s, and short epochs share one]",
)
@runs_dir
@click.option("--name", help="The run folder is RUNS_DIR/NAME instead of a generated name.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of settings; flags go before it.")
@as_json
def train(config: Path | None, as_json: bool, **flags: Any) -> None:
    """Train VARIANT (conv-avgpool unless named) and write a run folder."""
    from ..runs.config import configure
    from ..training.train import train_config

    paths = {key: str(flags.pop(key)) for key in ("data_dir", "runs_dir") if flags[key] is not None}
    report(train_config(configure(config, **flags, **paths)), as_json)


@click.command()
@run
@click.option("--backend", help="Another than the run's; not exact.")
@click.option(
    "--allow-inexact",
    is_flag=True,
    help="Go on even where the result cannot be that of a run that was never stopped.",
)
@runs_dir
@data_dir
@as_json
def resume(
    run: str | None,
    backend: str | None,
    allow_inexact: bool,
    runs_dir: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Go on with RUN (the latest unless named) where it stopped: after a kill, an interruption, a
    full disk.

    The result is bit for bit that of a run that was never stopped, on the same backend, versions
    and processor.
    """
    from ..runs.runs_dir import find
    from ..training.train import resume

    found = find(run, runs_dir)
    if found.finished:
        click.echo(f"run {found.path} is finished", err=True)
    report(resume(found, data_dir=data_dir, backend_name=backend, inexact=allow_inexact), as_json)


def report(run: Any, as_json: bool) -> None:
    """What a finished run achieved."""
    history = run.history
    seconds = round(sum(history["seconds"]), 3)
    if as_json:
        echo_json(
            {
                "run": str(run.path),
                "variant": run.config.variant,
                "backend": run.config.backend,
                "epochs": len(history["loss"]),
                "history": {"loss": history["loss"], "val_loss": history["val_loss"]},
                "metrics": {name: run.metrics[name] for name in ("train_mse", "test_mse")},
                "seconds": seconds,
            }
        )
        return
    click.echo(f"train MSE  {run.metrics['train_mse']:.5f}")
    click.echo(f"test MSE   {run.metrics['test_mse']:.5f}")
    click.echo(f"trained    {len(history['loss'])} epochs in {seconds:.1f} s")
    click.echo(f"run        {run.path}")
    click.echo(f"figure     {run.figure('reconstructions')}")
