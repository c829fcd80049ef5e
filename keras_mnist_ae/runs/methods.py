# mypy: disable-error-code="no-any-return"
"""The steps after training as methods of a run: the public functions of the package, with the run
as their first argument.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, cast

from ..system.result import Result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..datasets.reading import ReadingOptions
    from ..models.autoencoder import Autoencoder

Precision = Literal["float32", "float16", "int8"]


class RunMethods:
    """What can be done with a finished run.

    `dataset` is None for the images that the run was trained on, else the path where they lie now,
    or other images: a path, arrays, a `kae.Dataset`, a PyTorch or TensorFlow dataset.
    """

    @classmethod
    def from_model(
        cls,
        model: "Autoencoder",
        dataset: Any,
        *,
        history: Any = None,
        runs_dir: str | PathLike[str] = "runs",
        name: str | None = None,
        **settings: Any,
    ) -> Self:
        """A finished run of a model that was fitted by hand, so that it can be evaluated, reported
        and exported like any other.

        Args:
            model: an `Autoencoder`, as `kae.build` and `kae.load` give it.
            dataset: what it was fitted on: as `kae.train` takes it.
            history: what `model.fit` returned, or its `history`, a dictionary of lists; None takes
                that of the model's last `fit`.
            runs_dir: folder of the run folders.
            name: the run folder is `runs_dir`/`name`; None makes one of variant and time.
            settings: others of `kae.train` that say how the data are read, such as resize="28".

        Raises:
            UsageError: It is no `Autoencoder`, or a run of that name exists.
            DataError: The data are of another size than the model takes.
            WriteError: The run folder cannot be written.

        Examples:
            >>> import numpy as np
            >>> import keras_mnist_ae as kae
            >>> model = kae.build("mlp")
            >>> model.compile("adam")
            >>> data = kae.Dataset.from_arrays(np.zeros((60, 28, 28), np.uint8))
            >>> history = model.fit(data.train.images, verbose=0)
            >>> run = kae.Run.from_model(model, data, runs_dir=getfixture("tmp_path"))
            >>> run.finished
            True
        """
        return _package().from_model(
            model, dataset, history=history, runs_dir=runs_dir, name=name, **settings
        )

    def evaluate(
        self,
        split: Literal["test", "train"] = "test",
        *,
        precision: Precision | None = None,
        importance_samples: int = 0,
        dataset: Any = None,
    ) -> Result:
        """Errors with intervals, beside those of a PCA of the same size: see `kae.evaluate`."""
        return _package().evaluate(
            self, split, precision=precision, importance_samples=importance_samples, dataset=dataset
        )

    def latent(self, method: Literal["pca", "tsne", "umap"] = "pca", *, dataset: Any = None) -> Result:
        """What the codes hold: classes, clusters, dimensions in use: see `kae.analyse`."""
        return _package().analyse(self, method, dataset=dataset)

    def cluster(
        self,
        clusters: int | None = None,
        *,
        methods: Sequence[Literal["kmeans", "mixture", "umap"]] = (),
        seeds: int = 10,
        dataset: Any = None,
    ) -> Result:
        """Groups among the codes, found without labels, beside those among PCA codes and pixels.

        Args:
            clusters: how many; None takes as many as there are classes.
            methods: "kmeans", "mixture" (of Gaussians) and "umap" (a mixture where UMAP has moved
                the codes to, N2D); () takes all that are installed.
            seeds: how many starts of each.

        Returns:
            `methods`, by method and space ("codes", "pca", "pixels"): `accuracy` under the best
            matching of clusters and classes, `nmi`, `ari`, and the `agreement` of seeds; `sizes`,
            the clusters with the test images nearest to the mean of each.

        Raises:
            UsageError: There are no labels and no number of clusters, or too few images.
            MissingDependencyError: A method needs umap-learn, which is not installed.
        """
        return _package().cluster(self, clusters, methods=methods, seeds=seeds, dataset=dataset)

    def generate(
        self,
        n: int = 64,
        *,
        density: Literal["mixture", "gaussian", "prior"] | None = None,
        seed: int = 0,
        quality: bool = False,
        dataset: Any = None,
    ) -> Result:
        """New images from codes drawn at random: see `kae.generate`."""
        return _package().generate(self, n, density=density, seed=seed, quality=quality, dataset=dataset)

    def interpolate(self, a: int, b: int, *, dataset: Any = None) -> Result:
        """The paths from test image number `a` to `b`, from 0: see `kae.interpolate`."""
        return _package().interpolate(self, a, b, dataset=dataset)

    def report(self, *, dataset: Any = None) -> Path:
        """Write the report, one HTML file; its path: see `kae.report`."""
        return _package().report(self, dataset=dataset)

    def export_onnx(
        self, precision: Precision = "float32", *, images: int | None = None, dataset: Any = None
    ) -> Path:
        """Write encoder, decoder and autoencoder as ONNX graphs; their folder: see
        `kae.export_onnx`.
        """
        return _package().export_onnx(self, precision, images=images, dataset=dataset)

    def explore(self, path: str | PathLike[str] | None = None, *, dataset: Any = None) -> Path:
        """Write an HTML file in which encoder and decoder work; its path: see `kae.explore`."""
        return _package().explore(self, None if path is None else Path(path), dataset=dataset)

    def compare(self) -> Result:
        """Where the run stands in the tables of record: `rows`, each with whether its protocol
        `fits`, the `reason` where it does not, the `value` and what is `published`.
        """
        return _package().compare(self)

    def calibrate(
        self,
        false_alarms: float = 0.01,
        *,
        score: str = "structure",
        images: str | PathLike[str] | None = None,
        dataset: Any = None,
        **reading: Unpack["ReadingOptions"],
    ) -> Result:
        """Set the threshold above which an image counts as strange, so that at most the share
        `false_alarms` of further normal images is, in expectation: see `kae.calibrate`.
        """
        return _package().calibrate(
            self, false_alarms, score=score, images=images, dataset=dataset, **reading
        )

    def score(
        self,
        source: str | PathLike[str],
        *,
        normal: str | None = None,
        top: int = 10,
        output: str | PathLike[str] | None = None,
        maps: str | PathLike[str] | None = None,
        **reading: Unpack["ReadingOptions"],
    ) -> Result:
        """How strange the images of a dataset, a folder or a file are, once the run is calibrated:
        see `kae.score`.
        """
        return _package().score(self, source, normal=normal, top=top, output=output, maps=maps, **reading)

    def predict(self, images: "ArrayLike") -> "NDArray[Any]":
        """Reconstructions, float32 of shape (n, H, W, C) in [0, 1], of images in any form that
        `Autoencoder.reconstruct` takes.
        """
        return cast(Any, self).model.reconstruct(images)

    def resume(
        self,
        epochs: int | None = None,
        *,
        dataset: Any = None,
        callbacks: Sequence[Any] = (),
        optimizer: Any = None,
        loss: Any = None,
        backend: str | None = None,
        data_dir: str | PathLike[str] | None = None,
        inexact: bool = False,
    ) -> Self:
        """Go on with a run that was stopped, or beyond the end of a finished one.

        Args:
            epochs: the number of epochs in all; None keeps the run's.
            dataset: what the run was trained on, where that lay in memory.
            callbacks, optimizer, loss: those that the run was started with, if any.
            backend: another than the run's; not exact.
            data_dir: the folder in which the dataset lies now.
            inexact: go on even where the result cannot be that of a run that was never stopped.

        Returns:
            The run itself, read anew.

        Raises:
            UsageError: The same bits cannot be promised, or `epochs` is not above those done.
            DataError: The data have changed.
        """
        return _package().resume(
            self,
            epochs=epochs,
            dataset=dataset,
            callbacks=callbacks,
            optimizer=optimizer,
            loss=loss,
            backend_name=backend,
            data_dir=None if data_dir is None else Path(data_dir),
            inexact=inexact,
        )

    def finish(self) -> Self:
        """End an interrupted run as its newest checkpoint has it.

        Raises:
            UsageError: It has no whole epoch yet.
        """
        return _package().conclude(self)

    def _repr_html_(self) -> str:
        return str(_package().displayed(self))


def _package() -> Any:
    import keras_mnist_ae

    return keras_mnist_ae
