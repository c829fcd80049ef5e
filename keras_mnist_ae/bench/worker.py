"""One way to train, in a process of its own: an epoch for each line that it is sent, its time and
what it came to sent back.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ..architecture.recipes import find as recipe_of
from ..architecture.variant import Recipe, Variant
from ..architecture.variants import find
from ..datasets import catalog
from ..datasets.images import to_float
from ..models import torch_threads
from ..system import backend

OURS, STOCK, LOOP = "kae", "stock Keras", "PyTorch loop"
TUNED, COMPILED = f"{LOOP}, tuned", f"{LOOP}, compiled"

Images = NDArray[np.uint8]
Epoch = Callable[[], float]  # trains for an epoch; gives the mean loss
Errors = Callable[[Images], float]  # mean squared error on images


def main(told: TextIO) -> None:
    """Read a job as a line of JSON, then do an epoch for each "epoch" and measure the test images
    for each "test".
    """
    job = json.loads(sys.stdin.readline())
    backend.choose(job["backend"])
    variant, recipe = find(job["variant"]), recipe_of(find(job["variant"]), job["recipe"])
    data = catalog.load(job["dataset"])
    images = data.train.images if job["dataset"] == "mnist" else np.tile(data.train.images, (3, 1, 1, 1))
    epoch, errors = TRAINERS[job["trainer"]](variant, images, recipe)
    for line in sys.stdin:
        if line.strip() == "test":
            answer = {"mse": errors(data.test.images)}
        else:
            start = time.perf_counter()
            loss = epoch()
            answer = {"seconds": time.perf_counter() - start, "loss": loss, "images": len(images)}
        print(json.dumps({**answer, "peak_bytes": _peak()}), file=told, flush=True)


def _peak() -> int:
    """The most memory that this process has had, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _keras(variant: Variant, images: Images, recipe: Recipe, stock: bool = False) -> tuple[Epoch, Errors]:
    import keras

    from ..models.batches import Batches
    from ..models.build import build
    from ..training.fit import at_once
    from ..training.optimizer import adam

    model: Any = build(variant)
    if (
        stock and keras.backend.backend() == "torch"
    ):  # where Keras would not reset all gradients of a model made anew of another's layers
        for name in ("make_train_function", "train_step"):
            setattr(model, name, getattr(keras.Model, name).__get__(model))
    elif stock:
        model = model._stock()
    settings: Any = SimpleNamespace(**vars(recipe), ema=0.0)
    model.compile(
        optimizer=adam(settings, len(images)),
        loss="mse",
        steps_per_execution=1 if stock else at_once(model, recipe.batch_size),
    )
    if stock:
        floats = to_float(images)
        given: dict[str, Any] = {"x": floats, "y": floats, "batch_size": recipe.batch_size}
    else:
        look = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: float(logs["loss"])
        )  # as `kae train` does
        given = {"x": Batches(images, recipe.batch_size, seed=0), "callbacks": [look]}
    done = 0

    def epoch() -> float:
        nonlocal done
        if not stock:
            given["x"].start(done)
        done += 1
        with torch_threads.limited(None if stock else torch_threads.of_step(variant, recipe.batch_size)):
            return float(model.fit(**given, epochs=1, verbose=0).history["loss"][0])

    def errors(test: Images) -> float:
        return float(
            np.square(
                np.asarray(model.predict(to_float(test), batch_size=1000, verbose=0)) - to_float(test)
            ).mean()
        )

    return epoch, errors


def _stock(variant: Variant, images: Images, recipe: Recipe) -> tuple[Epoch, Errors]:
    """As Keras' users have it: arrays, and `fit` with its defaults."""
    return _keras(variant, images, recipe, stock=True)


def _loop(
    variant: Variant, images: Images, recipe: Recipe, tuned: bool = False, compiled: bool = False
) -> tuple[Epoch, Errors]:
    """As PyTorch's users write it, on a GPU where there is one: the loss of each batch is kept."""
    import torch
    from torch.nn.functional import mse_loss

    from ..export import weights
    from ..models.build import build
    from .plain import Plain

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Plain(variant).train()
    model.load(weights.read(build(variant)))
    model = model.to(device)
    data = torch.from_numpy(np.ascontiguousarray(to_float(images).transpose(0, 3, 1, 2)))
    if tuned:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        data = data.to(device, memory_format=torch.channels_last)
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam(
        model.parameters(), recipe.learning_rate, betas=(0.9, recipe.beta_2), fused=tuned
    )
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(data), batch_size=recipe.batch_size, shuffle=True
    )
    torch.manual_seed(0)

    def batches() -> Iterator[torch.Tensor]:
        if tuned:
            order = torch.randperm(len(data), device=device)
            return (data[chosen] for chosen in torch.split(order, recipe.batch_size))
        return (batch.to(device) for (batch,) in loader)

    def epoch() -> float:
        total = 0.0
        for batch in batches():
            loss = mse_loss(forward(batch), batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch)
        return total / len(images)

    def errors(test: Images) -> float:
        with torch.no_grad():
            whole = torch.from_numpy(np.ascontiguousarray(to_float(test).transpose(0, 3, 1, 2)))
            parts = torch.split(whole.to(device), 1000)
            found = [mse_loss(model.eval()(part), part).item() for part in parts]
        model.train()
        return float(np.mean(found))

    return epoch, errors


def _tuned(variant: Variant, images: Images, recipe: Recipe) -> tuple[Epoch, Errors]:
    """Channels-last memory, fused Adam, batches by index: the best that PyTorch offers without
    compiling.
    """
    return _loop(variant, images, recipe, tuned=True)


def _compiled(variant: Variant, images: Images, recipe: Recipe) -> tuple[Epoch, Errors]:
    """The same with `torch.compile`."""
    return _loop(variant, images, recipe, tuned=True, compiled=True)


TRAINERS: dict[str, Callable[[Variant, Images, Recipe], tuple[Epoch, Errors]]] = {
    OURS: _keras,
    STOCK: _stock,
    LOOP: _loop,
    TUNED: _tuned,
    COMPILED: _compiled,
}


@contextmanager
def _alone() -> Iterator[TextIO]:
    """What libraries print does not come between the answers."""
    with os.fdopen(os.dup(1), "w") as told:
        os.dup2(2, 1)
        yield told


if __name__ == "__main__":
    with _alone() as out:
        main(out)
