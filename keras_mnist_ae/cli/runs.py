"""kae runs: all runs side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import as_json, echo_json, echo_table, runs_dir

if TYPE_CHECKING:
    from ..runs import Run


@click.command()
@runs_dir
@as_json
def runs(runs_dir: Path, as_json: bool) -> None:
    """All runs side by side, the best test MSE first."""
    from ..errors import CorruptFileError, UsageError
    from ..runs import every

    if runs_dir.exists() and not runs_dir.is_dir():
        raise UsageError(f"{runs_dir} is no folder")
    found = []
    for run in every(runs_dir):
        try:
            found.append(facts(run))
        except (CorruptFileError, UsageError) as error:
            click.echo(f"kae: left out: {error}", err=True)
    if as_json:
        echo_json({"runs": found})
    elif not found:
        click.echo(f"no run in {runs_dir.resolve()} yet; train one: kae train", err=True)
    else:
        header = ("run", "variant", "latent", "backend", "dataset", "epochs", "train MSE", "test MSE", "seconds")
        echo_table(header, [shown(row) for row in found])


def facts(run: "Run") -> dict[str, Any]:
    """What is known of a run; None for what an unfinished one does not have."""
    from ..variants import find

    history = run.history if (run.path / "history.csv").is_file() else {"loss": [], "seconds": []}
    metrics = run.metrics if run.finished else {}
    return {
        "run": run.name,
        "variant": run.config.variant,
        "latent": find(run.config.variant).latent,
        "backend": run.config.backend,
        "dataset": run.config.dataset,
        "epochs": len(history["loss"]),
        "loss": history["loss"][-1] if history["loss"] else None,
        "train_mse": metrics.get("train_mse"),
        "test_mse": metrics.get("test_mse"),
        "seconds": round(sum(history["seconds"]), 3),
        "metrics": metrics,
    }


def shown(row: dict[str, Any]) -> list[str]:
    errors = ["-" if row[error] is None else f"{row[error]:.5f}" for error in ("train_mse", "test_mse")]
    words = [str(row[name]) for name in ("run", "variant", "latent", "backend", "dataset", "epochs")]
    return [*words, *errors, f"{row['seconds']:.1f}"]
