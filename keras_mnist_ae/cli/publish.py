"""kae publish: a run as a folder to hand on."""

from pathlib import Path

import click

from . import announce
from .options import as_json, echo, echo_json, run, runs_dir


@click.command()
@run
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder to write, which does not exist yet.",
)
@click.option("--licence", "--license", "licence", help="Identifier for the card, such as mit.")
@runs_dir
@as_json
def publish(run: str | None, to: Path, licence: str | None, runs_dir: Path, as_json: bool) -> None:
    """Write RUN (the latest unless named) as a folder that `keras.saving.load_model("hf://...")`
    opens once it is uploaded: model, ONNX graphs, model card. Nothing is uploaded.
    """
    from ..reporting.publish import publish
    from ..runs.runs_dir import find

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "publish")
    folder = publish(chosen, to, licence=licence)
    if as_json:
        echo_json({"run": str(chosen.path), "folder": str(folder)})
    else:
        echo(f"folder     {folder}")
