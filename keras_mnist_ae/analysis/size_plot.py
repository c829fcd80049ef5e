"""The picture of errors against the size of the code."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@plots.styled
def draw(curve: Sequence[dict[str, Any]], knee: int, interval: Sequence[int], title: str) -> "Figure":
    """Errors against the size of the code, beside a PCA's, with the knee and its interval."""
    figure, axes = plots._axes(plots.WIDTH, 3.6)
    steps = [row["size"] for row in curve]
    named = {"validation_mse": "validation", "test_mse": "test", "pca_mse": "PCA, test"}
    for number, (key, label) in enumerate(named.items()):
        style: dict[str, Any] = {
            "color": plots.COLOURS[number],
            "marker": plots.MARKERS[number],
            "markersize": 4,
        }
        axes.plot(steps, [row[key] for row in curve], label=label, **style)
    axes.axvspan(interval[0] - 0.02, interval[1] + 0.02, color=plots.COLOURS[3], alpha=0.3, linewidth=0)
    axes.axvline(knee, color=plots.COLOURS[8], linestyle="--", label=f"knee: {knee}")
    axes.set(xscale="log", xlabel="numbers of the code", ylabel="MSE per pixel, [0, 1]", title=title)
    axes.set_xticks(steps, [str(step) for step in steps])
    axes.minorticks_off()
    axes.legend()
    return figure
