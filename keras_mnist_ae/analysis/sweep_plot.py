"""The picture of a sweep: the losses of its trainings in their order, and against each setting."""

from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from . import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3


@plots.styled
def draw(trials: Sequence[dict[str, Any]], logarithmic: Collection[str], title: str) -> "Figure":
    """The losses of the validation images with the lowest so far, then against each setting.

    Args:
        trials: `settings` and `val_loss` of each, in the order of their beginning; None as the loss
            leaves a trial out.
        logarithmic: the settings with a logarithmic axis.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    done = [(place, trial) for place, trial in enumerate(trials) if trial["val_loss"] is not None]
    errors = [trial["val_loss"] for _, trial in done]
    names = list(trials[0]["settings"]) if trials else []
    rows = -(-(1 + len(names)) // COLUMNS)
    figure = Figure(figsize=(plots.WIDTH, 2.2 * rows), layout="constrained")
    figure.suptitle(title)
    first, *others = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).flat
    places = [place for place, _ in done]
    _points(first, places, errors, "training")
    first.xaxis.set_major_locator(MaxNLocator(integer=True))
    if errors:
        first.step(places, list(accumulate(errors, min)), where="post", color=plots.COLOURS[1])
    for name, axes in zip(names, others, strict=False):
        values = [trial["settings"][name] for _, trial in done]
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        _points(axes, values if numbers else [str(value) for value in values], errors, name)
        if name in logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
    for axes in others[len(names) :]:
        axes.set_axis_off()
    return figure


def _points(axes: "Axes", across: Sequence[Any], errors: Sequence[float], label: str) -> None:
    axes.scatter(across, errors, s=12, color=plots.COLOURS[0])
    axes.set(xlabel=label, ylabel="val_loss" if label == "training" else "")
    if errors and min(errors) > 0:
        axes.set_yscale("log")
