"""The graphs of a page: those that a run has, or some made for the page alone."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CorruptFileError, UsageError, ValidationError
from ...export.formats import Precision
from ...export.manifest import command
from ...runs.folder import Run
from ...system import backend
from ...system.notes import say
from ...system.progress import phase

if TYPE_CHECKING:
    from ...datasets.dataset import Dataset
    from ...export.runtime import OnnxAutoencoder

COMPARED = 1000  # test images on which graphs made for the page are held against the Keras model


@contextmanager
def opened(
    run: Run, data: "Dataset", precision: Precision | None, largest: int
) -> "Iterator[OnnxAutoencoder]":
    """The run's export of that precision; for None its float16 export, or one made for now.

    Args:
        largest: bytes of encoder and decoder that a page can hold.

    Raises:
        UsageError: There is no such export.
        CorruptFileError: It is damaged, or of another variant.
    """
    folder = run.export_folder(precision or "float16")
    if folder.is_dir():
        yield _checked(run, folder)
    elif precision:
        raise UsageError(f"there is no export in {folder}.\nMake one: {command(folder)}")
    else:
        with tempfile.TemporaryDirectory() as temporary, phase("exporting"):
            _export(run, data, Path(temporary), largest)
            yield _checked(run, Path(temporary))


def _checked(run: Run, folder: Path) -> "OnnxAutoencoder":
    from ...export.runtime import OnnxAutoencoder

    graphs = OnnxAutoencoder(folder)
    graphs.load()
    if graphs.info.variant != run.config.variant:
        raise CorruptFileError(
            f"{run.path} says {run.config.variant}, but the graphs in {folder} are a {graphs.info.variant}"
        )
    return graphs


def _export(run: Run, data: "Dataset", folder: Path, largest: int) -> None:
    """Write the graphs in float16: in float32 where that changes the reconstructions, in int8 where
    the page cannot hold them.
    """
    try:
        files = _graphs(run, data, "float16")
    except ValidationError:
        say("kae: float16 changes the reconstructions: the page holds float32 weights")
        files = _graphs(run, data, "float32")
    if len(files["encoder"]) + len(files["decoder"]) > largest:
        say(f"kae: the weights take more than {largest:,} bytes: the page holds int8")
        files = _graphs(run, data, "int8")
    for name, content in files.items():
        (folder / f"{name}.onnx").write_bytes(content)


def _graphs(run: Run, data: "Dataset", precision: Precision) -> dict[str, bytes]:
    """The files, equal to the run's Keras model on the first test images. Raises
    `ValidationError`.
    """
    backend.choose(run.config.backend)
    from ...datasets.images import to_float
    from ...export import weights
    from ...export.folder import CALIBRATION, facts, passed
    from ...export.onnx.emit import emit
    from ...export.parity import compare

    images = to_float(data.train.images[:CALIBRATION]).transpose(0, 3, 1, 2)
    models = emit(run.model.variant, weights.read(run.model), facts(run), precision, images)
    files = {name: model.SerializeToString(deterministic=True) for name, model in models.items()}
    passed(compare(run.model, files, data.test.images[:COMPARED], precision))
    return files
