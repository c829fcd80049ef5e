"""A run as a codec, a pair of functions on arrays: of its Keras model or of its ONNX graphs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorruptFileError, UsageError
from ..export.formats import Precision
from ..export.manifest import command
from ..runs.folder import Run
from ..runs.reopen import reopen, reopen_data

if TYPE_CHECKING:
    from ..analysis.codec import Codec
    from ..datasets.catalog import Dataset


def keras_codec(
    run: Run, data_dir: Path | None = None, dataset: Any = None, *, samples: bool = False
) -> "tuple[Codec, Dataset]":
    """The run's Keras model as a codec, and its dataset or another; with `samples` the images that
    the run keeps will do where the data are not at hand.
    """
    model, data = reopen(run, data_dir, dataset, samples=samples)
    from ..analysis.codec import of_model

    return of_model(model), data


def onnx_codec(
    run: Run,
    precision: Precision,
    data_dir: Path | None = None,
    dataset: Any = None,
) -> "tuple[Codec, Dataset]":
    """The run's exported graphs as a codec, and its dataset; no Keras is imported.

    Raises:
        UsageError: There is no such export.
        CorruptFileError: It is of another variant.
    """
    from ..analysis.codec import of_graphs
    from ..export.runtime import OnnxAutoencoder

    run.require_finished()
    folder = run.export_folder(precision)
    if not folder.is_dir():
        raise UsageError(f"there is no export in {folder}.\nMake one: {command(folder)}")
    graphs = OnnxAutoencoder(folder)
    graphs.load()
    if graphs.info.variant != run.config.variant:
        raise CorruptFileError(
            f"{run.path} says {run.config.variant}, but the graphs in {folder} are a {graphs.info.variant}"
        )
    return of_graphs(graphs), reopen_data(run, data_dir, dataset)
