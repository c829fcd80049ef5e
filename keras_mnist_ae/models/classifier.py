"""A small classifier trained by a fixed recipe, whose features tell how alike two sets of images
are. It is PyTorch's whatever the backend is, so that the same images give the same features.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Images, chunks, to_float
from ..system import signals
from ..system.backend import leave_triton
from ..system.progress import Advance

FEATURES = 64
SCALED = 5000  # training images, over which the mean variance of the features is made 1
BATCH, STEPS, EPOCHS = 128, 1000, 30  # so many steps, or epochs where these are fewer
RATE = 1e-3  # of Adam, falling to 0 along a line
FIRST, WIDEST, COARSEST = 32, 128, 7  # channels of the convolutions, and the side at which they end
RECIPE = (
    f"convolutions that halve the image, {FEATURES} features, a linear layer; Adam at {RATE:g}, falling "
    f"to 0, {STEPS:,} steps of {BATCH} (at most {EPOCHS} epochs), seed 0, one thread"
)


@dataclass(frozen=True)
class Classifier:
    """`features`, the layers that give FEATURES numbers an image, `head`, from these to the
    classes, the `sha256` of all weights, and the `scale` by which features are divided, so that
    their mean variance is 1 over training images.
    """

    features: Any
    head: Any
    sha256: str
    scale: float = 1.0

    def of(self, images: Images) -> NDArray[np.float64]:
        """Features (n, 64) of uint8 images, or of float images in [0, 1], (n, H, W, C)."""
        import torch

        found = []
        with torch.no_grad(), _one_thread():
            for chunk in chunks(images) if images.dtype == np.uint8 else _parts(images):
                found.append(self.features(_tensor(chunk)).numpy())
        return np.concatenate(found).astype(np.float64) / self.scale

    def accuracy(self, images: Images, labels: NDArray[np.int64]) -> float:
        """The share of images whose class it finds."""
        import torch

        with torch.no_grad():
            logits = self.head(torch.relu(torch.from_numpy(self.of(images) * self.scale).float()))
        return float((logits.argmax(dim=1).numpy() == labels).mean())


def fit(
    images: Images, labels: NDArray[np.int64], classes: int, advance: Advance | None = None
) -> Classifier:
    """Train it on uint8 images (n, H, W, C) and their labels (n,), by the recipe.

    `advance` is called after each step; see `steps` for their number.
    """
    import torch
    from torch.nn import functional as F  # noqa: N812

    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(0)
        features, head = _layers(images.shape[1:], classes)
        parameters = [*features.parameters(), *head.parameters()]
        leave_triton()
        adam = torch.optim.Adam(parameters, RATE)
        count = steps(len(images))
        generator = np.random.default_rng(0)
        order = np.empty(0, np.int64)
        for step in range(count):
            signals.check()
            if len(order) < min(BATCH, len(images)):
                order = generator.permutation(len(images))
            chosen, order = order[:BATCH], order[BATCH:]
            adam.param_groups[0]["lr"] = RATE * (1 - step / count)
            logits = head(torch.relu(features(_tensor(to_float(images[chosen])))))
            loss = F.cross_entropy(logits, torch.from_numpy(np.asarray(labels[chosen])))
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            if advance:
                advance(1)
    digest = hashlib.sha256()
    for parameter in parameters:
        digest.update(parameter.detach().numpy().tobytes())
    plain = Classifier(features, head, digest.hexdigest())
    spread = plain.of(images[:SCALED]).var(axis=0).mean()
    return replace(plain, scale=float(np.sqrt(spread)) or 1.0)


def steps(images: int) -> int:
    """How many steps the training takes."""
    return min(STEPS, EPOCHS * max(1, images // BATCH))


def _layers(shape: tuple[int, ...], classes: int) -> tuple[Any, Any]:
    from torch import nn

    height, width, channels = shape
    rows: list[Any] = []
    while min(height, width) > COARSEST:
        wider = min(WIDEST, FIRST * 2 ** (len(rows) // 2))
        rows += [nn.Conv2d(channels, wider, 4, 2, 1), nn.ReLU()]
        channels, height, width = wider, height // 2, width // 2
    rows += [nn.Flatten(), nn.Linear(channels * height * width, FEATURES)]
    return nn.Sequential(*rows), nn.Linear(FEATURES, classes)


def _tensor(images: Images) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32))


def _parts(images: Images) -> Any:
    return (images[start : start + 1000] for start in range(0, len(images), 1000))


def _one_thread() -> Any:
    from . import torch_threads

    return torch_threads.limited(1)
