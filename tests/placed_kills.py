"""Commands killed before each of their changes to a run folder, one after the other, leave a run that
the next use finds whole. By hand: python tests/placed_kills.py --folder DIR.

A change is the opening of a file for writing, a new, renamed or removed file or folder, and an
fsync, below the folder of the runs. Each command runs in a process forked from one that has loaded
Keras, on torch.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

TRAIN = "train mlp --dataset digits --limit 320 --epochs 3 --checkpoint-every 4"
COMMANDS = {  # what is killed, and what the next use is where it is not the same again
    "train": (f"{TRAIN} --name run", f"resume run|{TRAIN} --name run"),
    "resume": ("resume run", "resume run"),
    "evaluate": ("evaluate run", "evaluate run"),
    "latent": ("latent run", "latent run"),
    "generate": ("generate run", "generate run"),
    "calibrate": ("calibrate run --false-alarms 0.1", "calibrate run --false-alarms 0.1"),
    "figures": ("figures run", "figures run"),
    "export": ("export onnx run --images 4", "export onnx run --images 4"),
    "report": ("report run", "report run"),
    "tag": ("runs tag run good", "runs tag run good"),
}
USED = (
    *("keras_mnist_ae.training.train", "keras_mnist_ae.reporting.steps", "keras_mnist_ae.export.folder"),
    *("matplotlib.figure", "onnx", "skimage.metrics", "sklearn.cluster", "sklearn.linear_model"),
    *("sklearn.manifold", "sklearn.mixture", "sklearn.neighbors"),
)
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
VOLATILE = {"history.csv", "environment.json", "checksums.json", "report.html", "verdict.json"}  # hold times


def changes(folder: Path, change: Callable[[], None]) -> None:
    """Call `change` before each change below the folder, for as long as this process lives."""

    def below(path: object) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(str(folder))

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            written = any(letter in str(mode or "") for letter in "wax+") or int(flags or 0) & WRITES
            if written and below(path) and not str(path).endswith(".lock"):
                change()
        elif event in CHANGES and below(arguments[0]):
            change()

    sys.addaudithook(hook)
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        if below(Path(f"/proc/self/fd/{descriptor}").readlink()):
            change()
        fsync(descriptor)

    os.fsync = counted


def forked(runs: Path, words: str, kill_at: int = 0) -> tuple[int, int]:
    """Run a command in a process of its own; it is killed before the change number `kill_at`, from
    1. Give its exit code, negative for a signal, and how many changes there were.
    """
    told = runs.parent / "changes"
    child = os.fork()
    if not child:
        count = 0

        def change() -> None:
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            errors = os.open(runs.parent / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(nowhere, 1)
            os.dup2(errors, 2)
            changes(runs, change)
            from keras_mnist_ae.cli.main import kae

            try:
                kae([*words.split(), "--runs-dir", str(runs)], standalone_mode=True)
            except SystemExit as end:
                code = int(end.code or 0)
            told.write_text(str(count))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, int(told.read_text()) if code == 0 else 0


def result(run: Path) -> dict[str, object]:
    """What must be equal: every file by its content, those with times in them by their place alone."""
    found: dict[str, object] = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_dir() or name == ".lock":
            continue
        found[name] = "" if path.name in VOLATILE else hashlib.sha256(_content(path)).hexdigest()
    return found


def _content(path: Path) -> bytes:
    if path.suffix not in (".keras", ".npz"):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:  # holds the time, and addresses in the config of a model
        names = [name for name in sorted(archive.namelist()) if not name.endswith(".json")]
        return b"".join(map(archive.read, names))


def places(total: int, most: int) -> Iterator[int]:
    """At most so many of the changes 1 to `total`, spread over them."""
    step = max(1, -(-total // most))
    yield from range(1, total + 1, step)


def survives(folder: Path, name: str, most: int) -> int:
    """Kill the command at its changes; give how often. Raises where the outcome is another than
    without.
    """
    killed, again = COMMANDS[name]
    runs = folder / "work" / "runs"

    def begin() -> None:
        shutil.rmtree(runs, ignore_errors=True)
        runs.parent.mkdir(parents=True, exist_ok=True)
        if name == "train":
            runs.mkdir()
        else:
            shutil.copytree(folder / ("stopped" if name == "resume" else "start") / "runs", runs)

    begin()
    code, total = forked(runs, killed)
    assert code == 0, (killed, (runs.parent / "stderr").read_text())
    expected = result(runs / "run")
    hits = 0
    for at in places(total, most):
        begin()
        code, _ = forked(runs, killed, at)
        assert code == -signal.SIGKILL, (name, at, code)
        hits += 1
        assert forked(runs, "runs --json")[0] == 0, f"{name}, killed at {at}: kae runs fails"
        for words in again.split("|"):
            code, _ = forked(runs, words)
            if code == 0:
                break
        said = (runs.parent / "stderr").read_text()
        assert code == 0, f"{name}, killed at {at} of {total}: {words} ends with {code}: {said}"
        found = result(runs / "run")
        different = {path for path in {*expected, *found} if expected.get(path) != found.get(path)}
        assert not different, f"{name}, killed at {at} of {total}: {sorted(different)}"
    return hits


def prepare(folder: Path) -> None:
    """A finished run with an export, and one that was stopped, from which the commands start."""
    from keras_mnist_ae.system import backend

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    backend.choose("torch", "cpu")
    for module in USED:  # once, not in each process
        import_module(module)
    for kind in ("start", "stopped"):
        runs = folder / kind / "runs"
        runs.mkdir(parents=True)
        if kind == "start":
            assert forked(runs, f"{TRAIN} --name run")[0] == 0, (runs.parent / "stderr").read_text()
            assert forked(runs, "export onnx run --images 4")[0] == 0
        else:
            assert forked(runs, f"{TRAIN} --name run", 60)[0] == -signal.SIGKILL
            assert list((runs / "run" / "checkpoints").iterdir()), "stopped before the first checkpoint"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="an empty or new one")
    parser.add_argument("--most", type=int, default=10_000, help="kills of one command")
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=COMMANDS)
    given = parser.parse_args()
    prepare(given.folder)
    hits = 0
    for name in given.commands:
        kills = survives(given.folder, name, given.most)
        hits += kills
        print(json.dumps({"command": name, "kills": kills, "together": hits}), flush=True)


if __name__ == "__main__":
    main()
