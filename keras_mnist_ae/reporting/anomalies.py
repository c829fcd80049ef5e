"""Anomalies: a threshold calibrated on normal images, and scores of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import scores
from ..analysis.codec import Codec, of_graphs
from ..analysis.conformal import p_values, threshold
from ..analysis.detection import quality
from ..datasets.classes import numbers as class_numbers
from ..datasets.dataset import Dataset
from ..errors import CorruptFileError, UsageError
from ..runs.checksums import to_json
from ..runs.folder import Run
from ..system import npy
from ..system.notes import say
from ..system.progress import Progress, silent
from ..system.reading import read_json
from ..system.result import Result
from .codecs import keras_codec

if TYPE_CHECKING:
    from ..datasets.images import Images

CALIBRATION, STATISTICS = "calibration.json", "scoring.npz"
COLUMNS = ("image", "class", "score", "p_value", "flagged")


def calibrate(
    run: Run,
    false_alarms: float = 0.01,
    *,
    score: str = scores.DEFAULT,
    data_dir: Path | None = None,
    dataset: str | None = None,
    progress: Progress = silent,
) -> Result:
    """Set the threshold above which an image counts as strange, by split conformal prediction.

    Of further normal images at most a share `false_alarms` is flagged, in expectation. Normal
    images that training has not seen are needed: the run's validation images (`--validation`),
    else the test images of the classes that it was trained on.

    Args:
        score: a name of `analysis.scores.SCORES`.

    Returns:
        `threshold`, `score`, `false_alarms` and `n`, the number of normal images. They are kept in
        the run and beside its exports.

    Raises:
        UsageError: There is no such score, or there are too few normal images.
    """
    check_score(score)
    codec, data = keras_codec(run, data_dir, dataset)
    if run.variant.switches:
        say(
            f"kae: the pooling switches of {run.variant.name} carry much of the image past the code: "
            "its error says little of strangeness"
        )
    train, normal, where = _normal(run, data)
    with progress("normal images") as advance:
        statistics = scores.fit(codec, train, normal)
        values = scores.scored(codec, normal, statistics, [score])[score]
        advance(len(normal))
    facts = {
        "score": score,
        "false_alarms": false_alarms,
        "threshold": threshold(values, false_alarms),
        "n": len(values),
        "normal": where,
        "weights_sha256": weights_of(run),
    }
    kept = {**facts, "scores": [float(value) for value in np.sort(values)]}
    _keep(run, kept, statistics)
    text = (
        f"threshold      {facts['threshold']:.6g} of {score} ({scores.SCORES[score].meaning})\n"
        f"promise        at most {false_alarms:.2%} of further normal images are flagged, in "
        f"expectation\nnormal images  {len(values):,}, {where}"
    )
    return Result({"run": str(run.path), **facts}, text)


def check_score(name: str) -> None:
    """Raise `UsageError` for a score that there is not."""
    if name not in scores.SCORES:
        raise UsageError(f"score is {name!r}; use one of {', '.join(scores.SCORES)}")


def _normal(run: Run, data: Dataset) -> tuple["Images", "Images", str]:
    """Training images, normal images that training has not seen, and where these are from."""
    count = len(data.train.images) - run.config.validation
    train = data.train.images[:count]
    if run.config.validation:
        return train, data.train.images[count:], "kept out of training for validation"
    if run.config.classes and data.test.labels is not None:
        chosen = np.isin(data.test.labels, class_numbers(data, run.config.classes))
        return train, data.test.images[chosen], "the test images of the classes it was trained on"
    return train, data.test.images, "the test images"


def weights_of(run: Run) -> str:
    """The fingerprint of the weights, by which a calibration knows its model."""
    from ..export import weights

    return weights.fingerprint(weights.read(run.model))


def _keep(run: Run, facts: dict[str, Any], statistics: scores.Statistics) -> None:
    run.write_text(CALIBRATION, to_json(facts))
    with run.replacing(STATISTICS) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **statistics.arrays())
    for folder in run.path.glob("onnx*"):
        if (folder / "manifest.json").is_file():
            for name in (CALIBRATION, STATISTICS):
                (folder / name).write_bytes((run.path / name).read_bytes())


class Scorer:
    """Scores images by a calibrated autoencoder: of a run by its Keras model, or of a folder of
    exported graphs in onnxruntime.
    """

    def __init__(self, codec: Codec, folder: Path, weights_sha256: str) -> None:
        self.codec = codec
        if not (folder / CALIBRATION).is_file():
            raise UsageError(f"{folder} has no calibration yet.\nMake one: {_remedy(folder)}")
        try:
            self.facts = read_json(folder / CALIBRATION)
            self.statistics = scores.Statistics(**npy.archive(folder / STATISTICS))
            self.normal = np.array(self.facts["scores"], np.float64)
            self.threshold = float(self.facts["threshold"])
            self.score = str(self.facts["score"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"{folder / CALIBRATION} is no calibration of ours: {error}") from error
        if self.facts.get("weights_sha256") != weights_sha256:
            raise CorruptFileError(
                f"the calibration in {folder} is of another model.\nMake it anew: {_remedy(folder)}"
            )

    @classmethod
    def of_run(cls, run: Run) -> "Scorer":
        """The scorer of a run's Keras model."""
        from ..system import backend

        run.require_finished()
        backend.choose(run.config.backend)
        sha256 = weights_of(run)
        from ..analysis.codec import of_model

        return cls(of_model(run.model), run.path, sha256)

    @classmethod
    def of_export(cls, folder: Path) -> "Scorer":
        """The scorer of exported graphs: no Keras is imported."""
        from ..export.runtime import OnnxAutoencoder

        graphs = OnnxAutoencoder(folder)
        return cls(of_graphs(graphs), folder, graphs.info.metadata["weights_sha256"])

    def __call__(self, images: "Images", names: list[str] | None = None) -> dict[str, Any]:
        """Scores by name, and `p_value` and `flagged` of the calibrated one, each (n,)."""
        names = list(dict.fromkeys([self.score, *(names or [])]))
        values: dict[str, Any] = dict(scores.scored(self.codec, images, self.statistics, names))
        values["p_value"] = p_values(values[self.score], self.normal)
        values["flagged"] = values[self.score] > self.threshold
        return values

    def error_map(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Squared error of each pixel (n, H, W) of images in [0, 1]."""
        return scores.error_map(images, self.codec.reconstruct(images))


def _remedy(folder: Path) -> str:
    run = folder if (folder / "config.toml").is_file() else folder.parent
    return f"kae calibrate {run}" if (run / "config.toml").is_file() else "kae calibrate"


def score(
    scorer: Scorer, data: Dataset, normal: list[int] | None = None, progress: Progress = silent
) -> Result:
    """Scores of the test images of a dataset, a row per image under "rows".

    Args:
        normal: the numbers of the classes that are normal; None where no label says so.
    """
    images, labels = data.test.images, data.test.labels
    with progress("scoring", len(images)) as advance:
        parts = []
        for start in range(0, len(images), 1000):
            parts.append(scorer(images[start : start + 1000], list(scores.UNTRAINED)))
            advance(len(images[start : start + 1000]))
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    flagged = int(values["flagged"].sum())
    facts: dict[str, Any] = {
        "score": scorer.score,
        "n": len(images),
        "threshold": scorer.threshold,
        "false_alarms": None,
        "flagged": flagged,
        "auroc": None,
        "average_precision": None,
        "pca_auroc": None,
        "knn_auroc": None,
    }
    if normal is not None and labels is not None:
        strange = ~np.isin(labels, normal)
        usual = values["flagged"][~strange]
        facts["false_alarms"] = float(usual.mean()) if len(usual) else None
        facts |= quality(values[scorer.score], strange)
        for name in scores.UNTRAINED:
            facts[f"{name}_auroc"] = quality(values[name], strange)["auroc"]
    return Result(facts, _text(facts), rows=list(_rows(data, values, scorer.score)))


def _rows(data: Dataset, values: dict[str, Any], name: str) -> Iterator[tuple[Any, ...]]:
    labels = data.test.labels
    for at in range(len(data.test.images)):
        label = "" if labels is None else data.classes[labels[at]]
        yield at, label, float(values[name][at]), float(values["p_value"][at]), bool(values["flagged"][at])


def _text(facts: dict[str, Any]) -> str:
    lines = [
        f"flagged        {facts['flagged']:,} of {facts['n']:,} images, above {facts['threshold']:.6g} of "
        f"{facts['score']}"
    ]
    if facts["auroc"] is not None:
        low, high = facts["intervals"]["auroc"]
        lines += [
            f"AUROC          {facts['auroc']:.4f} ({low:.4f} - {high:.4f}); PCA {facts['pca_auroc']:.4f}, "
            f"5 nearest neighbours {facts['knn_auroc']:.4f}",
            f"precision      {facts['average_precision']:.4f} on average",
            f"false alarms   {facts['false_alarms']:.2%} of the normal images; "
            f"{facts['false_alarms_at_95']:.2%} where 95 % of the strange ones are found",
        ]
    return "\n".join(lines)
