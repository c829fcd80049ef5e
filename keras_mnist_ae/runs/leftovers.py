"""What is left in a run folder by processes that were killed."""

import shutil
from pathlib import Path

from ..system.atomic import sweep


def beside(folder: Path) -> tuple[Path, Path]:
    """Where a folder that is replaced as a whole lies meanwhile: the new one, the old one."""
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def put_back(folder: Path) -> None:
    """Put the old folder back where a process was killed between the two renames that replace it,
    and remove what else it left.
    """
    new, old = beside(folder)
    if old.is_dir() and not folder.exists():
        old.rename(folder)
    for stale in (new, old):
        shutil.rmtree(stale, ignore_errors=True)


def remove(run: Path, finished: bool) -> None:
    """Remove from a run that nobody else writes to what was half written or half replaced, and the
    checkpoints of a finished one, which has its model.
    """
    sweep(run)
    for name in {path.name[1:-4] for path in run.glob(".onnx*.???") if path.suffix in (".new", ".old")}:
        put_back(run / name)
    if finished:
        for path in (run / "checkpoints").glob("*.npz"):
            path.unlink(missing_ok=True)
