"""Scores of images by a calibrated autoencoder, of a run or of an export."""

from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import scores
from ..analysis.detection import auroc, quality
from ..analysis.scorer import Scorer
from ..errors import DataError, UsageError, worded
from ..export.inputs import reading
from ..export.streams import Input
from ..models.ports import Port, checked
from ..system.hints import did_you_mean
from ..system.notes import say
from ..system.progress import Progress, silent
from ..system.result import Result
from .anomaly_text import text
from .scorers import Scored, find

GOOD = ("good", "normal", "ok")  # names of classes that say what is normal


@dataclass
class Scores:
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


def score(
    run: Any,
    source: str | PathLike[str],
    *,
    normal: str | None = None,
    top: int = 10,
    data_dir: Path | None = None,
    runs_dir: Path | str = "runs",
    progress: Progress = silent,
) -> Result:
    """How strange images are to a calibrated autoencoder.

    Of a dataset that has a test split, and of the one that the run was trained on, the test images
    are scored, else all. With labels, the ranking is measured, beside that of a PCA and of nearest
    neighbours.

    Args:
        run: a `Run`, the name or path of one, or a folder of exported graphs.
        source: a dataset's name, or the path of a folder, a file of arrays or a picture.
        normal: classes that are normal, by name or number, separated by commas; None takes those
            that the run was trained on, or the only class of the training images.
        top: how many of the strangest to keep.
        data_dir: where the datasets lie.
        runs_dir: where runs are looked for by name.

    Returns:
        `score`, `n`, `threshold`, `flagged`, and, None without labels of what is normal,
        `false_alarms` (the share of normal images that is flagged), `auroc`, `average_precision`,
        `pca_auroc`, `knn_auroc`, with their `intervals`, and `classes`; `rows` holds a tuple
        (image, class, score, p-value, flagged) for each of the strangest.

    Raises:
        UsageError: There is no calibration, or no such class.
        DataError: The images are of another size, or damaged.
        CorruptFileError: The calibration is damaged, or of another model.

    Examples:
        >>> import keras_mnist_ae as kae
        >>> folder = getfixture("tmp_path")
        >>> run = kae.train("mlp", "digits", limit=100, validation=50, epochs=1, runs_dir=folder)
        >>> threshold = kae.calibrate(run, 0.05)
        >>> kae.score(run, "digits")["n"]
        360
    """
    result, _ = scored(find(run, Path(runs_dir)), fspath(source), normal, top, data_dir, progress)
    return result


def scored(
    chosen: Scored,
    source: str,
    normal: str | None,
    top: int,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> tuple[Result, Scores]:
    """The result of `score`, and the scores of all images."""
    own = chosen.dataset is not None and _same(source, chosen.dataset)
    with reading(source, ["image"], chosen.image, chosen.reading, data_dir, test=True, own=own) as given:
        return judged(chosen, given, _normal(given, normal or chosen.classes, source), top, progress)


def judged(
    chosen: Scored, given: Input, usual: list[str], top: int, progress: Progress = silent
) -> tuple[Result, Scores]:
    """As `scored`, of an input whose `usual` classes are normal; with none nothing is ranked."""
    names = scores.UNTRAINED if usual else ()
    found = _collected(chosen.scorer, given, chosen.image, names, top, progress)
    facts = {"run": chosen.name, **_facts(chosen.scorer, found, usual)}
    rows = [
        (
            found.name(at),
            found.classes[at] if found.classes else "",
            float(found.values[chosen.scorer.score][at]),
            float(found.values["p_value"][at]),
            bool(found.values["flagged"][at]),
        )
        for at in found.strangest
    ]
    return Result(facts, text(facts), rows), found


def _same(source: str, dataset: str) -> bool:
    if source == dataset:
        return True
    return Path(dataset).is_absolute() and Path(source).expanduser().absolute() == Path(dataset)


def _normal(given: Input, asked: str | None, source: str) -> list[str]:
    """The names of the normal classes; none where no label says what is normal."""
    known = given.classes
    if asked is not None:
        if not known:
            say(worded(f"kae: {Path(source).name} has no labels: nothing is measured"))
            return []
        return [_class(word.strip(), known) for word in asked.split(",")]
    usual = given.normal or next((name for name in known if name.lower() in GOOD), "")
    if usual:
        others = ", ".join(name for name in known if name != usual)
        line = f"kae: {usual} is taken for what is normal, {others} for strange (--normal says otherwise)"
        say(worded(line))
    return [usual] if usual else []


def _class(word: str, known: tuple[str, ...]) -> str:
    if word in known:
        return word
    if word.isdecimal() and int(word) < len(known):
        return known[int(word)]
    raise UsageError(
        f"there is no class {word!r}{did_you_mean(word, known)}\nIts classes: {', '.join(known[:40])}."
    )


def _collected(
    scorer: Scorer,
    given: Input,
    image: tuple[int, ...],
    names: tuple[str, ...],
    top: int,
    progress: Progress,
) -> Scores:
    """Scores of all images, a chunk in memory at a time; of images the strangest alone are kept."""
    port = Port("image", np.float32, (image[0], image[1], image[2]))
    found, parts, count = Scores(), list[dict[str, Any]](), 0
    highest = np.empty(0)
    with progress("scoring", given.total) as advance:
        for chunk in given.chunks:
            images = chunk.arrays["image"]
            if not len(images):
                continue
            pixels = checked(images.reshape(-1, *port.shape), port, count)
            values = scorer(pixels, names)
            both = (
                np.concatenate([highest, values[scorer.score]]),
                np.concatenate([found.strangest, np.arange(count, count + len(pixels))]),
                _joined(found.images, pixels),
                _joined(found.reconstructions, values.pop("reconstruction")),
            )
            best = np.argsort(-both[0], kind="stable")[:top]
            highest, found.strangest, found.images, found.reconstructions = (part[best] for part in both)
            parts.append(values)
            found.names += chunk.names
            found.classes += chunk.classes
            count += len(pixels)
            advance(len(pixels))
    if not parts:
        raise DataError("there is no image to score")
    found.values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not any(found.classes):
        found.classes = []
    return found


def _joined(kept: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([kept, more]) if len(kept) else more


def _facts(scorer: Scorer, found: Scores, usual: list[str]) -> dict[str, Any]:
    values, flagged = found.values[scorer.score], found.values["flagged"]
    facts: dict[str, Any] = {
        "score": scorer.score,
        "n": len(values),
        "threshold": scorer.threshold,
        "false_alarms": None,
        "flagged": int(flagged.sum()),
        "auroc": None,
        "average_precision": None,
        "pca_auroc": None,
        "knn_auroc": None,
    }
    if not usual:
        return facts
    classes = np.array(found.classes)
    strange = ~np.isin(classes, usual)
    if not strange.all():
        facts["false_alarms"] = float(flagged[~strange].mean())
    if strange.all() or not strange.any():
        kind = "normal" if not strange.any() else "strange"
        say(f"kae: all images are {kind}: there is no ranking to measure")
        return facts
    facts |= quality(values, strange)
    for name in scores.UNTRAINED:
        measures = quality(found.values[name], strange)
        facts[f"{name}_auroc"] = measures["auroc"]
        facts["intervals"][f"{name}_auroc"] = measures["intervals"]["auroc"]
    facts["classes"] = {
        str(name): {
            "n": int((classes == name).sum()),
            "flagged": int(flagged[classes == name].sum()),
            "auroc": None if name in usual else auroc(values[~strange], values[classes == name]),
        }
        for name in np.unique(classes)
    }
    return facts
