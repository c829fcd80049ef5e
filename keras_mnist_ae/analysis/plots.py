"""Pictures, drawn with matplotlib from arrays and written as PNG: one look for all, legible in
print and to colour-blind eyes.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from ..system.atomic import replacing

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where it keeps its cache is no news

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

WIDTH = 7.0  # inches at most
DPI = 150
# Ten colours that stay apart for colour-blind eyes and in grey (Petroff 2021), and markers to go
# with them.
COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
MARKERS = "os^vDPX<>h"
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # names of classes and runs are text
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
}


def styled(draw: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """The look of all figures around a function that draws one."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        from matplotlib import rc_context, rcParamsDefault

        own: dict[Any, Any] = {name: value for name, value in rcParamsDefault.items() if name != "backend"}
        with rc_context({**own, **STYLE}):  # whatever the user's settings are
            return draw(*args, **kwargs)

    return drawn


@styled
def strips(rows: Sequence[tuple[str, np.ndarray]], heads: Sequence[str] = (), title: str = "") -> "Figure":
    """Images side by side, a labelled row per entry: each an array of shape (n, H, W, C), n up to
    that of the first, pixels in [0, 1], clipped where beyond. `heads` stand above the columns.
    """
    from matplotlib.figure import Figure

    columns = len(rows[0][1])
    margin, cell = 0.2 + 0.065 * max(len(line) for label, _ in rows for line in label.split("\n")), 0.7
    cell = min(cell, (WIDTH - margin) / columns)
    top = 0.04 + (0.18 if title else 0) + (0.18 if heads else 0)
    height = top + cell * len(rows) + 0.04
    width = max(margin + cell * columns + 0.04, 0.075 * len(title))
    figure = Figure(figsize=(width, height))
    if title:
        figure.text(0.05 / width, 1 - 0.04 / height, title, va="top", ha="left")
    for line, (label, images) in enumerate(rows):
        middle = (height - top - cell * (line + 0.5)) / height
        figure.text((margin - 0.08) / width, middle, label, ha="right", va="center")
        for column, image in enumerate(images):
            left, bottom = margin + cell * column, height - top - cell * (line + 1)
            axes = figure.add_axes((left / width, bottom / height, 0.95 * cell / width, 0.95 * cell / height))
            axes.imshow(np.clip(image, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
            axes.set_axis_off()
            if heads and line == 0:
                axes.set_title(heads[column], pad=2)
    return figure


def before_and_after(shown: np.ndarray, given: np.ndarray, before: np.ndarray, after: np.ndarray) -> "Figure":
    """Test images, what went in where `given` differs, and what the untrained and the trained model
    make of it.
    """
    noisy = [] if given is shown else [("going in", given)]
    return strips([("original", shown), *noisy, ("before training", before), ("after training", after)])


@styled
def losses(curves: dict[str, Sequence[float]], ylabel: str = "MSE per pixel, [0, 1]") -> "Figure":
    """Named curves over the epochs, on a logarithmic axis where they are above 0."""
    figure, axes = _axes(WIDTH, 3.2)
    _curves(axes, curves, ylabel)
    return figure


@styled
def heat_map(errors: np.ndarray, label: str) -> "Figure":
    """A value per pixel, of shape (H, W), as colours with a scale."""
    figure, axes = _axes(4.4, 3.4)
    axes.grid(False)
    shown = axes.imshow(errors, cmap="cividis", vmin=0)
    axes.set(xlabel="column", ylabel="row")
    figure.colorbar(shown, ax=axes, label=label)
    return figure


@styled
def latent_map(
    points: np.ndarray,
    labels: np.ndarray | None,
    classes: Sequence[str],
    axis_labels: tuple[str, str],
    title: str,
) -> "Figure":
    """Points of shape (n, 2), in the colour and marker of their class, its name at their median."""
    figure, axes = _axes(WIDTH, 5.4)
    size = min(max(50_000 / max(len(points), 1), 12), 30)  # points^2
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], s=size, color=COLOURS[0], alpha=0.5, linewidths=0)
    else:
        for number, name in enumerate(classes):
            chosen = points[labels == number]
            if len(chosen):
                colour = COLOURS[number % 10]
                marker = MARKERS[(number + number // 10) % 10]
                axes.scatter(
                    chosen[:, 0],
                    chosen[:, 1],
                    s=size,
                    color=colour,
                    marker=marker,
                    alpha=0.7,
                    linewidths=0,
                    label=name,
                )
                box = {"facecolor": "white", "edgecolor": colour, "alpha": 0.85, "pad": 1.5}
                axes.text(
                    float(np.median(chosen[:, 0])),
                    float(np.median(chosen[:, 1])),
                    name,
                    ha="center",
                    va="center",
                    weight="bold",
                    bbox=box,
                )
        if len(classes) <= 20:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", markerscale=2)
    axes.set(xlabel=axis_labels[0], ylabel=axis_labels[1], title=title)
    return figure


@styled
def comparison(
    curves: dict[str, Sequence[float]], errors: Sequence[tuple[float, Sequence[float] | None]]
) -> "Figure":
    """Runs side by side: the test error of each over the epochs, and the final one as a bar with
    its interval where it is known.
    """
    from matplotlib.figure import Figure

    bars = 0.6 + 0.25 * len(curves)
    if any(curves.values()):
        figure = Figure(figsize=(WIDTH, 2.8 + bars), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=[2.2, bars])
        _curves(upper, curves, "MSE per pixel")
    else:  # of variational runs alone
        figure = Figure(figsize=(WIDTH, 0.6 + bars), layout="constrained")
        lower = figure.subplots()
    for number, (value, span) in enumerate(errors):
        around = None if span is None else [[value - span[0]], [span[1] - value]]
        lower.barh(number, value, color=COLOURS[number % 10], xerr=around, capsize=2, height=0.6)
        lower.text(value if span is None else span[1], number, f"  {value:.5f}", va="center")
    lower.set(
        yticks=range(len(curves)),
        yticklabels=list(curves),
        xlabel="test MSE per pixel, with its 95 % interval where it was evaluated",
    )
    lower.invert_yaxis()
    lower.margins(x=0.15)
    lower.grid(False, axis="y")
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Write the figure as PNG, whole or not at all. Raises `WriteError`."""
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def lines_of(images: np.ndarray, columns: int) -> Iterable[np.ndarray]:
    """Images cut into rows of so many."""
    return (images[start : start + columns] for start in range(0, len(images), columns))


def _axes(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _curves(axes: "Axes", curves: dict[str, Sequence[float]], ylabel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for number, (name, values) in enumerate(curves.items()):
        marker = MARKERS[number % 10] if len(values) <= 50 else ""
        style: dict[str, Any] = {"color": COLOURS[number % 10], "marker": marker, "markersize": 4}
        axes.plot(range(1, len(values) + 1), values, label=name if values else None, **style)
    axes.set(xlabel="epoch", ylabel=ylabel, xlim=(0.5, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    shown = [value for values in curves.values() for value in values]
    if min(shown, default=0) > 0:
        axes.set_yscale("log")
        _plain_ticks(axes, shown)
    axes.legend()


def _plain_ticks(axes: "Axes", shown: list[float]) -> None:
    """Numbers such as 0.01 on a logarithmic axis; powers of ten alone where there is no room."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    wide = max(shown) >= 300 * min(shown)
    digits = "1" if wide else "1235"
    plain = FuncFormatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in digits else "")
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(NullFormatter() if wide else plain)
