"""kae data: the image sets."""

from pathlib import Path

import click

from .options import as_json, data_dir, echo, echo_json, echo_table


@click.group()
def data() -> None:
    """The datasets: what there is, and fetching one."""


@data.command("list")
@data_dir
@as_json
def list_(data_dir: Path | None, as_json: bool) -> None:
    """The datasets and where each is found."""
    import dataclasses

    from ..datasets.listing import available

    found = available(data_dir)
    if as_json:
        echo_json({"datasets": [dataclasses.asdict(record) for record in found]})
    else:
        echo_table(
            ("dataset", "where", "images"),
            [(record.name, record.where, record.description) for record in found],
        )


@data.command()
@click.argument("name")
@data_dir
@as_json
def get(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Fetch the dataset NAME and prepare it, unless it is here already."""
    from ..architecture.shapes import text
    from ..datasets.catalog import load

    found = load(name, data_dir)
    facts = {
        "name": found.name,
        "train": len(found.train.images),
        "test": len(found.test.images),
        "image": list(found.image_shape),
        "classes": len(found.classes),
        "sha256": found.sha256,
    }
    if as_json:
        echo_json(facts)
    else:
        echo(
            f"{name} is ready: {facts['train']:,} training and {facts['test']:,} test images of "
            f"{text(found.image_shape)}, "
            f"{facts['classes'] or 'no'} classes"
        )
