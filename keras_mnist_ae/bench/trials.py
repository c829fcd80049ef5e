"""The process of one training of a sweep: how it begins, how far it is, how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import CorruptFileError
from ..runs.history import read_history
from ..system.atomic import write_text
from ..system.workers import cores

TRIAL = (sys.executable, "-m", "keras_mnist_ae.bench.trial")
STOP = 60  # seconds in which a training that is stopped keeps what it has

Process = subprocess.Popen[bytes]


def start(program: Sequence[str], run: Path, settings: dict[str, Any], workers: int) -> Process:
    """Train the run, or go on with it where it was begun.

    Args:
        program: takes the arguments of `kae`.
        run: its folder; what it prints goes to a file beside it.
        settings: as in a run's config.toml.
        workers: how many such processes share this machine.
    """
    if (run / "config.toml").is_file():
        command = ["resume", str(run)]
    else:
        config = run.with_name(f"{run.name}.toml")
        write_text(config, _toml(settings))
        command = ["train", "--config", str(config), "--runs-dir", str(run.parent), "--name", run.name]
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores() // workers)))
    with _log(run).open("ab") as log:
        return subprocess.Popen(
            [*program, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": threads},
            start_new_session=True,  # Ctrl-C is the parent's to pass on
        )


def close(process: Process) -> None:
    """Ask it to stop: it keeps what it has."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()


def end(process: Process) -> None:
    """Ask it to stop, and wait until it has."""
    close(process)
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def losses(run: Path) -> list[float]:
    """The loss of the validation images after each epoch so far."""
    with suppress(CorruptFileError):  # none yet
        return read_history(run / "history.csv")["val_loss"]
    return []


def reason(run: Path) -> str:
    """Why it ended, as it said last."""
    lines = _log(run).read_text("utf-8", "replace").splitlines()
    told = [line.removeprefix("kae: ") for line in lines if line.startswith("kae: ")]
    return told[-1] if told else "killed"


def _log(run: Path) -> Path:
    return run.with_name(f"{run.name}.log")


def _toml(settings: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings.items())
