"""kae runs: all runs side by side."""

from pathlib import Path

import click

from .options import as_json, echo_json, echo_table, runs_dir


@click.command()
@runs_dir
@as_json
def runs(runs_dir: Path, as_json: bool) -> None:
    """All runs side by side, the best test MSE first."""
    from ..runs import Run, every
    from ..variants import find

    def facts(run: Run) -> dict[str, object]:
        done = run.finished
        epochs = len(run.history["loss"]) if done or (run.path / "history.csv").is_file() else 0
        return {
            "run": run.name,
            "variant": run.config.variant,
            "latent": find(run.config.variant).latent,
            "backend": run.config.backend,
            "dataset": run.config.dataset,
            "epochs": epochs,
            "train_mse": run.metrics["train_mse"] if done else None,
            "test_mse": run.metrics["test_mse"] if done else None,
            "seconds": round(sum(run.history["seconds"]), 3) if epochs else 0.0,
        }

    every_run = every(runs_dir)
    found = [facts(run) for run in every_run]
    if as_json:
        more = [{"loss": run.history["loss"][-1], "metrics": run.metrics} if run.finished else {} for run in every_run]
        echo_json({"runs": [{**first, **second} for first, second in zip(found, more, strict=True)]})
    elif not found:
        click.echo(f"no run in {runs_dir.resolve()} yet; train one: kae train", err=True)
    else:
        echo_table([key.replace("_mse", " MSE") for key in found[0]], [[shown(value) for value in row.values()] for row in found])


def shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:.5f}" if value < 1 else f"{value:.1f}"
        case _:
            return str(value)
