"""All runs of a folder, side by side."""

import html
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

from ..errors import CorruptFileError, MissingDependencyError, UsageError
from ..system.notes import say
from .folder import Run
from .manage import status, tags
from .runs_dir import every

COLUMNS = (  # of the table: header, key of the facts, format
    ("run", "run", "{}"),
    ("status", "status", "{}"),
    ("variant", "variant", "{}"),
    ("latent", "latent", "{}"),
    ("dataset", "dataset", "{}"),
    ("epochs", "epochs", "{}"),
    ("train MSE", "train_mse", "{:.5f}"),
    ("test MSE", "test_mse", "{:.5f}"),
)


class Runs(Sequence[Run]):
    """Runs, the best of each dataset first; printed, a table.

    `rows` holds what is known of each, as `kae runs --json` gives it.
    """

    def __init__(self, found: Sequence[Run], rows: list[dict[str, Any]]) -> None:
        self._runs = found
        self.rows = rows

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    @overload
    def __getitem__(self, at: int) -> Run: ...
    @overload
    def __getitem__(self, at: slice) -> "Runs": ...
    def __getitem__(self, at: int | slice) -> "Run | Runs":
        return Runs(self._runs[at], self.rows[at]) if isinstance(at, slice) else self._runs[at]

    def to_pandas(self) -> Any:
        """The facts as a pandas DataFrame, a run a row.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "a table of runs as a DataFrame needs pandas.\nInstall it: pip install pandas"
            ) from error
        columns = [name for name in self.rows[0] if name != "metrics"] if self.rows else []
        return pandas.DataFrame(self.rows, columns=columns)

    def _cells(self) -> list[list[str]]:
        return [
            ["-" if row[key] is None else form.format(row[key]) for _, key, form in COLUMNS]
            for row in self.rows
        ]

    def __repr__(self) -> str:
        lines = [[header for header, _, _ in COLUMNS], *self._cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        header = "".join(f"<th>{name}</th>" for name, _, _ in COLUMNS)
        lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in cells) for cells in self._cells())
        rows = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table><tr>{header}</tr>{rows}</table>"


def runs(folder: str | PathLike[str] = "runs") -> Runs:
    """All runs in a folder, the lowest test error of each dataset first.

    Runs whose files cannot be read are left out, which is said on stderr.

    Raises:
        UsageError: There is no such folder.

    Examples:
        >>> len(runs(getfixture("tmp_path")))
        0
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        state = "is no folder" if place.exists() else "does not exist"
        raise UsageError(f"the folder of runs {str(place)!r} {state}")
    found, rows = [], []
    for run in every(place):
        try:
            rows.append(facts(run))
            found.append(run)
        except (CorruptFileError, UsageError, OSError) as error:
            say(f"kae: left out: {error}")
    order = sorted(range(len(rows)), key=lambda at: rows[at]["dataset"])
    return Runs([found[at] for at in order], [rows[at] for at in order])


def facts(run: Run) -> dict[str, Any]:
    """What is known of a run; None for what an unfinished one does not have."""
    history = run.history if (run.path / "history.csv").is_file() else {"loss": [], "seconds": []}
    metrics = run.metrics if run.finished else {}
    variant = run.variant
    return {
        "run": run.name,
        "status": status(run),
        "tags": tags(run),
        "variant": variant.name,
        "latent": variant.latent,
        "parameters": variant.parameters,
        "backend": run.config.backend,
        "dataset": run.config.dataset,
        "epochs": len(history["loss"]),
        "loss": history["loss"][-1] if history["loss"] else None,
        "train_mse": metrics.get("train_mse"),
        "test_mse": metrics.get("test_mse"),
        "seconds": round(sum(history["seconds"]), 3),
        "metrics": metrics,
    }
