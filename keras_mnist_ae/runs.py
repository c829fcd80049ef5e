"""The run folder: what a training run leaves behind, and the only module that knows its paths."""

import csv
import io
import json
import math
import platform
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .config import TrainConfig, configure
from .errors import CorruptFileError, UsageError, WriteError
from .files import replacing, write_text

if TYPE_CHECKING:
    from .model import Autoencoder

LATEST = "latest"


class Run:
    """A run folder: `config`, `environment`, `history`, `metrics` and `model` are read when first asked for.

    Each raises `CorruptFileError` when its file cannot be read, and `UsageError` when the run has not got that far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.figures = path / "figures"

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def config(self) -> TrainConfig:
        path = self._there("config.toml")
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
        """Columns by name, one value per epoch: `loss` and `val_loss` (mean squared error on [0, 1]), `seconds`."""
        path = self._there("history.csv")
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
            return {column: [float(row[column]) for row in rows] for column in ("loss", "val_loss", "seconds")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"{path} is not a history of ours: {error!r}") from error

    @cached_property
    def model(self) -> "Autoencoder":
        from .model import load

        return load(self._there("model.keras"))

    def export_folder(self, precision: str) -> Path:
        """Where its ONNX graphs of that precision are: `onnx` for float32, else `onnx-float16`, ..."""
        return self.path / ("onnx" if precision == "float32" else f"onnx-{precision}")

    @property
    def finished(self) -> bool:
        """Whether training came to its end: the metrics are the last file it writes."""
        return (self.path / "metrics.json").is_file()

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def write_config(self, config: TrainConfig) -> None:
        write_text(self.path / "config.toml", config.to_toml())

    def write_environment(self, **facts: Any) -> None:
        packages = {"keras_mnist_ae": __version__, "keras": version("keras"), "numpy": version("numpy")}
        write_json(
            self.path / "environment.json", {"python": platform.python_version(), "platform": platform.platform(), **packages, **facts}
        )

    def write_history(self, history: dict[str, list[float]]) -> None:
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["epoch", *history])
        writer.writerows([epoch, *values] for epoch, values in enumerate(zip(*history.values(), strict=True), 1))
        write_text(self.path / "history.csv", table.getvalue())
        self.history = history

    def write_model(self, model: "Autoencoder") -> None:
        with replacing(self.path / "model.keras") as temporary:
            model.save(temporary)
        self.model = model

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        write_json(self.path / "metrics.json", metrics)
        self.metrics = metrics

    def _there(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise UsageError(
                f"run {self.path} has no {name}: it was not finished.\nTrain it again, or name another run (kae runs lists them)."
            )
        return path

    def _json(self, name: str) -> dict[str, Any]:
        path = self._there(name)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError("no object")
        except (OSError, ValueError) as error:
            raise CorruptFileError(f"{path} is not a file of ours: {error}") from error
        return found


def create(config: TrainConfig) -> Run:
    """A new run folder with the config in it, the latest from now on.

    Its name is the config's, else made of the UTC time, variant and backend. Raises `UsageError` when a run of that name exists and
    `WriteError` when the folder cannot be made.
    """
    runs_dir = Path(config.runs_dir)
    name = config.name or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.variant}-{config.backend}"
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        path = _make(runs_dir, name, again=config.name is None)
    except OSError as error:
        raise WriteError(
            f"cannot make the run folder {runs_dir / name}: {error.strerror}\nChoose another place with --runs-dir."
        ) from error
    run = Run(path)
    run.write_config(config)
    write_text(runs_dir / LATEST, f"{path.name}\n")
    return run


def _make(runs_dir: Path, name: str, again: bool) -> Path:
    """Make the folder; a generated name that is taken (two runs in one second) gets a number."""
    for number in range(1, 1000):
        path = runs_dir / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            if not again:
                raise UsageError(f"a run named {name!r} exists in {runs_dir}.\nChoose another --name, or remove that folder.") from None
        else:
            return path
    raise UsageError(f"too many runs named {name!r} in {runs_dir}")


def find(run: str | None, runs_dir: Path = Path("runs")) -> Run:
    """The run of that name in the runs folder, or the one at that path; the latest when `run` is None. Raises `UsageError`."""
    if run is None:
        latest = runs_dir / LATEST
        if not latest.is_file():
            raise UsageError(f"there is no run in {runs_dir.resolve()} yet.\nTrain one (kae train), or name a run folder.")
        run = latest.read_text(encoding="utf-8", errors="replace").strip()
    for path in (runs_dir / run, Path(run)):
        if (path / "config.toml").is_file():
            return Run(path)
    raise UsageError(f"no run {run!r} in {runs_dir.resolve()}, and no run folder of that path.\nkae runs lists the runs.")


def every(runs_dir: Path = Path("runs")) -> list[Run]:
    """All runs of a folder, the lowest test error first; unfinished ones and those whose files cannot be read last."""
    found = [Run(path.parent) for path in sorted(runs_dir.glob("*/config.toml"))]
    return sorted(found, key=_rank)


def _rank(run: Run) -> tuple[float, str]:
    try:
        return (run.metrics["test_mse"] if run.finished else math.inf), run.name
    except CorruptFileError:
        return math.inf, run.name


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
