"""What is left in a run folder by processes that were killed."""

from pathlib import Path

from ..system.atomic import sweep


def remove(folder: Path, finished: bool) -> None:
    """Remove from a run that nobody else writes to what was half written, and the checkpoints of a
    finished one, which has its model.
    """
    sweep(folder)
    if finished:
        for path in (folder / "checkpoints").glob("*.npz"):
            path.unlink(missing_ok=True)
