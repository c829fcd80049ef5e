"""Anomaly scores of images by a calibrated autoencoder, of a run or of an export."""

from os import PathLike, fspath
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from ..analysis import scores
from ..analysis.detection import auroc, quality
from ..analysis.scorer import Scorer
from ..datasets.reading import ReadingOptions
from ..errors import UsageError, worded
from ..export import inputs
from ..export.streams import Input
from ..system.hints import did_you_mean
from ..system.notes import say
from ..system.result import Result
from .anomaly_text import text
from .scored_images import ScoredImages, collected
from .scorers import Scored, find

GOOD = ("good", "normal", "ok")  # names of classes that say what is normal


def score(
    run: Any,
    source: str | PathLike[str],
    *,
    normal: str | None = None,
    top: int = 10,
    output: str | PathLike[str] | None = None,
    maps: str | PathLike[str] | None = None,
    data_dir: Path | None = None,
    runs_dir: Path | str = "runs",
    **reading: Unpack[ReadingOptions],
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
        output: a .csv, .parquet or .npz file to write, with a row an image.
        maps: a folder for a picture of each of the strangest: image, reconstruction, error as heat.
        data_dir: where the datasets lie.
        runs_dir: where runs are looked for by name.
        reading: what is read otherwise than the run's own images: `resize`, `fit`, `range`,
            `invert`, `image_shape`, `arrays`.

    Returns:
        `score`, `n`, `threshold`, `flagged`, and, None without labels of what is normal,
        `false_alarms` (the share of normal images that is flagged), `auroc`, `average_precision`,
        `pca_auroc`, `knn_auroc`, with their `intervals`, and `classes`; `rows` holds a tuple
        (image, class, score, p-value, flagged) for each of the strangest, `arrays` these five of
        all images, (n,) each.

    Raises:
        UsageError: There is no calibration, no such class or kind of file.
        DataError: The images are of another size, or damaged.
        CorruptFileError: The calibration is damaged, or of another model.
        WriteError: A file cannot be written.

    Examples:
        >>> import keras_mnist_ae as kae
        >>> folder = getfixture("tmp_path")
        >>> run = kae.train("mlp", "digits", limit=100, validation=50, epochs=1, runs_dir=folder)
        >>> threshold = kae.calibrate(run, 0.05)
        >>> kae.score(run, "digits")["n"]
        360
    """
    from . import score_files

    if output is not None:
        score_files.check_target(Path(output))
    source, chosen = fspath(source), find(run, Path(runs_dir))
    own = chosen.dataset is not None and _same(source, chosen.dataset)
    asked = chosen.reading.changed(chosen.image, reading)
    with inputs.reading(source, ["image"], chosen.image, asked, data_dir, test=True, own=own) as given:
        usual = _normal(given, normal or chosen.classes, source)
        result, found = judged(chosen, given, usual, top)
    if output is not None:
        score_files.write_table(Path(output), result.arrays)
    if maps is not None:
        score_files.write_maps(Path(maps), chosen.scorer, found)
    return result


def judged(chosen: Scored, given: Input, usual: list[str], top: int) -> tuple[Result, ScoredImages]:
    """The result of `score` and the scores of all images, of an input whose `usual` classes are
    normal; with none nothing is ranked.
    """
    names = scores.UNTRAINED if usual else ()
    found = collected(chosen.scorer, given, chosen.image, names, top)
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
    return Result(facts, text(facts), rows, found.columns(chosen.scorer.score)), found


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


def _facts(scorer: Scorer, found: ScoredImages, usual: list[str]) -> dict[str, Any]:
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
