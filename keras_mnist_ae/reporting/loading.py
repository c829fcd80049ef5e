"""Opening whatever this package wrote: runs, models, exports, published folders."""

import tempfile
import zipfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CorruptFileError, DataError, MissingDependencyError, UsageError
from ..runs.folder import Run

if TYPE_CHECKING:
    from ..architecture.variant import Variant
    from ..export.runtime import OnnxAutoencoder
    from ..models.autoencoder import Autoencoder

HUB = "hf://"
PUBLISHED = ("metadata.json", "config.json", "model.weights.h5")


def load(path: "str | PathLike[str]") -> "Run | Autoencoder | OnnxAutoencoder":
    """Open what this package wrote.

    Args:
        path: a run folder, which gives a `Run`; a `.keras` file or a folder that `kae publish`
            wrote, which give an `Autoencoder`; a folder of exported graphs, which gives an
            `OnnxAutoencoder`; or "hf://USER/REPOSITORY" with an optional "@REVISION", a published
            folder on the Hugging Face hub, which is downloaded.

    Raises:
        UsageError: There is nothing of that kind.
        CorruptFileError: A file is damaged or not one of ours.
        MissingDependencyError: "hf://" needs `huggingface_hub`.
    """
    if str(path).startswith(HUB):
        return _published(_download(str(path)))
    place = Path(path).expanduser()
    if (place / "config.toml").is_file():
        return Run(place)
    if (place / "encoder.onnx").is_file():
        from ..export.runtime import OnnxAutoencoder

        return OnnxAutoencoder(place)
    if all((place / name).is_file() for name in PUBLISHED):
        return _published(place)
    if place.is_file() and place.suffix == ".keras":
        from ..models.saving import load as load_model

        return load_model(place)
    what = "holds none of them" if place.exists() else "does not exist"
    raise UsageError(
        f"{place} {what}: a run folder, a .keras file, a folder of exported graphs or a published folder."
    )


def _published(folder: Path) -> "Autoencoder":
    """The autoencoder in a folder that `publish` wrote, screened as any `.keras` file is."""
    from ..models.saving import load as load_model

    with tempfile.TemporaryDirectory() as temporary:
        archive = Path(temporary) / "model.keras"
        try:
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
                for name in PUBLISHED:
                    packed.write(folder / name, name)
        except OSError as error:
            raise CorruptFileError(f"{folder} cannot be read: {error.strerror}") from error
        return load_model(archive, _variant(folder))


def _variant(folder: Path) -> "Variant | None":
    from ..architecture.toml import read

    table = folder / "variant.toml"
    return read(table) if table.is_file() else None


def _download(address: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "a model on the hub needs huggingface_hub.\nInstall it: pip install 'keras_mnist_ae[hub]'"
        ) from error
    repository, _, revision = address.removeprefix(HUB).partition("@")
    try:
        return Path(snapshot_download(repository, revision=revision or None))
    except (OSError, ValueError, HfHubHTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"cannot download {address}: {reason}") from error
