"""The folder that holds all runs: creating one, finding one, listing them, removing one."""

import math
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ..errors import CorruptFileError, UsageError, WriteError
from ..system.atomic import write_text
from ..system.reading import read_text
from .checksums import CHECKSUMS
from .config import TrainConfig
from .folder import Run

LATEST = "latest"


def create(config: TrainConfig) -> Run:
    """A new run folder with the config in it, the latest from now on.

    Its name is the config's, else made of the UTC time, variant and backend. Raises `UsageError`
    when a run of that name exists and is not to be overwritten, and `WriteError` when the folder
    cannot be made.
    """
    runs_dir = Path(config.runs_dir)
    name = config.name or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.variant}-{config.backend}"
    if config.overwrite and config.name:
        _make_way(runs_dir / config.name, config)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        path = _make(runs_dir, name, again=config.name is None)
    except OSError as error:
        raise WriteError(
            f"cannot make the run folder {runs_dir / name}: {error.strerror}\n"
            "Choose another place with --runs-dir."
        ) from error
    run = Run(path)
    run.write_config(config)
    write_text(runs_dir / LATEST, f"{path.name}\n")
    return run


def _make(runs_dir: Path, name: str, again: bool) -> Path:
    """Make the folder; a generated name that is taken (two runs in one second) gets a number."""
    for number in range(1, 1000):
        path = runs_dir / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            if not again and _is_abandoned(path):
                return path
            if not again:
                raise UsageError(
                    f"a run named {name!r} exists in {runs_dir}.\n{_ways_out(Run(path))}"
                ) from None
        else:
            return path
    raise UsageError(f"too many runs named {name!r} in {runs_dir}")


def _is_abandoned(path: Path) -> bool:
    """Whether a process ended before it had written the config there: nothing is lost, and nothing
    can go on.
    """
    return path.is_dir() and all(
        entry.name == CHECKSUMS or entry.name.startswith(".") for entry in path.iterdir()
    )


def _ways_out(run: Run) -> str:
    """What can be done where a run is in the way."""
    others = "choose another --name, or give --overwrite to delete it first"
    if run.finished or not (run.path / "config.toml").is_file():
        return f"{others[0].upper()}{others[1:]}."
    return f"Go on with it (kae resume {run.path}), {others}."


def _make_way(path: Path, config: TrainConfig) -> None:
    """Delete the run that is to be overwritten."""
    if not path.exists() or _is_abandoned(path):
        return
    if not (path / "config.toml").is_file():
        raise UsageError(f"{path} is no run, and is not overwritten.\nChoose another --name.")
    if config.init and Path(config.init).resolve() == path.resolve():
        raise UsageError(f"run {path} is where the weights come from (--init).\nChoose another --name.")
    remove(Run(path))


def remove(run: Run) -> None:
    """Delete a run folder with all that is in it. Raises `UsageError` while a process writes there
    and `WriteError`.
    """
    with run.locked():
        try:
            shutil.rmtree(run.path)
        except OSError as error:
            raise WriteError(f"cannot remove run {run.path}: {error.strerror}") from error


def find(run: str | None, runs_dir: Path = Path("runs")) -> Run:
    """The run of that name in the runs folder, or the one at that path; the latest when `run` is
    None. Raises `UsageError`.
    """
    if run is None:
        run = _latest(runs_dir)
    for path in (runs_dir / run, Path(run)):
        if (path / "config.toml").is_file():
            return Run(path)
    raise UsageError(
        f"no run {run!r} in {runs_dir.resolve()}, and no run folder of that path.\n"
        f"kae runs --runs-dir {runs_dir} lists the runs."
    )


def _latest(runs_dir: Path) -> str:
    """The run that the file `latest` names; without the file, as in a copied folder, the newest."""
    latest = runs_dir / LATEST
    if latest.is_file():
        with suppress(OSError, ValueError):  # it can be done without
            return read_text(latest).strip()
    found = [(path.stat().st_mtime, path.parent.name) for path in runs_dir.glob("*/config.toml")]
    if not found:
        raise UsageError(
            f"there is no run in {runs_dir.resolve()} yet.\nTrain one (kae train), or name a run folder."
        )
    return max(found)[1]


def every(runs_dir: Path = Path("runs")) -> list[Run]:
    """All runs of a folder, the lowest test error first; unfinished ones and those whose files
    cannot be read last.
    """
    found = [Run(path.parent) for path in sorted(runs_dir.glob("*/config.toml"))]
    return sorted(found, key=_rank)


def _rank(run: Run) -> tuple[float, str]:
    try:
        return (run.metrics["test_mse"] if run.finished else math.inf), run.name
    except (CorruptFileError, UsageError, OSError):
        return math.inf, run.name
