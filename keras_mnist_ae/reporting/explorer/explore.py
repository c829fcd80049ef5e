"""A run as a page that a browser opens from a folder, a mail or a server."""

from pathlib import Path

import click

from ...export.formats import Precision
from ...runs.folder import Run
from ...runs.reopen import reopen_data
from ...system.atomic import write_text
from ...system.progress import Progress, silent

NAME = "explorer.html"  # in the run folder
LARGEST = 8_000_000  # bytes of a page
WEIGHTS = 4_000_000  # bytes of encoder and decoder; in base64 they are a third longer


def explore(
    run: Run,
    path: Path | str | None = None,
    *,
    precision: Precision | None = None,
    data_dir: Path | None = None,
    dataset: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Write one HTML file in which the run's encoder and decoder work; its path.

    The page holds the exported graphs, up to 2,000 test images with their codes, and an evaluator
    of the graphs in JavaScript. It loads nothing. A run without a float16 export gets one for the
    page alone.

    Args:
        path: the file to write; None writes `explorer.html` into the run folder.
        precision: of the export that the page holds, which must be there; None takes float16, and
            int8 where the weights would make the page larger than 8 MB.
        data_dir: where the data lie now, if not where they lay in training.
        dataset: the path where they lie now, or other data of the same size.

    Raises:
        UsageError: The run is not finished, or has no such export.
        DataError: Its dataset is missing or has changed.
        CorruptFileError: A file of the export is not what its manifest says.
        ValidationError: The model gives NaN or infinity.
        WriteError: The page cannot be written.
    """
    from .content import gather
    from .graphs import opened
    from .html import page

    run.require_finished()
    data = reopen_data(run, data_dir, dataset, samples=True)
    with opened(run, data, precision, WEIGHTS, progress) as graphs:
        content = gather(run, data, graphs, LARGEST, progress)
    text = page(content)
    for note in content["notes"]:
        click.echo(f"kae: {note}", err=True)
    if path is None:
        run.write_text(NAME, text)
        return run.path / NAME
    write_text(Path(path), text)
    return Path(path)
