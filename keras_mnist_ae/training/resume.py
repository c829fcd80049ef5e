"""Going on with a run: after an interruption, beyond its end, or ending it as it stands."""

import dataclasses
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..datasets.dataset import Dataset
from ..errors import DataError, UsageError, WriteError
from ..runs import checkpoints
from ..runs.config import TrainConfig, configure
from ..runs.environment import describe, versions
from ..runs.folder import Run
from ..runs.reopen import load_data
from ..system import backend, processes, signals
from ..system.group import Group, together
from ..system.notes import say
from .defaults import settled
from .extras import Extras

NOT_THE_RESULT = ("platform", "inexact", "custom", "hosts")  # in an environment, beside what bits depend on


def resume(
    run: Run,
    *,
    epochs: int | None = None,
    dataset: Any = None,
    data_dir: Path | None = None,
    backend_name: str | None = None,
    inexact: bool = False,
    callbacks: Sequence[Any] = (),
    optimizer: Any = None,
    loss: Any = None,
) -> Run:
    """Go on with a run that was stopped at any moment, from its newest checkpoint; a finished run
    is returned as it is, unless more `epochs` are asked for.

    On the backend, versions and machine on which it was started, without a GPU, the result is bit
    for bit that of a run that was never stopped. Beyond the end of a finished run the optimizer
    starts anew, which is said.

    Args:
        epochs: the number of epochs in all; more than the run has had.
        dataset: what the run was trained on, where that lay in memory.
        data_dir: where the data lie now.
        inexact: go on even where the same bits cannot be promised.
        callbacks, optimizer, loss: those that the run was started with, if any.

    Raises:
        UsageError: The same bits cannot be promised, or `epochs` is not above those done.
        DataError: The data have changed.
    """
    extras = Extras(callbacks, optimizer, loss)
    if run.finished and epochs is None:
        run.checked("model.keras")
        with suppress(UsageError, WriteError), run.locked():
            pass  # whoever locks a run removes what a kill has left there
        return run
    changes = {"data_dir": data_dir and str(data_dir), "backend": backend_name, "epochs": epochs}
    with together() as group:
        if group and not group.first:
            config = configure(**tomllib.loads(group.ask("config")), data_dir=changes["data_dir"])
            _follow(run, config, dataset, group, extras)
        else:
            _resume(run, configure(run.checked("config.toml"), **changes), dataset, group, inexact, extras)
    return run


def _resume(
    run: Run, config: TrainConfig, dataset: Any, group: Group | None, inexact: bool, extras: Extras
) -> None:
    with run.locked(), signals.remedied(f"kae resume {run.path}"):
        processes.refuse_backend(config.backend)
        backend.choose(config.backend, config.device)
        data = run.data or load_data(config, dataset)
        config = settled(config, data)
        if group:
            group.tell("config", config.to_toml())
            group.check_data(data.name, data.sha256)
        notes: list[str] = []
        if (run.path / "environment.json").is_file():
            notes = _check_environment(run, config, data, extras, inexact)
        if run.finished:
            notes += _extend(run, config)
        _write(run, config, data, notes, extras)


def _follow(run: Run, config: TrainConfig, dataset: Any, group: Group, extras: Extras) -> None:
    """Train beside the process that goes on with the run."""
    from .finish import follow

    backend.choose(config.backend, config.device)
    data = run.data or load_data(config, dataset)
    group.check_data(data.name, data.sha256)
    with signals.remedied(f"kae resume {run.path}"):
        follow(config.architecture(data.image_shape), config, data, extras)


def conclude(run: Run, *, data_dir: Path | None = None) -> Run:
    """Make a finished run of an interrupted one as its newest checkpoint has it.

    Raises:
        UsageError: It has no checkpoint of a whole epoch yet.
    """
    processes.refuse_several("end the run")
    if run.finished:
        return run
    config = configure(run.checked("config.toml"), data_dir=data_dir and str(data_dir))
    with run.locked():
        newest = checkpoints.newest(run)
        if newest is None or newest.epoch < 1:
            raise UsageError(f"run {run.path} has no whole epoch yet.\nGo on with it: kae resume {run.path}")
        backend.choose(config.backend, config.device)
        data = load_data(config)
        config = settled(dataclasses.replace(config, epochs=newest.epoch), data)
        checkpoints.save(run, dataclasses.replace(newest, batch=0))
        note = f"concluded after {newest.epoch} epochs"
        _write(run, config, data, [note], Extras())
    return run


def _write(run: Run, config: TrainConfig, data: Dataset, notes: list[str], extras: Extras) -> None:
    from .finish import finish

    run.write_config(config)
    run.write_variant(config.architecture(data.image_shape))
    more: dict[str, Any] = {"inexact": notes} if notes else {}
    if names := extras.names():
        more["custom"] = names
    run.write_environment(**describe(config, data), **more)
    finish(run, config, data, extras)


def _check_environment(
    run: Run, config: TrainConfig, data: Dataset, extras: Extras, inexact: bool
) -> list[str]:
    """Notes on what changed since the run was started, earlier ones first."""
    then = {"processes": 1, "devices": 1, **run.environment}
    now = {**versions(), **describe(config, data)}
    if then.get("dataset_sha256") != now["dataset_sha256"]:
        raise DataError(
            f"{data.name} is not what run {run.path} was trained on: its content has another sha256."
        )
    changed = {
        name: (value, now.get(name))
        for name, value in then.items()
        if name not in NOT_THE_RESULT and now.get(name) != value
    }
    if then.get("custom", {}) != extras.names():
        changed["what Python gave"] = then.get("custom", {}), extras.names()
    if changed and not inexact:
        told = "; ".join(f"{name} was {value}, is {other}" for name, (value, other) in changed.items())
        raise UsageError(
            f"run {run.path} cannot be resumed exactly: {told}.\nTo go on all the same: --allow-inexact"
        )
    if changed:
        names = ", ".join(changed)
        say(f"kae: inexact: {names} changed since run {run.name} was started")
    notes = [f"{name} was {value}, then {other}" for name, (value, other) in changed.items()]
    return [*then.get("inexact", []), *notes]


def _extend(run: Run, config: TrainConfig) -> list[str]:
    """Turn a finished run into one stopped at its end, with the optimizer at its beginning."""
    done = len(run.history["loss"])
    if config.epochs <= done:
        raise UsageError(f"run {run.path} has had {done} epochs; give more of them: --epochs {2 * done}")
    from .extend import checkpoint_of

    checkpoints.save(run, checkpoint_of(run, config, done))
    run.unfinish()
    note = f"the optimizer started anew after epoch {done}"
    say(f"kae: {note}")
    return [note]
