"""Training side by side: this package and stock Keras on each backend, and plain PyTorch loops over
the same table, a process each.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..architecture.recipes import find as recipe_of
from ..architecture.variant import Variant
from ..errors import KaeError
from ..system.backend import BACKENDS
from .timing import Ratio, ratio
from .worker import COMPILED, LOOP, OURS, STOCK, TUNED

ROUNDS = 5
SHARED_GPU = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


@dataclass(frozen=True)
class Result:
    """One way to train. Ratios are of its time to another's: stock Keras on the same backend, and
    the plain PyTorch loop.
    """

    variant: str
    trainer: str
    backend: str
    images_per_second: float
    epochs_per_second: float
    to_stock: Ratio | None
    to_loop: Ratio
    peak_bytes: int


@dataclass(frozen=True)
class Reached:
    """How a way to train came to a test error: seconds of training, epochs, the error at the end;
    `share` is of the loop's seconds.
    """

    variant: str
    trainer: str
    recipe: str
    seconds: float
    epochs: int
    mse: float
    reached: bool
    share: float


class Worker:
    """A trainer in a process of its own."""

    def __init__(self, trainer: str, backend: str, variant: str, recipe: str, dataset: str) -> None:
        self.trainer, self.backend, self.recipe = trainer, backend, recipe
        environment = {**os.environ, "KERAS_BACKEND": backend, **SHARED_GPU}
        command = [sys.executable, "-m", "keras_mnist_ae.bench.worker"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        job = {
            "trainer": trainer,
            "backend": backend,
            "variant": variant,
            "recipe": recipe,
            "dataset": dataset,
        }
        self._say(json.dumps(job))

    def ask(self, what: str) -> dict[str, Any]:
        """Have it do "epoch" or "test". Raises `KaeError` when it has died."""
        self.begin(what)
        return self.end()

    def begin(self, what: str) -> None:
        """Have it do that while others do so too; `end` waits for the answer."""
        with self._alive():
            self._say(what)

    def end(self) -> dict[str, Any]:
        with self._alive():
            assert self._process.stdout
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise KaeError(
                f"the process that trains with {self.trainer} on {self.backend} has died; it may lack memory"
            ) from error

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def installed() -> list[str]:
    return [name for name in BACKENDS if find_spec(name)]


def _compiles() -> bool:
    import torch

    return torch.cuda.is_available() and find_spec("triton") is not None


def measure(variant: Variant) -> list[Result]:
    """Time epochs of 4,311 images at the variant's own batch size, Adam on the mean squared error,
    all trainers by turns.

    The first epoch of each, in which backends compile, is not counted, nor the second, in which
    they do so for the last batch: in these two they run side by side. `torch.compile` takes part
    where there is a GPU and Triton, for which it compiles.
    """
    with ExitStack() as stack:
        loops = (LOOP, TUNED, COMPILED) if _compiles() else (LOOP, TUNED)
        ways = [(trainer, backend) for backend in installed() for trainer in (OURS, STOCK)]
        ways += [(loop, "torch") for loop in loops]
        workers = [stack.enter_context(Worker(*way, variant.name, "reference", "digits")) for way in ways]
        for _ in range(2):
            for worker in workers:
                worker.begin("epoch")
            for worker in workers:
                worker.end()
        answers = [[worker.ask("epoch") for worker in workers] for _ in range(ROUNDS)]
    seconds = {way: np.array([turn[at]["seconds"] for turn in answers]) for at, way in enumerate(ways)}
    images = answers[0][0]["images"]
    return [
        Result(
            variant=variant.name,
            trainer=trainer,
            backend=backend,
            images_per_second=images / float(np.median(taken)),
            epochs_per_second=1 / float(np.median(taken)),
            to_stock=ratio(taken, seconds[STOCK, backend]) if trainer == OURS else None,
            to_loop=ratio(taken, seconds[LOOP, "torch"]),
            peak_bytes=answers[-1][ways.index((trainer, backend))]["peak_bytes"],
        )
        for (trainer, backend), taken in seconds.items()
    ]


def until(variant: Variant, mse: float) -> list[Reached]:
    """Train on MNIST until the test images' mean squared error is at most `mse`, looked at after
    each epoch and not timed: the plain PyTorch loop and this package at the reference recipe, and
    this package at `--recipe fast`, an epoch of each by turns.
    """
    ways = [(LOOP, "reference"), (OURS, "reference"), (OURS, "fast")]
    found: dict[int, Any] = {
        at: {"seconds": 0.0, "epochs": 0, "mse": float("inf")} for at in range(len(ways))
    }
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(trainer, "torch", variant.name, recipe, "mnist"))
            for trainer, recipe in ways
        ]
        open_ways = set(found)
        while open_ways:
            for at in sorted(open_ways):
                of = found[at]
                of["seconds"] += workers[at].ask("epoch")["seconds"]
                of["mse"] = workers[at].ask("test")["mse"]
                of["epochs"] += 1
                if of["mse"] <= mse or of["epochs"] >= recipe_of(variant, ways[at][1]).epochs:
                    open_ways.remove(at)
    return [
        Reached(
            variant.name,
            f"{trainer}, {recipe} recipe",
            recipe,
            found[at]["seconds"],
            found[at]["epochs"],
            found[at]["mse"],
            found[at]["mse"] <= mse,
            found[at]["seconds"] / found[0]["seconds"],
        )
        for at, (trainer, recipe) in enumerate(ways)
    ]
