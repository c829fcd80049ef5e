"""What several commands share: options, and output as a table or as JSON."""

import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ..errors import shown
from ..reporting.table import table
from ..system.notes import folded
from .completion import run_names

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the datasets.  [default: KAE_DATA_DIR, else the user's cache folder]",
)


def dataset(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of where a run's data lie, as one argument `dataset` of the command."""

    @click.option(
        "--dataset", metavar="PATH", help="Where the run's data lie now, or other data of the same size."
    )
    @click.option("--target", metavar="PATH", help="Where what is to come out of them lies.")
    @wraps(command)
    def with_target(*arguments: Any, dataset: str | None, target: str | None, **options: Any) -> Any:
        return command(*arguments, dataset=(dataset, target) if target else dataset, **options)

    return with_target


runs_dir = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the run folders.",
)
READING = (  # how the images of an input are read, in place of the run's way
    click.option("--resize", is_flag=True, help="Resize the images to the size that the model takes."),
    click.option("--fit", type=click.Choice(["crop", "pad", "stretch"]), help="How.  [default: the run's]"),
    click.option("--range", help="LOW:HIGH, the numbers that are black and white.  [default: the run's]"),
    click.option("--invert/--no-invert", default=None, help="Swap black and white.  [default: the run's]"),
    click.option("--image-shape", help="HxW or HxWxC of images that are stored as rows of numbers."),
    click.option("--arrays", help="Names of the arrays in a .npz file, such as train=X."),
)


def sharded(files: str, formats: Sequence[str], default: str) -> Callable[[Any], Any]:
    """The options of a command that may write its output in shards."""
    options = (
        click.option(
            "--shards",
            type=click.IntRange(1),
            help=f"Write N {files} into the folder OUTPUT, by several processes; a second call does what "
            "is missing.",
        ),
        click.option(
            "--workers", type=click.IntRange(1), help="Processes for them.  [default: all processors]"
        ),
        click.option("--format", type=click.Choice(formats), help=f"Of shards.  [default: {default}]"),
    )

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `READING`, in their order."""
    for option in reversed(READING):
        command = option(command)
    return command


run = click.argument("run", required=False, shell_complete=run_names)


def echo(text: str = "", err: bool = False) -> None:
    """Text on stdout or stderr, broken between words where a terminal is narrower."""
    click.echo(folded(text, sys.stderr if err else sys.stdout), err=err)


def echo_json(value: Any) -> None:
    """One object on stdout."""
    click.echo(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False))


def echo_table(header: Sequence[str], rows: Sequence[Sequence[str]], optional: Sequence[str] = ()) -> None:
    """A table on stdout; on a terminal too narrow for it without the columns that are `optional`,
    the first of them first, as far as it takes, and then with the last column in several lines.
    """
    text = table(header, rows)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name in optional:
        if width is None or max(map(len, text.splitlines())) <= width:
            break
        at = header.index(name)
        header, *rows = ([*line[:at], *line[at + 1 :]] for line in (header, *rows))
        text = table(header, rows)
    click.echo(folded(shown(text), sys.stdout, indent=max(text.find(header[-1]), 0)))


def echo_result(result: Any, as_json: bool) -> None:
    """The result of a step, as text or as JSON."""
    if as_json:
        echo_json(result)
    else:
        echo(shown(str(result)))


def _finite(value: Any) -> Any:
    """The value with null in the place of NaN and infinity, which JSON does not have."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {str(key): _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case _:
            return value
