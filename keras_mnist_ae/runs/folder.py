"""The run folder: what a training run leaves behind, and the only module that knows its paths."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..architecture import toml
from ..architecture.variant import Variant
from ..errors import CorruptFileError, UsageError, WriteError, worded
from ..system.atomic import advice, replacing
from ..system.reading import LARGEST_TEXT, read_json
from .checksums import CHECKSUMS, LARGEST, allow, allowed, sha256, to_json
from .config import TrainConfig, configure
from .environment import versions
from .history import read_history, to_csv
from .leftovers import remove
from .methods import RunMethods

if TYPE_CHECKING:
    from filelock import FileLock
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..datasets.dataset import Dataset
    from ..models.autoencoder import Autoencoder


class Run(RunMethods):
    """A run folder: `config`, `environment`, `history`, `metrics` and `model` are read when first
    asked for, and every step after training is a method.

    Examples:
        >>> Run("runs/first").export_folder("int8").name
        'onnx-int8'

    Each raises `CorruptFileError` when its file cannot be read or is not what was written there,
    and `UsageError` when the run has not got that far. The `write_` methods raise `WriteError`, and
    `UsageError` while another process writes there.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.generated = self.path / "generated.npz"
        self.report_file = self.path / "report.html"
        self.data: Dataset | None = None  # where it was trained on data in memory
        self._lock: FileLock | None = None

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @cached_property
    def config(self) -> TrainConfig:
        path = self.checked("config.toml")
        try:
            return configure(path)
        except UsageError as error:
            raise CorruptFileError(f"the config of run {self.path} cannot be used: {error}") from error

    @cached_property
    def environment(self) -> dict[str, Any]:
        return self._json("environment.json")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """`train_mse` and `test_mse`, on [0, 1], and what `kae evaluate` added."""
        found = self._json("metrics.json")
        if not all(isinstance(found.get(name), float) for name in ("train_mse", "test_mse")):
            raise CorruptFileError(f"{self.path / 'metrics.json'} holds no train_mse and test_mse")
        return found

    @cached_property
    def history(self) -> dict[str, list[float]]:
        """Columns by name, one value per epoch: `loss` and `val_loss` (mean squared error on [0,
        1]; nats for a variational variant, whose parts stand beside), `seconds`.
        """
        return read_history(self.checked("history.csv"))

    @cached_property
    def model(self) -> "Autoencoder":
        from ..models.saving import load

        return load(self.checked("model.keras"), self.variant)

    @cached_property
    def variant(self) -> Variant:
        """The table that is trained."""
        path = self.checked("variant.toml")
        try:
            return toml.read(path)
        except UsageError as error:
            raise CorruptFileError(f"the table of run {self.path} cannot be used: {error}") from error

    @property
    def verdict(self) -> list[str]:
        """What the errors mean, in sentences; [] for a run of an earlier version."""
        if not (self.path / "verdict.json").is_file():
            return []
        return [worded(str(sentence)) for sentence in self._json("verdict.json")["verdict"]]

    def figure(self, name: str) -> Path:
        """The path of its picture of that name."""
        return self.path / "figures" / f"{name}.png"

    def export_folder(self, precision: str) -> Path:
        """The folder of its ONNX graphs: `onnx` for float32, else `onnx-float16`, ..."""
        return self.path / ("onnx" if precision == "float32" else f"onnx-{precision}")

    @property
    def finished(self) -> bool:
        """Whether training came to its end, where it writes the metrics."""
        return (self.path / "metrics.json").is_file()

    @property
    def evaluated(self) -> bool:
        """Whether the metrics hold the numbers of `kae evaluate`."""
        return "pca_components" in self.metrics

    def require_finished(self) -> None:
        """Raise `UsageError` for a run whose training did not come to its end."""
        _ = self.metrics

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A context in which no other process writes here. Raises `UsageError` while one does."""
        from filelock import FileLock, Timeout

        self._lock = self._lock or FileLock(self.path / ".lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise UsageError(
                f"another process is at work on run {self.path}.\nWait until it ends, or stop it."
            ) from None
        except OSError as error:
            raise WriteError(f"cannot write to run {self.path}: {error.strerror}\n{advice(error)}") from error
        try:
            if self._lock.lock_counter == 1:
                remove(self.path, self.finished)
            yield
        finally:
            self._lock.release()

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """As `atomic.replacing`, for a file of the run, whose checksum is written before it."""
        folder = (self.path / name).parent
        if folder.exists() and not folder.resolve().is_relative_to(self.path.resolve()):
            raise WriteError(f"{folder} leads out of the run folder.\nPut a folder in the place of the link.")
        with self.locked(), replacing(self.path / name) as temporary:
            yield temporary
            allow(self.path, name, temporary)

    def write_config(self, config: TrainConfig) -> None:
        self.write_text("config.toml", config.to_toml())

    def write_variant(self, variant: Variant) -> None:
        self.write_text("variant.toml", toml.to_toml(variant))

    def write_environment(self, **facts: Any) -> None:
        self.environment = {**versions(), **facts}
        self.write_text("environment.json", to_json(self.environment))

    def write_history(self, history: dict[str, list[float]]) -> None:
        self.write_text("history.csv", to_csv(history))
        self.history = history

    def write_model(self, model: "Autoencoder") -> None:
        with self.replacing("model.keras") as temporary:
            model.save_stock(temporary)
        self.__dict__.pop("model", None)  # read anew from the file

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        self.write_text("metrics.json", to_json(metrics))
        self.metrics = metrics

    def unfinish(self) -> None:
        """Take the metrics away, so that training can go on."""
        (self.path / "metrics.json").unlink(missing_ok=True)
        self.__dict__.pop("metrics", None)

    def add_metrics(self, more: dict[str, Any]) -> None:
        """Add to the metrics in the file: another command may have added some meanwhile."""
        with self.locked():
            self.__dict__.pop("metrics", None)
            self.write_metrics({**self.metrics, **more})

    def write_generated(self, **arrays: "NDArray[Any]") -> None:
        import numpy as np

        with self.replacing(self.generated.name) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **arrays)

    def write_figure(self, name: str, figure: "Figure") -> None:
        with self.replacing(f"figures/{name}.png") as temporary:
            figure.savefig(temporary, metadata={"Software": None})

    def write_report(self, text: str) -> None:
        self.write_text(self.report_file.name, text)

    def write_text(self, name: str, text: str) -> None:
        with self.replacing(name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def checked(self, name: str) -> Path:
        """The path of a file of the run whose content has been checked.

        Raises:
            UsageError: It is not there.
            CorruptFileError: Its content is not what was written there.
        """
        path = self.path / name
        if not self.path.is_dir():
            raise UsageError(f"there is no run {self.path}")
        if not path.is_file():
            if self.finished:
                raise UsageError(
                    f"{path} is gone, although the run was finished.\nRestore it from a copy, or train again."
                )
            raise UsageError(
                f"run {self.path} has no {name}: it was not finished.\n"
                f"Go on with it: kae resume {self.path}; or end it as it stands: kae finish {self.path}"
            )
        if not (self.path / CHECKSUMS).is_file():
            raise CorruptFileError(
                f"{self.path / CHECKSUMS} is gone: nothing says whether the other files are what was "
                "written.\nRestore it from a copy, or train again."
            )
        most = LARGEST_TEXT if path.suffix in (".toml", ".json", ".csv") else LARGEST
        if path.stat().st_size > most or sha256(path) not in allowed(self.path).get(name, []):
            raise CorruptFileError(
                f"{path} is not what was written there: its sha256 is not that of {CHECKSUMS}.\n"
                f"Restore it from a copy, or train again with the settings in {self.path / 'config.toml'}."
            )
        return path

    def _json(self, name: str) -> dict[str, Any]:
        path = self.checked(name)
        try:
            found = read_json(path)
            if not isinstance(found, dict):
                raise ValueError("no object")
        except (OSError, ValueError) as error:
            raise CorruptFileError(f"{path} is not a file of ours: {error}") from error
        return found
