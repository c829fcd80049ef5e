"""kae infer: exported graphs over files, with numpy and onnxruntime alone."""

from pathlib import Path

import click

from .options import as_json, echo_json


@click.command()
@click.argument("job", type=click.Choice(["encode", "decode", "reconstruct"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A .npy or .npz file; for images also a new folder.",
)
@as_json
def infer(job: str, folder: Path, source: Path, output: Path, as_json: bool) -> None:
    """Encode, decode or reconstruct INPUT with the exported graphs in DIR (a run's onnx folder).

    INPUT is a .npy or .npz file, a .png or .jpg picture or a folder of them, which become what
    training makes of pictures. It is read in chunks: it may be larger than the memory.
    """
    from ..export.infer import infer

    count = infer(job, folder, source, output)
    if as_json:
        echo_json({"job": job, "input": str(source), "output": str(output), "count": count})
    else:
        click.echo(f"{count:,} {'codes' if job == 'encode' else 'images'} in {output}")
