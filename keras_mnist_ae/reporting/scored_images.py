"""All images of an input, scored a chunk at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.scorer import Scorer
from ..errors import DataError
from ..export.streams import Input
from ..models.ports import Port, checked
from ..system.progress import phase


@dataclass
class ScoredImages:
    """Scores of n images in their order, and the strangest of them.

    `names` and `classes` are empty where the source has none; `strangest` are numbers of images,
    the highest score first, `images` and `reconstructions` theirs, (k, H, W, C) in [0, 1].
    """

    names: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    strangest: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    images: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    reconstructions: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))

    def name(self, number: int) -> str:
        """The path of an image, or its number."""
        return self.names[number] if self.names else str(number)

    def columns(self, score: str) -> dict[str, NDArray[Any]]:
        """Name or number, class, score, p-value and whether it is flagged of each image,
        (n,) each.
        """
        count = len(self.values[score])
        return {
            "image": np.array(self.names, object) if self.names else np.arange(count),
            "class": np.array(self.classes, object) if self.classes else np.full(count, ""),
            "score": self.values[score],
            "p_value": self.values["p_value"],
            "flagged": self.values["flagged"],
        }


def collected(
    scorer: Scorer,
    given: Input,
    image: tuple[int, ...],
    names: tuple[str, ...],
    top: int,
) -> ScoredImages:
    """Scores of all images, a chunk in memory at a time; of images the strangest alone are kept."""
    port = Port("image", np.float32, (image[0], image[1], image[2]))
    found, parts, count = ScoredImages(), list[dict[str, Any]](), 0
    highest = np.empty(0)

    def pixels() -> Iterator[NDArray[np.float32]]:
        begin = 0
        for chunk in given.chunks:
            if len(chunk.arrays["image"]):
                yield checked(chunk.arrays["image"].reshape(-1, *port.shape), port, begin)
            found.names += chunk.names
            found.classes += chunk.classes
            begin += len(chunk.arrays["image"])

    with phase("scoring", given.total) as advance:
        for values in scorer.each(pixels(), names):
            images, reconstructions = values.pop("image"), values.pop("reconstruction")
            both = (
                np.concatenate([highest, values[scorer.score]]),
                np.concatenate([found.strangest, np.arange(count, count + len(images))]),
                _joined(found.images, images),
                _joined(found.reconstructions, reconstructions),
            )
            best = np.argsort(-both[0], kind="stable")[:top]
            highest, found.strangest, found.images, found.reconstructions = (part[best] for part in both)
            parts.append(values)
            count += len(images)
            advance(len(images))
    if not parts:
        raise DataError("there is no image to score")
    found.values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not any(found.classes):
        found.classes = []
    return found


def _joined(kept: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([kept, more]) if len(kept) else more
