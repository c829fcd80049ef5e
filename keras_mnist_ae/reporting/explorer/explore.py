"""A run as a page that a browser opens from a folder, a mail or a server."""

from pathlib import Path

from ...errors import KaeError
from ...export.formats import Precision
from ...runs.folder import Run
from ...runs.reopen import reopen_data
from ...system.atomic import write_text
from ...system.notes import say

NAME = "explorer.html"  # in the run folder
LARGEST = 8_000_000  # bytes of a page
WEIGHTS = 4_000_000  # bytes of encoder and decoder; in base64 they are a third longer
MADE_FROM = ("model.keras", "calibration.json", "figures/map-tsne.png", "figures/map-umap.png")


def explore(
    run: Run,
    path: Path | str | None = None,
    *,
    precision: Precision | None = None,
    data_dir: Path | None = None,
    dataset: str | None = None,
) -> Path:
    """Write one HTML file in which the run's encoder and decoder work; its path.

    The page holds the exported graphs, up to 2,000 test images with their codes, and an evaluator
    of the graphs in JavaScript. It loads nothing. A run without a float16 export gets one for the
    page alone.

    The same as `run.explore(path)`.

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

    Examples:
        >>> from keras_mnist_ae import explore, train
        >>> run = train("mlp", "digits", epochs=1, limit=64, runs_dir=getfixture("tmp_path"))
        >>> explore(run).name
        'explorer.html'
    """
    from .content import gather
    from .graphs import opened
    from .html import page

    run.require_finished()
    data = reopen_data(run, data_dir, dataset, samples=True)
    with opened(run, data, precision, WEIGHTS) as graphs:
        content = gather(run, data, graphs, LARGEST)
    text = page(content)
    for note in content["notes"]:
        say(f"kae: {note}")
    if path is None:
        run.write_text(NAME, text)
        return run.path / NAME
    write_text(Path(path), text)
    return Path(path)


def renew(run: Run, data_dir: Path | None, dataset: str | None) -> None:
    """Write the page in the run folder if it is missing or older than what it is made from; one
    that cannot be made is said and left out.
    """
    page, sources = run.path / NAME, [run.path / name for name in MADE_FROM]
    if page.is_file() and all(
        source.stat().st_mtime <= page.stat().st_mtime for source in sources if source.is_file()
    ):
        return
    try:
        explore(run, data_dir=data_dir, dataset=dataset)
    except KaeError as error:
        say(f"kae: no explorer was made: {error}")
