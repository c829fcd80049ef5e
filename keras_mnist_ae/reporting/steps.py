"""Steps after training, each a function from a run to its result: the commands call them, and so do
Python users. Steps that make images are in `generated`.
"""

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UsageError, ValidationError, worded
from ..export.formats import Precision
from ..runs.folder import Run
from ..runs.reopen import is_own, reopen
from ..system.notes import say
from ..system.progress import phase
from ..system.result import Result
from . import text
from .codecs import keras_codec, onnx_codec

if TYPE_CHECKING:
    from ..analysis.codec import Codec
    from ..datasets.catalog import Dataset


def evaluate(
    run: Run,
    split: str = "test",
    *,
    precision: Precision | None = None,
    importance_samples: int = 0,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> Result:
    """Measure the reconstructions of a run beside those of a PCA of the same size.

    Args:
        split: "test" or "train".
        precision: measure the graphs exported in it; None measures the Keras model.
        importance_samples: codes per image for the importance-weighted bound on the log likelihood
            of a variational variant (Burda et al. 2016); 0 leaves it out.
        data_dir: where the data lie now, if not where they lay in training.
        dataset: the path where they lie now, or other data, whose numbers go under their name.

    Returns:
        The numbers of `analysis.evaluation.evaluate`, errors per pixel on [0, 1]. They are kept in
        the run's metrics.

    Raises:
        UsageError: The run is not finished, or has no such export.
        DataError: Its dataset is missing or has changed.
        ValidationError: The model gives NaN or infinity.
    """
    from ..analysis.elbo import evidence
    from ..analysis.evaluation import evaluate as measure
    from ..analysis.metrics import noisy_error
    from ..datasets.noise import corruption

    if split not in ("test", "train"):
        raise UsageError(f"split is {split!r}; use one of test, train")
    if importance_samples and not (run.variant.variational and precision is None):
        raise UsageError("importance samples are for the Keras model of a variational variant")
    if precision is None:
        source, (codec, data) = "Keras", keras_codec(run, data_dir, dataset)
    else:
        source, (codec, data) = f"ONNX {precision}", onnx_codec(run, precision, data_dir, dataset)
    images = getattr(data, split).images
    with phase("evaluating", len(images)) as advance:
        errors = measure(data, split, codec.reconstruct, run.variant, advance)
    numbers: dict[str, Any] = {"split": split, "model": source, **errors}
    if kind := run.config.noise:
        noisy = noisy_error(images, codec.reconstruct, corruption(kind), run.config.seed + 1)
        numbers["noise"] = {"kind": kind, "mse": noisy}
    if run.variant.variational and precision is None:
        with phase("sampling codes", len(images)) as advance:
            numbers["evidence"] = evidence(
                run.model,
                images,
                run.config.likelihood,
                importance_samples,
                run.config.seed,
                advance,
            )
    own = is_own(run, data)
    key = f"{source} {split}" if own else f"{data.title}: {source} {split}"
    usual = own and precision is None and split == "test"
    run.add_metrics(numbers if usual else {key: numbers})
    count = f"{numbers['n']:,} {split} images"
    head = f"{run.path}: {run.config.variant} ({source}) on the {count} of {data.title}\n"
    return Result({"run": str(run.path), **numbers}, f"{head}\n{text.evaluation(numbers)}")


def analyse(
    run: Run,
    method: str = "pca",
    *,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> Result:
    """Measure what the codes of a run hold: classes, clusters, dimensions in use, neighbours.

    Everything is fitted on the codes of the training images and scored on those of the test images.

    Args:
        method: of the map of the codes, "pca", "tsne" or "umap".

    Returns:
        The numbers of `analysis.latent.analyse`, kept in the run's metrics, and the paths of the
        `figures` drawn.

    Raises:
        ValidationError: All codes are the same.
        MissingDependencyError: umap-learn is not installed.
    """
    codec, data = keras_codec(run, data_dir, dataset)
    return _analyse(run, codec, data, method)


def _analyse(run: Run, codec: "Codec", data: "Dataset", method: str) -> Result:
    from ..analysis import latent, pca
    from ..datasets.images import to_float
    from . import figures, kept

    train, test = kept.codes(run, codec, data)
    with phase("latent") as advance:

        def tell(phase: str) -> None:
            advance(1)

        linear = pca.fit(data.train.images, train.shape[1])
        linear_codes = [linear.encode(to_float(each.images)) for each in (data.train, data.test)]
        numbers = latent.analyse(data, train, test, linear_codes[0], linear_codes[1], tell)
        name = "map" if method == "pca" else f"map-{method}"
        drawn = {
            name: figures.mapped(train, test, data, method, tell),
            "neighbours": figures.neighbours(data, train, test),
        }
    for name, figure in drawn.items():
        run.write_figure(name, figure)
    own = is_own(run, data)
    run.add_metrics({"latent" if own else f"{data.title}: latent": numbers})
    paths = [str(run.figure(name)) for name in drawn]
    head = (
        f"{run.path}: {run.config.variant}, fitted on {numbers['n_train']:,} codes, scored on "
        f"{numbers['n_test']:,}, of {data.title}\n"
    )
    lines = [head, text.latent(numbers), *(f"figure         {path}" for path in paths)]
    return Result({"run": str(run.path), **numbers, "figures": paths}, "\n".join(lines))


def draw(
    run: Run,
    *,
    keep: AbstractSet[str] = frozenset(),
    data_dir: Path | None = None,
) -> dict[str, Path]:
    """Draw every picture of a run anew but those to `keep`; the paths by name.

    Pictures of the codes are left out where all codes are the same.
    """
    _, data = keras_codec(run, data_dir)
    return _draw(run, data, keep)


def _draw(run: Run, data: "Dataset", keep: AbstractSet[str]) -> dict[str, Path]:
    from . import figures
    from .captions import CAPTIONS

    drawn = {}
    with phase("figures", len(CAPTIONS)) as advance:
        for name, figure in figures.pictures(run, data):
            drawn[name] = run.figure(name)
            if name not in keep:
                run.write_figure(name, figure)
            advance(1)
    return drawn


def report(
    run: Run,
    *,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> Path:
    """Write the report of a run as one HTML file; its path.

    What `evaluate`, `analyse`, `draw` and `explore` have not made yet is made first; where the
    data are not at hand the report holds what is known.
    """
    from . import detected, figures, html
    from .captions import CAPTIONS
    from .explorer.explore import renew

    def write(latent_missing: str = "") -> Path:
        renew(run, data_dir, dataset)
        detected.renew(run, data_dir, dataset)
        html.write(run, latent_missing)
        return run.report_file

    there = {name for name in CAPTIONS if run.figure(name).is_file()}
    if run.evaluated and "latent" in run.metrics and there >= set(CAPTIONS):
        return write()  # needs neither model nor data, once there is an explorer
    try:
        codec, data = keras_codec(run, data_dir, dataset)
    except DataError as error:
        if dataset or data_dir:
            raise
        say(worded(f"kae: {error}\nkae: the report holds what the run knows (--dataset PATH for more)"))
        if "losses" not in there:
            run.write_figure("losses", figures.losses(run))
        html.write(run, "Nothing was measured: the data were not at hand.")
        return run.report_file
    if not run.evaluated:
        evaluate(run, data_dir=data_dir, dataset=dataset)
    latent_missing = ""
    if "latent" not in run.metrics:
        try:
            _analyse(run, codec, data, "pca")
        except ValidationError as error:  # the rest of the report can be written
            latent_missing = str(error)
            say(f"kae: {latent_missing}")
    if there < set(CAPTIONS):
        _draw(run, data, there)
    return write(latent_missing)


def export_onnx(
    run: Run,
    precision: Precision = "float32",
    *,
    images: int | None = None,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> Path:
    """Export encoder, decoder and autoencoder as ONNX graphs, proved equal to the Keras model on
    the test images; the folder they are in.

    Args:
        precision: of the weights: "float32", "float16" or "int8".
        images: compare on the first so many test images; None compares on all.
        data_dir: where the data lie now, if not where they lay in training.
        dataset: the path where they lie now, or other data of the same size.

    Raises:
        ValidationError: A graph differs from the model.
    """
    _, data = reopen(run, data_dir, dataset, samples=True)
    from ..export.folder import export  # imports keras, so the backend is chosen first

    return export(run, data, precision, images).folder
