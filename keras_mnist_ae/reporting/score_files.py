"""Scores as tables and as pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis import plots
from ..datasets.dataset import Dataset
from ..datasets.images import to_float
from ..errors import MissingDependencyError, UsageError, WriteError
from ..system.atomic import replacing
from .anomalies import COLUMNS, Scorer
from .table import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = list[tuple[Any, ...]]


def strangest(rows: Rows, top: int) -> str:
    """The images with the highest scores, as text."""
    ordered = sorted(rows, key=lambda row: -row[2])[:top]
    cells = [
        (str(at), label, f"{value:.6g}", f"{p:.4f}", "flagged" if flagged else "")
        for at, label, value, p, flagged in ordered
    ]
    return table(("image", "class", "score", "p-value", ""), cells)


def write_table(path: Path, rows: Rows) -> None:
    """Write the rows as CSV, Parquet or arrays, by the suffix. Raises `UsageError`."""
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    with replacing(path) as temporary:
        match path.suffix.lower():
            case ".csv":
                import csv

                with temporary.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.writer(file)
                    writer.writerow(COLUMNS)
                    writer.writerows(rows)
            case ".npz":
                arrays = {name: np.array(values) for name, values in columns.items()}
                with temporary.open("wb") as file:
                    np.savez(file, allow_pickle=False, **arrays)
            case ".parquet":
                try:
                    import pyarrow as arrow
                    from pyarrow import parquet
                except ModuleNotFoundError as error:
                    raise MissingDependencyError(
                        "writing Parquet needs pyarrow.\nInstall it: pip install 'keras_mnist_ae[tables]'"
                    ) from error
                parquet.write_table(arrow.table(columns), temporary)
            case other:
                raise UsageError(
                    f"cannot write {other or 'a file without suffix'}; give .csv, .parquet or .npz"
                )


def write_maps(folder: Path, scorer: Scorer, data: Dataset, rows: Rows, top: int) -> None:
    """Pictures of the strangest images: the image, its reconstruction and the error of each pixel,
    on one scale for all images. Raises `WriteError`.
    """
    at = [row[0] for row in sorted(rows, key=lambda row: -row[2])[:top]]
    images = to_float(data.test.images[at])
    reconstructions = scorer.codec.reconstruct(images)
    errors = scorer.error_map(images)
    highest = max(float(errors.max()), 1e-12)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot write {folder}: {error.strerror}") from error
    for number, image, other, heat in zip(at, images, reconstructions, errors, strict=True):
        figure = error_heat(image, other, heat, highest)
        plots.save(figure, folder / f"{number}.png")


@plots.styled
def error_heat(image: np.ndarray, reconstruction: np.ndarray, errors: np.ndarray, highest: float) -> "Figure":
    """An image, its reconstruction, both (H, W, C) in [0, 1], and the squared error of each pixel
    (H, W) on a scale from 0 to `highest`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(plots.WIDTH, 2.6), layout="constrained")
    axes = figure.subplots(1, 3)
    for place, pixels, title in zip(axes, (image, reconstruction), ("image", "reconstruction"), strict=False):
        place.imshow(np.clip(pixels, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
        place.set(title=title)
    shown = axes[2].imshow(errors, cmap="cividis", vmin=0, vmax=highest)
    axes[2].set(title="squared error")
    for place in axes:
        place.set_axis_off()
    figure.colorbar(shown, ax=axes[2])
    return figure
