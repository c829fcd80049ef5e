"""What a machine with a GPU shows, as one JSON that docs/performance.md takes in:

    python tests/gpu.py --wheels FOLDER docs/data/gpu.json

Within ten minutes: the tests of test_recorded.py and test_gpu.py on torch and JAX, and
measurements, each in a process of its own. The file is written after each; what it held of
others stays. Nothing is installed but the wheels of that folder, for the time of the script.
`--device cpu` tries the script on a processor.
"""

import argparse
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

REFERENCES = ("conv-avgpool", "conv-k15", "conv-k16", "conv-unpool", "mlp")
PYTHON = sys.executable
KAE = (PYTHON, "-m", "keras_mnist_ae")
ROUNDS = 5


def main():
    """Write the JSON, and say what is being done."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="installed for the time of the script")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", default=".", metavar="PATTERN", help="of the measurements' names")
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory(prefix="kae-gpu-") as folder:
        environment = _environment(given, Path(folder))
        results = json.loads(given.file.read_text(encoding="utf-8")) if given.file.exists() else {}
        for name, (seconds, command) in _commands(Path(folder), given.device).items():
            if not re.search(given.only, name):
                continue
            print(f"{name}: {' '.join(map(str, command))}", flush=True)
            began = time.monotonic()
            limit = max(1, min(seconds, end - began))
            results[name] = _result(command, environment, limit)
            results[name]["took"] = round(time.monotonic() - began, 1)
            given.file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _environment(given, folder):
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    if given.wheels:
        target = folder / "wheels"
        install = [PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", target]
        subprocess.run([*install, *given.wheels.glob("*.whl")], check=True)
        paths.insert(0, str(target))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment.update(XDG_CACHE_HOME=str(folder / "cache"), XLA_PYTHON_CLIENT_PREALLOCATE="false")
    if given.device == "cpu":
        environment.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu")
    return environment


def _commands(folder, device):
    """Each measurement: the most seconds that it may take, and a command that prints JSON."""
    variants = REFERENCES if device == "gpu" else ("mlp",)
    here = (PYTHON, __file__)
    return {
        "machine": (60, (*here, "machine")),
        "tests": (240, (*here, "tests", "torch", "jax")),
        "processes": (90, (*here, "processes", folder)),
        "steps": (150, (*here, "steps", device, *variants, "vae-conv", "conv-best", "conv-best:512")),
        **{f"train {name}": (150, (*KAE, "bench", "train", name, "--json")) for name in variants},
        "until": (150, (*KAE, "bench", "train", "conv-avgpool", "--until", "0.0079", "--json")),
    }


def _result(command, environment, seconds):
    """The JSON that a command prints, or why there is none."""
    with subprocess.Popen(
        list(map(str, command)),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return {"error": f"not done within {seconds:.0f} s"}
    try:
        return json.loads(out)
    except ValueError:
        return {"error": said[-2000:], "exit": process.returncode}


def machine():
    """Processors, card, driver, versions."""
    from importlib.metadata import PackageNotFoundError, version

    import onnxruntime
    import torch

    versions = {"python": sys.version.split()[0]}
    for name in ("keras", "torch", "jax", "onnxruntime", "triton"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    found = torch.cuda.is_available()
    return {
        "device": torch.cuda.get_device_name() if found else "cpu",
        "cuda": torch.version.cuda,
        "processors": os.cpu_count(),
        "versions": versions,
        "onnxruntime": onnxruntime.get_available_providers(),
    }


def tests(*backends):
    """For each backend the counts of the tests that need a GPU, and the last lines of what failed.
    Warnings of other versions than the project's are no errors here.
    """
    command = [
        PYTHON,
        "-m",
        "pytest",
        "-q",
        "--full",
        "-p",
        "no:cacheprovider",
        "-o",
        "filterwarnings=default",
    ]
    command += [Path(__file__).with_name(name) for name in ("test_recorded.py", "test_gpu.py")]
    command += ["--numprocesses=6"] if find_spec("xdist") else []
    running = {
        backend: subprocess.Popen(
            command, env={**os.environ, "KERAS_BACKEND": backend}, stdout=subprocess.PIPE, text=True
        )
        for backend in backends
    }
    results = {}
    for backend, process in running.items():
        said = process.communicate()[0]
        counts = re.findall(r"(\d+) (passed|failed|skipped|errors?)", said[-300:])
        failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR", "E  "))]
        results[backend] = {
            "exit": process.returncode,
            **{word: int(n) for n, word in counts},
            "failed": failed[:40],
        }
    return results


def steps(device, *names):
    """Milliseconds of a training step in float32 on torch: run as PyTorch calls, recorded and
    replayed, and replayed with bfloat16, by turns; medians.
    """
    os.environ["KERAS_BACKEND"] = "torch"
    import numpy as np
    import torch

    from keras_mnist_ae import build, datasets
    from keras_mnist_ae.architecture.variants import VARIANTS
    from keras_mnist_ae.datasets.images import to_float
    from keras_mnist_ae.models.torch_cuda_graph import Recorded
    from keras_mnist_ae.system import backend

    backend.choose("torch", device)
    images = to_float(datasets.load("digits").train.images)

    def prepared(name, batch, way):
        model = build(name, seed=1)
        model.precision = "bfloat16" if way == "bfloat16" else "float32"
        model.compile("adam")
        model.optimizer.build(model.trainable_variables)
        model.make_train_function()
        fast = model._fast
        if way == "plain":
            fast.step = fast._step
        x = torch.from_numpy(images[np.arange(batch) % len(images)]).to(fast.device)
        given = fast.tensors(x, x)

        def turn(count=60 if device == "gpu" else 2):
            began = time.perf_counter()
            for _ in range(count):
                outcome = fast.step(*given)
            float(outcome.loss)
            return 1000 * (time.perf_counter() - began) / count

        turn(8 if device == "gpu" else 1)
        if device == "gpu" and way != "plain":
            assert isinstance(fast.step, Recorded)
            assert fast.step._recordings
        return turn

    results = []
    for name, _, size in (of.partition(":") for of in names):
        batch = int(size or VARIANTS[name].recipe.batch_size)
        turns = {way: prepared(name, batch, way) for way in ("plain", "replayed", "bfloat16")}
        taken = [{way: turn() for way, turn in turns.items()} for _ in range(ROUNDS)]
        medians = {way: round(float(np.median([turn[way] for turn in taken])), 4) for way in turns}
        results.append({"variant": name, "batch": batch, **medians})
    return {"milliseconds": results}


def processes(folder):
    """Seconds of an epoch of conv-best on MNIST with one process and with two on one card: the
    fastest after the first.
    """
    results = {}
    for count in (1, 2):
        command = [*KAE, "train", "conv-best", "--epochs", "3", "--processes", str(count), "--no-samples"]
        command += ["--runs-dir", folder, "--name", f"of-{count}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return {"error": done.stderr[-2000:]}
        with (Path(folder) / f"of-{count}" / "history.csv").open(encoding="utf-8") as file:
            results[count] = min(float(row["seconds"]) for row in list(csv.DictReader(file))[1:])
    return {"seconds": results}


if __name__ == "__main__":
    ways = {way.__name__: way for way in (machine, tests, steps, processes)}
    if sys.argv[1:] and sys.argv[1] in ways:
        print(json.dumps(ways[sys.argv[1]](*sys.argv[2:])))
    else:
        main()
