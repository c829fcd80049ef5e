"""What several commands share: options, and output as a table or as JSON."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..system import signals

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the datasets.  [default: KAE_DATA_DIR, else the user's cache folder]",
)
runs_dir = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the run folders.",
)
run = click.argument("run", required=False)


def echo_json(value: Any) -> None:
    """One object on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


def echo_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their longest entry; a column whose entries below the header start with a
    digit is aligned to the right.
    """
    for line in _aligned([header, *rows]):
        click.echo(line)


def _aligned(lines: list[Sequence[str]]) -> list[str]:
    columns = []
    for column in zip(*lines, strict=True):
        width = max(map(len, column))
        numbers = all(entry.lstrip("+-")[:1].isdigit() or entry in {"", "-"} for entry in column[1:])
        columns.append([entry.rjust(width) if numbers else entry.ljust(width) for entry in column])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


@contextmanager
def progress(length: int, label: str) -> Iterator[Any]:
    """A progress bar on stderr, on a terminal only: call it with the name of the next of `length`
    parts or the number of those done.
    """
    with click.progressbar(
        length=length,
        label=label,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
        item_show_func=lambda item: item,
        show_pos=False,
    ) as bar:

        def tell(what: str | int) -> None:
            signals.check()  # the exception may have been lost in foreign code
            if isinstance(what, int):
                bar.update(what)
            else:
                bar.update(1, what)

        yield tell
