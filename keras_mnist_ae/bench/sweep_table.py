"""A sweep from its plan to what it found: means over seeds, the best settings, and how much each of
them matters.
"""

import json
import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis import plots, sweep_plot
from ..reporting.table import table
from ..system.notes import say
from ..system.result import Result
from ..system.signals import remedied
from .sweep import Sweep
from .sweep_plan import Range, plan_of, read_plan

BEST = 10  # trials of a search that are shown


def sweep(
    plan: str | PathLike[str] | Mapping[str, Any],
    *,
    workers: int = 1,
    runs_dir: str | PathLike[str] | None = None,
) -> Result:
    """Train every combination of some settings, or search among them; validation images choose. The
    same call again goes on where it was stopped, and several processes may work on one folder.

    Needs Optuna, the extra `sweep`.

    Args:
        plan: a TOML file, or what it would hold: "settings" of all trainings, `validation` among
            them, and a "grid" of lists, all of whose combinations are trained, or a "search" of
            lists and ranges with its number of "trials".
        workers: trainings at a time, each in a process of its own.
        runs_dir: folder of the runs and the study. Default: runs/NAME of NAME.toml, else
            runs/sweep.

    Returns:
        `trials`, the best first, each with its `run`, `settings` and `val_loss` (the mean squared
        error, of a variational variant the negative ELBO in nats); the `means` over the seeds of a
        grid, or the `importances` of a search; `folder`, and the path of a `figure`.

    Raises:
        UsageError: The plan says what no training can take, or the folder holds another.
        MissingDependencyError: Optuna is not installed.

    Examples:
        >>> folder = getfixture("tmp_path")
        >>> plan = {
        ...     "settings": {"variant": "mlp", "dataset": "digits", "limit": 64, "epochs": 1,
        ...                  "validation": 16},
        ...     "grid": {"latent_dim": [8, 16]},
        ... }
        >>> found = sweep(plan, runs_dir=folder / "sizes")
        >>> len(found["trials"])
        2
    """
    file, again = Path("sweep.toml"), "the same call again"
    if isinstance(plan, str | PathLike):
        file, again = Path(plan), f"kae sweep {os.fspath(plan)}"
        complete = read_plan(file)
    else:
        complete = plan_of(plan)
    work = Sweep(complete, Path(runs_dir) if runs_dir else Path("runs", file.stem))
    say(f"kae: sweep: {complete.trials} trainings in {work.folder}, {len(work.trials())} done before")
    with remedied(again):
        work.work(workers, say)
    found = numbers(work)
    found["figure"] = str(picture(work, found))
    return Result(found, "\n\n".join([table(*rows(found)), *importances(found)]))


def importances(found: dict[str, Any]) -> list[str]:
    """What a search says of its settings, as a line."""
    told = ", ".join(f"{name} {part:.0%}" for name, part in (found["importances"] or {}).items())
    return [f"What the differences are due to: {told}."] if told else []


def numbers(sweep: Sweep) -> dict[str, Any]:
    """All of it as JSON has it: `trials`, the best first, and `means` of a grid or `importances` of
    a search. `val_loss` is that of the validation images, the mean squared error or, of a
    variational variant, the negative ELBO in nats; None of a trial that was stopped or left out.
    """
    trials = [
        {
            "run": trial.user_attrs["run"],
            "settings": dict(trial.params),
            "val_loss": error,
            "epochs": len(trial.intermediate_values),
            "reason": trial.user_attrs.get("reason"),
        }
        for trial, error in sweep.trials()
    ]
    plan = sweep.plan
    return {
        "folder": str(sweep.folder),
        "trials": trials,
        "means": _means(trials) if plan.exhaustive else None,
        "importances": None if plan.exhaustive else _importances(sweep),
    }


def picture(sweep: Sweep, found: dict[str, Any]) -> Path:
    """Draw the errors against each setting into the sweep's folder; the path of the picture."""
    space = sweep.plan.space
    logarithmic = [name for name, values in space.items() if isinstance(values, Range) and values.log]
    begun = sorted(found["trials"], key=lambda trial: trial["run"])
    path = sweep.folder / "sweep.png"
    plots.save(sweep_plot.draw(begun, logarithmic, sweep.folder.name), path)
    return path


def rows(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table that is shown: a row per setting of a grid, else per trial."""
    if found["means"] is None:
        shown = found["trials"][:BEST]
        names = list(shown[0]["settings"]) if shown else []
        return ["run", *names, "val_loss"], [
            [each["run"], *_texts(each["settings"], names), _error(each["val_loss"])] for each in shown
        ]
    names = list(found["means"][0]["settings"]) if found["means"] else []
    return [*names, "val_loss", "seeds"], [
        [
            *_texts(each["settings"], names),
            _error(each["mean"]) + ("" if each["std"] is None else f" ± {each['std']:.2g}"),
            str(each["seeds"]),
        ]
        for each in found["means"]
    ]


def _means(trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over the seeds, the lowest mean first."""
    groups: dict[str, list[float]] = {}
    for trial in trials:
        if trial["val_loss"] is not None:
            settings = {name: value for name, value in trial["settings"].items() if name != "seed"}
            groups.setdefault(json.dumps(settings), []).append(trial["val_loss"])
    means = [
        {
            "settings": json.loads(settings),
            "mean": float(np.mean(errors)),
            "std": float(np.std(errors, ddof=1)) if len(errors) > 1 else None,
            "seeds": len(errors),
        }
        for settings, errors in groups.items()
    ]
    return sorted(means, key=lambda each: each["mean"])


def _importances(sweep: Sweep) -> dict[str, float]:
    """The part of the errors' variance that each setting explains, by functional ANOVA (Hutter et
    al. 2014); empty where the errors do not differ.
    """
    import optuna

    if len({error for _, error in sweep.trials()} - {None}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(sweep.study, evaluator=evaluator))


def _texts(settings: dict[str, Any], names: Sequence[str]) -> list[str]:
    return [f"{value:.4g}" if isinstance(value := settings[name], float) else str(value) for name in names]


def _error(error: float | None) -> str:
    return "-" if error is None else f"{error:.5f}"
