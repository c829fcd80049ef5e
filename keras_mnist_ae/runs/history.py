"""The history of a run: a CSV file with a row per epoch."""

import csv
import io
from pathlib import Path

from ..errors import CorruptFileError
from ..system.reading import read_text

NEEDED = {"loss", "val_loss", "seconds"}


def read_history(path: Path) -> dict[str, list[float]]:
    """The columns of a history by name, but for the number of the epoch.

    Raises:
        CorruptFileError: The file holds no history.
    """
    try:
        reader = csv.DictReader(read_text(path).splitlines())
        rows = list(reader)
        columns = [column for column in reader.fieldnames or () if column != "epoch"]
        if not set(columns) >= NEEDED:
            raise ValueError("it has other columns")
        return {column: [float(row[column]) for row in rows] for column in columns}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise CorruptFileError(f"{path} is not a history of ours: {error!r}") from error


def to_csv(history: dict[str, list[float]]) -> str:
    """The columns as CSV, with the number of the epoch first."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["epoch", *history])
    rows = zip(*history.values(), strict=True)
    writer.writerows([epoch, *values] for epoch, values in enumerate(rows, 1))
    return table.getvalue()
