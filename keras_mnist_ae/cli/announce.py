"""The first line of a command that loads Keras: what it will do, said on stderr before it does."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import KaeError, shown
from ..system.hints import counted, titled
from ..system.notes import say

if TYPE_CHECKING:
    from ..runs.config import TrainConfig
    from ..runs.folder import Run

SEARCHED = 50  # of the newest runs, for one like that to be trained
ALIKE = ("variant", "dataset", "backend", "epochs", "batch_size", "limit", "resize")


def of_run(run: "Run", task: str) -> None:
    """Say that a task is done on a run.

    Args:
        task: a verb, such as "evaluate".
    """
    try:
        config = run.config
        what = f": {config.variant} of {titled(config.dataset)}, {config.backend} on {config.device}"
    except (KaeError, OSError):  # the command says what is wrong with the run
        what = ""
    _say(f"{task} {run.path}{what}")


def training(config: "TrainConfig") -> None:
    """Say what will be trained, and how long the newest finished run of the kind has trained."""
    epochs = counted(config.epochs, "epoch")
    took = "" if (seconds := last_time(config)) is None else f"; last time {seconds:.0f} s"
    _say(
        f"train {config.variant} on {titled(config.dataset)}, {epochs}, {config.backend} on "
        f"{config.device}{took}"
    )


def last_time(config: "TrainConfig") -> float | None:
    """Seconds that the newest finished run of equal variant, data, backend, epochs, batches and
    image size has trained; None where there is none among the newest fifty.
    """
    from ..runs.folder import Run

    paths = [path.parent for path in Path(config.runs_dir).glob("*/metrics.json")]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[:SEARCHED]:
        try:
            run = Run(path)
            if all(getattr(run.config, name) == getattr(config, name) for name in ALIKE):
                return sum(run.history["seconds"])
        except (KaeError, OSError):  # a damaged run tells nothing
            continue
    return None


def _say(line: str) -> None:
    say(f"kae: {shown(line)}")
