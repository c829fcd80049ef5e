"""kae bench: measured against plain PyTorch and stock Keras."""

from dataclasses import asdict
from importlib.metadata import version

import click

from .options import as_json, echo_json, echo_table


@click.group()
def bench() -> None:
    """Measure this package against stock Keras and plain PyTorch, side by side in one run."""


@bench.command()
@click.argument("variants", nargs=-1, metavar="[VARIANT]...")
@as_json
def infer(variants: tuple[str, ...], as_json: bool) -> None:
    """Time exported graphs in onnxruntime on one thread: ours, Keras' own export and plain PyTorch's.

    Of all variants unless some are named. Ratios are medians over rounds in which every graph has its turn.
    """
    from .. import backend
    from ..variants import VARIANTS, find

    chosen = [find(name) for name in variants] or list(VARIANTS.values())
    backend.choose("torch")  # the one from which Keras exports
    from ..bench.infer import measure
    from ..bench.timing import ROUNDS

    results = [result for variant in chosen for result in measure(variant)]
    if as_json:
        echo_json({"onnxruntime": version("onnxruntime"), "results": [asdict(result) for result in results]})
        return
    header = ("variant", "batch", "graph", "nodes", "bytes", "time", "to Keras", "to PyTorch", "to float32", "")
    rows = [
        (
            result.variant,
            str(result.batch),
            result.graph,
            str(result.nodes),
            f"{result.bytes:,}",
            f"{result.microseconds:,.0f} us",
            *("-" if of is None else f"{of.median:.2f} ({of.low:.2f}-{of.high:.2f})" for of in (result.to_keras, result.to_pytorch)),
            f"{result.to_float32.median:.2f}",
            "size only" if result.graph in ("float16", "int8") and result.to_float32.low > 1 else "",
        )
        for result in results
    ]
    echo_table(header, rows)
    click.echo(f"onnxruntime {version('onnxruntime')}, one thread; ratios of times: median (quartiles) of {ROUNDS} rounds")
