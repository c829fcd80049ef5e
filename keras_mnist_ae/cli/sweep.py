"""kae sweep: many trainings, and which settings were best."""

from pathlib import Path

import click

from .options import as_json, echo, echo_json, echo_table


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Trainings at a time."
)
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    help="Folder of the runs and the study.  [default: runs/NAME of NAME.toml]",
)
@as_json
def sweep(file: Path, workers: int, runs_dir: Path | None, as_json: bool) -> None:
    """Train every combination of the settings in the TOML FILE, or search among them.

    Validation images choose. The same command again goes on; several may work on one folder. Needs
    Optuna: pip install 'keras_mnist_ae[sweep]'.

    \b
    [settings]                  # of all trainings, named as in a run's config.toml
    dataset = "digits"
    validation = 297
    [grid]                      # all combinations
    variant = ["mlp", "conv-k16"]
    seed = [0, 1, 2]
    [search]                    # or in place of [grid], a search
    trials = 40
    pruner = "median"           # or "none"
    latent_dim = [16, 32, 64]
    learning_rate = { low = 1e-4, high = 1e-2, log = true }
    """
    from ..bench import sweep_table

    found = sweep_table.sweep(file, workers=workers, runs_dir=runs_dir)
    if as_json:
        echo_json(found)
        return
    echo_table(*sweep_table.rows(found))
    for line in sweep_table.importances(found):
        echo(f"\n{line}")
    echo(f"\npicture  {found['figure']}")
