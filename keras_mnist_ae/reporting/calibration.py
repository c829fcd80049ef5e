"""A threshold above which images count as strange, from normal images unseen in training."""

import hashlib
from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..analysis import normal, scores
from ..analysis.codec import Codec, of_graphs
from ..analysis.conformal import threshold
from ..analysis.scorer import CALIBRATION, STATISTICS
from ..datasets.dataset import Dataset
from ..datasets.images import chunks
from ..datasets.reading import ReadingOptions
from ..errors import UsageError, worded
from ..export import weights
from ..export.formats import PRECISIONS
from ..runs.checksums import to_json
from ..runs.folder import Run
from ..runs.reading import trained_reading
from ..system.hints import did_you_mean
from ..system.notes import say
from ..system.progress import phase
from ..system.result import Result
from .codecs import keras_codec

if TYPE_CHECKING:
    from ..datasets.images import Images

PIXELS = 0.999  # of normal images, whose errors the colours of maps tell apart


def calibrate(
    run: Run,
    false_alarms: float = 0.01,
    *,
    score: str = scores.DEFAULT,
    images: str | PathLike[str] | None = None,
    data_dir: Path | None = None,
    dataset: Any = None,
    **reading: Unpack[ReadingOptions],
) -> Result:
    """Set the threshold above which an image counts as strange, by split conformal prediction.

    Of further normal images at most a share `false_alarms` is flagged, in expectation. It takes
    normal images that training has not seen: those in `images`, else the run's validation images
    (`--validation`), else the test images of the classes that it was trained on.

    Args:
        run: a finished run.
        false_alarms: the share of normal images that may be flagged, above 0 and below 1.
        score: a name of `analysis.scores.SCORES`.
        images: a folder or file of normal images; None takes those of the run's dataset.
        data_dir: where the data lie now.
        dataset: where the run's dataset lies now, or other data of the same size.
        reading: how `images` are read otherwise than the run's own: `resize`, `fit`, `range`,
            `invert`, `image_shape`, `arrays`.

    Returns:
        `threshold`, `score`, `false_alarms`, `n`, the number of normal images, and `normal`, where
        they are from. They are kept in the run, and in its exports.

    Raises:
        UsageError: There is no such score, there are too few normal images, or `reading` is given
            without `images`.
        DataError: The data are missing or have changed.
        ValidationError: The model gives NaN or infinity.

    Examples:
        >>> from keras_mnist_ae import calibrate, train
        >>> folder = getfixture("tmp_path")
        >>> run = train("mlp", "digits", limit=100, validation=50, epochs=1, runs_dir=folder)
        >>> calibrate(run, false_alarms=0.05)["n"]
        50
    """
    check_score(score, run.variant.variational)
    if images is None and (given := [name for name, value in reading.items() if value not in (None, False)]):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{flags} say how the images of --images are read: name these too.")
    codec, data = keras_codec(run, data_dir, dataset)
    if run.variant.switches:
        line = (
            f"kae: the pooling switches of {run.variant.name} carry most of the image past the code, "
            "whatever it shows: its error says little of strangeness"
        )
        say(worded(line))
    train = data.train.images[: len(data.train.images) - run.config.validation]
    found, where = _given(run, images, data_dir, reading) if images else _kept_out(run, data)
    threshold(np.arange(float(len(found.images))), false_alarms)  # too few are refused before the work
    with phase("training images", min(len(train), normal.FITTED)) as advance:
        likelihood = run.config.likelihood if run.variant.variational else None
        statistics = normal.fit(codec, train, advance, likelihood)
    with phase("normal images"):
        values = _scores(codec, found, statistics, score)
        pixels = _largest_error(codec, found)
    facts = {
        "score": score,
        "false_alarms": false_alarms,
        "threshold": threshold(values, false_alarms),
        "n": len(values),
        "normal": where,
    }
    _keep(run, {**facts, "largest_error": pixels}, values, statistics, found)
    text = (
        f"threshold      {facts['threshold']:.6g} of {score} ({scores.SCORES[score].meaning})\n"
        f"promise        at most {false_alarms:.2%} of further normal images are flagged, in "
        f"expectation\nnormal images  {len(values):,}, {where}"
    )
    return Result({"run": str(run.path), **facts}, text)


def check_score(name: str, variational: bool) -> None:
    """Raise `UsageError` for a score that there is not."""
    known = [each for each in scores.SCORES if variational or each not in scores.VARIATIONAL]
    if name in scores.SCORES and name not in known:
        raise UsageError(f"score is {name!r}, which variational variants alone have: vae-mlp, vae-conv")
    if name not in known:
        raise UsageError(f"score is {name!r}{did_you_mean(name, known)}; use one of {', '.join(known)}")


class _Chunks:
    """Images in [0, 1], a chunk at a time, as often as asked for."""

    def __init__(self, images: "Images") -> None:
        self.images = images

    def __iter__(self) -> Any:
        return chunks(self.images)


def _kept_out(run: Run, data: Dataset) -> "tuple[_Chunks, str]":
    """Normal images of the run's dataset that training has not seen, and where these are from."""
    kept = run.config.validation
    if kept:
        return _Chunks(data.train.images[-kept:]), "kept out of training for validation"
    labels = data.test.labels
    if data.train.labels is None or labels is None:
        return _Chunks(data.test.images), "the test images, all taken for normal"
    chosen = np.isin(labels, np.unique(data.train.labels))
    if not chosen.any():
        raise UsageError(
            "no normal images were kept out of training: none of the test images is of a class that it "
            "was trained on.\nKeep some out (--validation), or name others (--images)."
        )
    where = "the test images"
    return _Chunks(data.test.images[chosen]), where + (
        "" if chosen.all() else " of the classes it was trained on"
    )


def _given(
    run: Run, images: str | PathLike[str], data_dir: Path | None, options: ReadingOptions
) -> "tuple[_Chunks, str]":
    """Normal images in a folder or file of the user's, and its name."""
    from ..export import inputs
    from ..models.ports import Port, checked

    channels, height, width = run.variant.image
    port = Port("image", np.float32, (height, width, channels))
    asked = trained_reading(run).changed(port.shape, options)
    with inputs.reading(fspath(images), ["image"], port.shape, asked, data_dir) as given:
        parts = [
            np.rint(checked(chunk.arrays["image"].reshape(-1, *port.shape), port, 0) * 255).astype(np.uint8)
            for chunk in given.chunks
        ]
    return _Chunks(np.concatenate(parts)), f"in {Path(images).name}"


def _scores(
    codec: Codec, images: Iterable[NDArray[np.float32]], statistics: scores.Statistics, name: str
) -> NDArray[np.float64]:
    parts = [scores.computed(codec, chunk, statistics, (name,))[0][name] for chunk in images]
    return np.concatenate(parts) if parts else np.empty(0)


def _largest_error(codec: Codec, images: _Chunks) -> float:
    """The squared error of a pixel below which so many pixels of the first normal images lie: the
    end of the colours in maps.
    """
    first = next(iter(images))
    errors = scores.error_map(first, codec.reconstruct(first))
    return max(float(np.quantile(errors, PIXELS)), 1e-12)


def _keep(
    run: Run,
    facts: dict[str, Any],
    values: NDArray[np.float64],
    statistics: scores.Statistics,
    images: _Chunks,
) -> None:
    """Write the calibration into the run and into its exports, those in float16 and int8 with the
    threshold of their own scores.
    """
    from ..export import calibrated
    from ..export.folder import write_whole
    from ..export.runtime import OnnxAutoencoder

    with run.replacing(STATISTICS) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **statistics.arrays())
    arrays = (run.path / STATISTICS).read_bytes()
    told = {
        **facts,
        "weights_sha256": weights.fingerprint(weights.read(run.model)),
        "statistics_sha256": hashlib.sha256(arrays).hexdigest(),
    }
    run.write_text(CALIBRATION, _text(told, values))
    for precision in PRECISIONS:
        folder = run.export_folder(precision)
        if not (folder / "manifest.json").is_file():
            continue
        files = calibrated.read(folder)
        graphs = OnnxAutoencoder(folder)
        if graphs.info.metadata["weights_sha256"] != told["weights_sha256"]:
            say(worded(f"kae: the export in {folder} is of other weights: not calibrated"))
            continue
        if precision != "float32":
            own = _scores(of_graphs(graphs), images, statistics, facts["score"])
            text = _text({**told, "threshold": threshold(own, facts["false_alarms"])}, own)
        else:
            text = _text(told, values)
        calibration = {CALIBRATION: text.encode(), STATISTICS: arrays}
        with run.locked():
            write_whole(folder, calibrated.joined(files, calibration))


def _text(facts: dict[str, Any], values: NDArray[np.float64]) -> str:
    return to_json({**facts, "scores": [float(value) for value in np.sort(values)]})
