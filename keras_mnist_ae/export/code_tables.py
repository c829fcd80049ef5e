"""Codes as tables: a row an image, with the columns name, class, z0, z1, ..."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingDependencyError, reason

Rows = Callable[[list[str], list[str], NDArray[Any]], None]


def _arrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "Parquet needs pyarrow.\nInstall it: pip install 'keras_mnist_ae[tables]'"
        ) from error
    return pyarrow


class CsvCodes:
    """A CSV file that grows by chunks of codes float32 of shape (n, d)."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["name", "class", *(f"z{at}" for at in range(size))])

    def write(self, names: list[str], classes: list[str], codes: NDArray[Any]) -> None:
        """Append a row for each code, every number with the digits that tell it from others."""
        numbers = codes.astype(np.float32).astype(str)
        self._writer.writerows(
            [name, kind, *row] for name, kind, row in zip(names, classes, numbers, strict=True)
        )

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class ParquetCodes:
    """A Parquet file that grows by chunks of codes float32 of shape (n, d)."""

    def __init__(self, path: Path, size: int) -> None:
        self._arrow = arrow = _arrow()
        from pyarrow import parquet

        columns = [("name", arrow.string()), ("class", arrow.string())]
        self._schema = arrow.schema(columns + [(f"z{at}", arrow.float32()) for at in range(size)])
        self._writer = parquet.ParquetWriter(path, self._schema)

    def write(self, names: list[str], classes: list[str], codes: NDArray[Any]) -> None:
        """Append a row for each code."""
        columns = [names, classes, *codes.astype(np.float32).T]
        arrays = [self._arrow.array(column) for column in columns]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


TABLES: dict[str, type[CsvCodes] | type[ParquetCodes]] = {".csv": CsvCodes, ".parquet": ParquetCodes}


def read_codes(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """The columns z0, z1, ... of a table, float32 (n, d), and its names, [] where it has none.

    Raises:
        DataError: It has no such columns, or they hold no numbers.
        MissingDependencyError: pyarrow is not installed.
    """
    arrow = _arrow()
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    try:
        table = parquet.read_table(path) if path.suffix.lower() == ".parquet" else arrow_csv.read_csv(path)
        size = sum(name[:1] == "z" and name[1:].isdecimal() for name in table.column_names)
        if not size:
            raise ValueError("it has no columns z0, z1, ...")
        columns = [table.column(f"z{at}").to_numpy() for at in range(size)]
        codes = np.stack(columns, axis=1).astype(np.float32)
        names = table.column("name").to_pylist() if "name" in table.column_names else []
    except (arrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error
    return codes, [str(name) for name in names]
