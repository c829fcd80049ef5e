"""Pictures, drawn with matplotlib into PNG files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reconstructions(rows: dict[str, np.ndarray]) -> "Figure":
    """Images side by side, a labelled row per entry: each an array of shape (n, H, W, C), pixels in [0, 1], clipped where beyond."""
    from matplotlib.figure import Figure

    count = len(next(iter(rows.values())))
    figure = Figure(figsize=(1.3 + 0.8 * count, 0.95 * len(rows)), dpi=150)
    axes = figure.subplots(len(rows), count, squeeze=False)
    for (label, images), line in zip(rows.items(), axes, strict=True):
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
        for image, axis in zip(images, line, strict=True):
            axis.imshow(np.clip(image, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    figure.subplots_adjust(left=1.3 / figure.get_figwidth(), right=0.995, top=0.99, bottom=0.01, wspace=0.05, hspace=0.05)
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Write the figure as PNG, whole or not at all. Raises `WriteError`."""
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})
