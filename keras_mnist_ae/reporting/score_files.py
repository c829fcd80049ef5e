"""Scores as tables and as pictures."""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import plots
from ..analysis.scorer import Scorer
from ..analysis.scores import error_map
from ..errors import MissingDependencyError, UsageError
from ..system.atomic import replacing
from .table import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .scored_images import ScoredImages

SUFFIXES = (".csv", ".parquet", ".npz")
AT_ONCE = 10_000  # rows of a CSV file


def check_target(path: Path) -> None:
    """Raise `UsageError` for a table of an unknown kind."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"cannot write {path.suffix or 'a file without suffix'}; give .csv, .parquet or .npz"
        )


def strangest(rows: list[Any]) -> str:
    """The rows of a result as text."""
    cells = [
        (str(name), label, f"{value:.6g}", f"{p:.4f}", "flagged" if flagged else "")
        for name, label, value, p, flagged in rows
    ]
    return table(("image", "class", "score", "p-value", ""), cells)


def write_table(path: Path, columns: dict[str, NDArray[Any]]) -> None:
    """Write a row an image as CSV, Parquet or arrays, by the suffix.

    Raises:
        UsageError: There is no such kind.
        MissingDependencyError: pyarrow is not installed.
        WriteError: The file cannot be written.
    """
    check_target(path)
    with replacing(path) as temporary:
        match path.suffix.lower():
            case ".csv":
                with temporary.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.writer(file)
                    writer.writerow(columns)
                    writer.writerows(_rows(columns))
            case ".npz":
                with temporary.open("wb") as stream:
                    np.savez(stream, allow_pickle=False, **{key: _typed(c) for key, c in columns.items()})
            case _:
                _parquet(temporary, columns)


def _typed(column: NDArray[Any]) -> NDArray[Any]:
    """Text as an array of its own type, which needs no pickle."""
    return column.astype(str) if column.dtype == object else column


def _rows(columns: dict[str, NDArray[Any]]) -> Iterator[tuple[Any, ...]]:
    """Rows of numbers that read back as they were."""
    for start in range(0, len(columns["image"]), AT_ONCE):
        yield from zip(
            *(column[start : start + AT_ONCE].tolist() for column in columns.values()), strict=True
        )


def _parquet(path: Path, columns: dict[str, NDArray[Any]]) -> None:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "writing Parquet needs pyarrow.\nInstall it: pip install 'keras_mnist_ae[tables]'"
        ) from error
    parquet.write_table(arrow.table({**columns, "image": columns["image"].astype(str)}), path)


def write_maps(folder: Path, scorer: Scorer, found: "ScoredImages") -> float:
    """Pictures of the strangest images: the image, its reconstruction and the error of each pixel.

    The colours mean the same in every picture and in every call: they end at the calibration's
    `largest_error`, the error below which 99.9 % of the pixels of normal images lie.

    Returns:
        That error.

    Raises:
        WriteError: A picture cannot be written.
    """
    highest = scorer.largest_error
    digits = len(str(max(len(found.strangest), 1)))
    for place, number in enumerate(found.strangest):
        image, other = found.images[place], found.reconstructions[place]
        name = PurePosixPath(found.name(int(number)).replace("\\", "/"))
        label = "-".join(part for part in name.with_suffix("").parts if part not in ("/", "..", "."))
        value, p = (float(found.values[key][number]) for key in (scorer.score, "p_value"))
        figure = error_heat(image, other, error_map(image[None], other[None])[0], highest)
        figure.suptitle(f"{found.name(int(number))}: {scorer.score} {value:.4g}, p-value {p:.4f}")
        plots.save(figure, folder / f"{place + 1:0{digits}}-{label[-80:]}.png")
    return highest


@plots.styled
def error_heat(image: np.ndarray, reconstruction: np.ndarray, errors: np.ndarray, highest: float) -> "Figure":
    """An image, its reconstruction, both (H, W, C) in [0, 1], and the squared error of each pixel
    (H, W) on a scale from 0 to `highest`; what is above has the colour of its end.
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
    figure.colorbar(shown, ax=axes[2], extend="max")
    return figure
