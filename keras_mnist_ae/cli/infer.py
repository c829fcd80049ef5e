"""kae infer: exported graphs over files, with numpy and onnxruntime alone."""

import time
from pathlib import Path
from typing import Any

import click

from .completion import run_names
from .options import as_json, data_dir, echo, echo_json, reading, runs_dir, sharded


@click.command()
@click.argument("job", type=click.Choice(["encode", "decode", "reconstruct"]))
@click.argument("folder", metavar="RUN|DIR", shell_complete=run_names)
@click.argument("source", metavar="INPUT")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A .npy or .npz file; for codes also a .csv or .parquet table; for images also a new "
    "folder. With --shards a folder.",
)
@sharded("files", ["npy", "npz", "csv", "parquet"], "npy; npz, csv and parquet keep names")
@reading
@runs_dir
@data_dir
@as_json
def infer(
    job: str,
    folder: str,
    source: str,
    output: Path,
    runs_dir: Path,
    data_dir: Path | None,
    shards: int | None,
    workers: int | None,
    format: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Encode, decode or reconstruct INPUT with the exported graphs of RUN or in DIR (a run's onnx
    folder).

    INPUT is whatever `kae train --dataset` takes: a file or folder, read as the run read its own,
    or the name of a dataset; to decode, codes. What is left out is said. Arrays are read in chunks:
    a file may be larger than the memory.
    """
    what = "codes" if job == "encode" else "images"
    if shards:
        from ..export.infer_shards import infer_shards

        began = time.monotonic()
        told = infer_shards(
            *(job, folder, source, output),
            shards=shards,
            workers=workers,
            format=format,
            runs_dir=runs_dir,
            data_dir=data_dir,
            **options,
        )
        seconds = time.monotonic() - began
        if as_json:
            keys = ("shards", "made", "workers", "left_out", "model_sha256", "source_sha256")
            echo_json(
                {"job": job, "input": source, "output": str(output), "count": told["rows"]}
                | {key: told[key] for key in keys}
                | {"seconds": round(seconds, 3)}
            )
            return
        made = f"{told['made']} of them made in {seconds:.1f} s" if told["made"] else "all were there"
        echo(f"{told['rows']:,} {what} in {told['shards']} shards in {output}; {made}")
        return
    if workers or format:
        raise click.UsageError("--workers and --format go with --shards N.")
    from ..export.infer import infer

    count = infer(job, folder, source, output, runs_dir=runs_dir, data_dir=data_dir, **options)
    if as_json:
        echo_json({"job": job, "input": source, "output": str(output), "count": count})
    else:
        echo(f"{count:,} {what} in {output}")
