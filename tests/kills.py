"""Runs killed at random moments end as if nothing had happened. By hand: python tests/kills.py
--kills 200.
"""

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

KAE = [sys.executable, "-m", "keras_mnist_ae"]
TRAIN = ["--dataset", "digits", "--limit", "320", "--epochs", "12", "--checkpoint-every", "3"]


def kae(*arguments: object, kill_after: float | None = None, started: Path | None = None) -> int:
    """Run the command; kill it so many seconds after `started` has appeared or changed. Give its
    exit code, negative for a signal.
    """
    before = _stamp(started)
    environment = {
        name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"
    }  # the run's own backend counts
    process = subprocess.Popen(
        [*KAE, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    if kill_after is not None:
        while process.poll() is None and _stamp(started) == before:
            time.sleep(0.005)
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    if process.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"kae {' '.join(map(str, arguments))} ended with {process.returncode}:\n{said}")
    return process.returncode


def result(run: Path) -> dict[str, object]:
    """What must be equal bit for bit: history but for the seconds, metrics, weights, graphs."""
    with (run / "history.csv").open() as file:
        history = [row[:3] for row in csv.reader(file)]
    with zipfile.ZipFile(run / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    graphs = {path.name: path.read_bytes() for path in sorted((run / "onnx").glob("*.onnx"))}
    return {
        "history": history,
        "metrics": json.loads((run / "metrics.json").read_text()),
        "weights": weights,
        "graphs": graphs,
    }


def survives(folder: Path, backend: str, variant: str, kills: int, seed: int) -> int:
    """Train with so many kills, then export with one more; give how many hit. Raises where the
    outcome is another than without.
    """
    chance, run, hits = random.Random(seed), folder / f"cut-{seed}", 0
    command: list[object] = ["train", variant, "--backend", backend, *TRAIN, "--runs-dir", folder]
    whole = folder / f"whole-{variant}-{backend}"
    if not whole.exists():
        kae(*command, "--name", whole.name)
        kae("export", "onnx", whole, "--images", "8")
    for _ in range(kills):
        started = run / "environment.json"
        again = ["resume", run] if (run / "config.toml").exists() else [*command, "--name", run.name]
        hits += kae(*again, kill_after=chance.uniform(0, 1.2), started=started) != 0
    kae(*(["resume", run] if (run / "config.toml").exists() else [*command, "--name", run.name]))
    hits += (
        kae("export", "onnx", run, "--images", "8", kill_after=chance.uniform(0, 2), started=run / "onnx")
        != 0
    )
    kae("export", "onnx", run, "--images", "8")
    kae("validate", run, "--images", "8")
    expected, found = result(whole), result(run)
    for what, value in expected.items():
        assert found[what] == value, f"{run}: {what} differs"
    leftover = [path for path in run.rglob(".*") if path.name != ".lock"]
    assert not leftover, f"left behind by a kill: {leftover}"
    return hits


def _stamp(path: Path | None) -> float:
    try:
        return path.stat().st_mtime_ns if path else 0.0
    except FileNotFoundError:
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--each", type=int, default=6, help="kills of one run")
    parser.add_argument("--backends", nargs="+", default=["torch", "tensorflow", "jax"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    given = parser.parse_args()
    hits, seed = 0, given.seed
    while hits < given.kills:
        backend = given.backends[seed % len(given.backends)]
        variant = ("mlp", "conv-avgpool", "conv-unpool")[seed // len(given.backends) % 3]
        hits += survives(given.folder, backend, variant, given.each, seed)
        seed += 1
        print(
            f"{hits} kills over {seed - given.seed} runs, all equal; the last: {variant} on {backend}",
            flush=True,
        )


if __name__ == "__main__":
    main()
