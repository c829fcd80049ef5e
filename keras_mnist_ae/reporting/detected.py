"""The section of a report on what does not belong: the test images scored by the calibration."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import plots
from ..analysis.scorer import CALIBRATION
from ..analysis.scores import SCORES, error_map
from ..datasets.dataset import Dataset
from ..errors import CorruptFileError, KaeError
from ..export.streams import CHUNK, Chunk, Input
from ..runs.folder import Run
from ..runs.reopen import is_own, reopen_data
from ..system.hints import calibrating
from ..system.notes import say
from ..system.reading import read_json
from .anomalies import judged
from .scored_images import ScoredImages
from .scorers import Scored, of_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY = "anomalies"  # in the metrics of a run, and the name of the picture
SHOWN = 8  # of the strangest images
BINS = 60
CLASSES = 40  # in the table, at most

Double = NDArray[np.float64]


def renew(run: Run, data_dir: Path | None, dataset: Any) -> None:
    """Score the test images by the run's calibration, where there is one and they have not been;
    what cannot be done is said and left out.
    """
    if not (run.path / CALIBRATION).is_file() or _measured(run) is not None:
        return
    try:
        chosen, data = of_run(run), reopen_data(run, data_dir, dataset)
        if not is_own(run, data):
            return
        usual = _usual(data)
        result, found = judged(chosen, _input(data), usual, SHOWN)
    except KaeError as error:
        say(f"kae: the report has no scores of test images: {error}")
        return
    run.write_figure(KEY, _picture(chosen, found, usual))
    facts = {name: value for name, value in result.items() if name != "run"}
    run.add_metrics({KEY: {**facts, "normal": usual, "calibration": _fingerprint(run)}})


def section(run: Run) -> dict[str, Any] | None:
    """What a report says: a sentence on the threshold, and of the test images, where they were
    scored, a sentence, the rows of a table of measures and those of a table of classes. None
    without a calibration.

    Raises `CorruptFileError`.
    """
    if not (run.path / CALIBRATION).is_file():
        return None
    try:
        facts = read_json(run.checked(CALIBRATION))
        threshold = (
            f"An image is flagged whose {facts['score']} ({SCORES[facts['score']].meaning}) is above "
            f"{facts['threshold']:.6g}. Of further normal images at most {facts['false_alarms']:.2%} are "
            f"flagged, in expectation. The threshold was set on {facts['n']:,} normal images: "
            f"{facts['normal']}."
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{run.path / CALIBRATION} cannot be used: {error}\nMake it anew: {calibrating(run.path)}"
        ) from error
    shown = _measured(run)
    if shown is None:
        return {"threshold": threshold, "test": "", "measures": [], "classes": []}
    return {
        "threshold": threshold,
        "test": _sentence(shown),
        "measures": _measures(shown),
        "classes": _classes(shown),
    }


def _fingerprint(run: Run) -> str:
    return hashlib.sha256(run.checked(CALIBRATION).read_bytes()).hexdigest()


def _measured(run: Run) -> dict[str, Any] | None:
    """The scores of test images in the metrics, unless they are of an earlier calibration."""
    numbers: dict[str, Any] | None = run.metrics.get(KEY)
    if numbers is None or numbers.get("calibration") != _fingerprint(run):
        return None
    return numbers


def _usual(data: Dataset) -> list[str]:
    """The classes of the training images, where there are others among the test images."""
    if data.train.labels is None or data.test.labels is None:
        return []
    known = np.unique(data.train.labels)
    if np.isin(data.test.labels, known).all():
        return []
    return [data.classes[number] for number in known]


def _input(data: Dataset) -> Input:
    images, labels = data.test.images, data.test.labels
    classes = [] if labels is None else [data.classes[label] for label in labels]
    parts = (
        Chunk({"image": images[at : at + CHUNK]}, [], classes[at : at + CHUNK])
        for at in range(0, len(images), CHUNK)
    )
    return Input(len(images), parts, [], data.classes)


def _sentence(numbers: dict[str, Any]) -> str:
    words = f"Of the {numbers['n']:,} test images {numbers['flagged']:,} are flagged"
    if not numbers["normal"]:
        return f"{words}. None is known to be strange: there is no ranking to measure."
    found = [each for name, each in numbers["classes"].items() if name not in numbers["normal"]]
    share = sum(each["flagged"] for each in found) / sum(each["n"] for each in found)
    return (
        f"{words}: {share:.1%} of those of classes that it was not trained on, and "
        f"{numbers['false_alarms'] or 0:.2%} of the others, which are normal."
    )


def _measures(numbers: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and interval of each measure."""
    if numbers["auroc"] is None:
        return []
    named = {
        "auroc": f"AUROC of {numbers['score']}",
        "pca_auroc": "AUROC of a PCA's error, 32 components, no training",
        "knn_auroc": "AUROC of the distance to 5 training images, no training",
        "average_precision": "average precision",
        "false_alarms_at_95": "false alarms at 95 % found",
    }
    rows = []
    for key, name in named.items():
        low, high = numbers["intervals"][key]
        rows.append((name, f"{numbers[key]:.4f}", f"{low:.4f} to {high:.4f}"))
    return rows


def _classes(numbers: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (
            name,
            f"{each['n']:,}",
            f"{each['flagged']:,}",
            "normal" if each["auroc"] is None else f"{each['auroc']:.4f}",
        )
        for name, each in list(numbers.get("classes", {}).items())[:CLASSES]
    ]


@plots.styled
def _picture(chosen: Scored, found: ScoredImages, usual: list[str]) -> "Figure":
    """A histogram of the scores with the threshold, above the strangest images and their errors."""
    from matplotlib.figure import Figure

    scorer, across = chosen.scorer, max(len(found.strangest), 1)
    figure = Figure(figsize=(plots.WIDTH, 5.2), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    above, below = parts
    axes = above.subplots()
    groups = _groups(scorer.normal, found.values[scorer.score], found.classes, usual)
    lowest = max(min(float(values.min()) for values in groups.values()), 1e-12)
    highest = max(float(values.max()) for values in groups.values())
    edges = np.geomspace(lowest, max(highest, 1.001 * lowest), BINS + 1)
    for number, (name, values) in enumerate(groups.items()):
        weights = np.full(len(values), 1 / len(values))
        axes.hist(
            np.maximum(values, lowest),
            edges,
            weights=weights,
            histtype="step",
            color=plots.COLOURS[number],
            label=name,
        )
    axes.axvline(scorer.threshold, color="#444", linestyle="--", label="threshold")
    axes.set(xscale="log", xlabel=scorer.score, ylabel="share of the images")
    above.legend(loc="outside upper center", ncols=4)
    errors = error_map(found.images, found.reconstructions)
    grid = below.subplots(3, across, squeeze=False)
    for column in range(across):
        for row, pixels in enumerate((found.images, found.reconstructions)):
            grid[row, column].imshow(np.clip(pixels[column], 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
        grid[2, column].imshow(errors[column], cmap="cividis", vmin=0, vmax=scorer.largest_error)
    for place in grid.flat:
        place.set_axis_off()
    return figure


def _groups(normal: Double, values: Double, classes: list[str], usual: list[str]) -> dict[str, Double]:
    """Scores by the name of their images."""
    groups = {"normal images of the threshold": normal}
    if not usual:
        return {**groups, "test images": values}
    strange = ~np.isin(np.array(classes), usual)
    return {**groups, "normal test images": values[~strange], "strange test images": values[strange]}
