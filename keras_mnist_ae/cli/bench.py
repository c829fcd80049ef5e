"""kae bench: measured against plain PyTorch and stock Keras."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import click

from ..architecture import Variant
from ..variants import VARIANTS, find
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

    chosen = _chosen(variants)
    backend.choose("torch")  # the one from which Keras exports
    from ..bench.infer import ROUNDS, measure

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
            *("-" if of is None else _told(of) for of in (result.to_keras, result.to_pytorch)),
            f"{result.to_float32.median:.2f}",
            "size only" if result.graph in ("float16", "int8") and result.to_float32.low > 1 else "",
        )
        for result in results
    ]
    echo_table(header, rows)
    click.echo(f"onnxruntime {version('onnxruntime')}, one thread; ratios of times: median (quartiles) of {ROUNDS} rounds")


@bench.command()
@click.argument("variants", nargs=-1, metavar="[VARIANT]...")
@as_json
def train(variants: tuple[str, ...], as_json: bool) -> None:
    """Time training on torch: `model.fit` here, stock Keras', and plain PyTorch loops over the same table, at batch size 32.

    Of all variants unless some are named; takes minutes. Ratios are medians over rounds in which every trainer has its turn.
    """
    from .. import backend

    chosen = _chosen(variants)
    backend.choose("torch")
    import torch

    from ..bench.train import ROUNDS, measure

    results = [result for variant in chosen for result in measure(variant)]
    if as_json:
        echo_json({"torch": version("torch"), "threads": torch.get_num_threads(), "results": [asdict(result) for result in results]})
        return
    rows = [
        (result.variant, result.trainer, f"{result.images_per_second:,.0f}", *map(_told, (result.to_stock, result.to_loop)))
        for result in results
    ]
    echo_table(("variant", "trainer", "images/s", "to stock Keras", "to PyTorch loop"), rows)
    click.echo(f"torch {version('torch')}, {torch.get_num_threads()} threads; ratios of times: median (quartiles) of {ROUNDS} rounds")


def _chosen(names: tuple[str, ...]) -> list[Variant]:
    return [find(name) for name in names] or list(VARIANTS.values())


def _told(ratio: Any) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
