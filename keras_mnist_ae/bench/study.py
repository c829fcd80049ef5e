"""The Optuna study of a sweep: a database that several processes read and write."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from sqlite3 import connect
from typing import TYPE_CHECKING

from ..datasets.assembly import some
from ..errors import CorruptFileError, MissingDependencyError, UsageError
from .sweep_plan import Plan, Range

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from optuna import Study, Trial

STUDY, LOCK = "study.db", "sweep.lock"
WAIT = 60  # seconds for the database, while another process writes


def opened(plan: Plan, folder: Path) -> "tuple[Study, BaseFileLock]":
    """The study in a folder, made where there is none, and the lock for what must not be done
    twice.

    Raises:
        MissingDependencyError: Optuna is not installed.
        UsageError: The folder holds another sweep, or other files.
        CorruptFileError: The study cannot be read or written.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "a sweep needs Optuna.\nInstall it: pip install 'keras_mnist_ae[sweep]'"
        ) from error
    from filelock import FileLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
    if STUDY not in others and others:
        raise UsageError(
            f"{folder} holds other files ({some(others)}) and no sweep.\nGive another --runs-dir."
        )
    lock = FileLock(folder / LOCK)
    # an address in place of this would end at a question mark in the path
    connected = partial(connect, folder.absolute() / STUDY, timeout=WAIT, check_same_thread=False)
    with lock, usable(folder):
        study = optuna.create_study(
            storage=optuna.storages.RDBStorage(f"sqlite:///{STUDY}", engine_kwargs={"creator": connected}),
            study_name="sweep",
            sampler=optuna.samplers.TPESampler(constant_liar=True),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
            if plan.pruner == "median"
            else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        known = study.user_attrs.get("plan")
        if known is None:
            waiting = len(study.get_trials(deepcopy=False))  # of a process killed while it made them
            for cell in list(plan.cells())[waiting:] if plan.exhaustive else ():
                study.enqueue_trial(cell)
            study.set_user_attr("plan", plan.identity())
        elif known != plan.identity():
            raise UsageError(f"{folder} holds another sweep.\nGive another --runs-dir, or remove the folder.")
    return study, lock


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Within the block errors of the database become `CorruptFileError`."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise CorruptFileError(
            f"the study {folder / STUDY} cannot be read or written: {reason}\n"
            "Its runs are whole. Make room on the disk, or give another --runs-dir."
        ) from error


def suggest(trial: "Trial", plan: Plan) -> None:
    """Give the trial its settings."""
    for name, values in plan.space.items():
        if not isinstance(values, Range):
            trial.suggest_categorical(name, values)
        elif values.whole:
            low, high, step = int(values.low), int(values.high), int(values.step or 1)
            trial.suggest_int(name, low, high, step=step, log=values.log)
        else:
            trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def put_back(study: "Study", number: int) -> None:
    """The trial waits again, with its settings and its run, unless another process has put it
    back.
    """
    from optuna.trial import TrialState, create_trial

    if study.get_trials(deepcopy=False)[number].state != TrialState.RUNNING:
        return
    study.tell(number, state=TrialState.FAIL)
    trial = study.trials[number]
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs,
            system_attrs=trial.system_attrs,
        )
    )
