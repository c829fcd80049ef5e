"""kae bench: measured against plain PyTorch and stock Keras."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..architecture.variant import Variant
from ..architecture.variants import VARIANTS, find
from .options import as_json, data_dir, echo, echo_json, echo_table


@click.group()
def bench() -> None:
    """Measure this package against stock Keras and plain PyTorch, side by side in one run."""


@bench.command()
@click.argument("variants", nargs=-1, metavar="[VARIANT]...")
@as_json
def infer(variants: tuple[str, ...], as_json: bool) -> None:
    """Time exported graphs in onnxruntime on one thread: ours, Keras' own export and plain
    PyTorch's.

    Of all variants unless some are named. Ratios are medians over rounds in which every graph has
    its turn.
    """
    from importlib.metadata import version

    from ..system import backend

    chosen = _chosen(variants)
    backend.choose("torch")  # the one from which Keras exports
    from ..bench.infer import ROUNDS, measure

    results = [result for variant in chosen for result in measure(variant)]
    if as_json:
        echo_json({"onnxruntime": version("onnxruntime"), "results": [asdict(result) for result in results]})
        return
    header = (
        "variant",
        "batch",
        "graph",
        "nodes",
        "bytes",
        "time",
        "to Keras",
        "to PyTorch",
        "to float32",
        "",
    )
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
    echo(
        f"onnxruntime {version('onnxruntime')}, one thread; ratios of times: median (quartiles) of "
        f"{ROUNDS} rounds"
    )


@bench.command()
@click.argument("variants", nargs=-1, metavar="[VARIANT]...")
@click.option(
    "--until",
    type=click.FloatRange(0, min_open=True),
    metavar="MSE",
    help="Train on MNIST to that test MSE instead, and time it.",
)
@as_json
def train(variants: tuple[str, ...], until: float | None, as_json: bool) -> None:
    """Time training: `model.fit` here and stock Keras' on each backend, and plain PyTorch loops
    over the same table.

    Of all variants unless some are named; takes minutes. Ratios are medians over rounds in which
    every trainer has its turn.
    """
    from ..bench.train import ROUNDS, installed, measure
    from ..bench.train import until as reached

    chosen = _chosen(variants)
    versions = {name: _version(name) for name in installed()}
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    if until is not None:
        times = [result for variant in chosen for result in reached(variant, until)]
        if as_json:
            echo_json(
                {
                    "until": until,
                    "versions": versions,
                    "threads": threads,
                    "results": [asdict(result) for result in times],
                }
            )
            return
        lines = [
            (
                of.variant,
                of.trainer,
                f"{of.seconds:.1f}",
                str(of.epochs),
                f"{of.mse:.5f}",
                "yes" if of.reached else "no",
                f"{of.share:.0%}",
            )
            for of in times
        ]
        echo_table(
            ("variant", "trainer", "seconds", "epochs", "test MSE", "reached", "of the loop's time"), lines
        )
        return
    results = [result for variant in chosen for result in measure(variant)]
    if as_json:
        echo_json(
            {"versions": versions, "threads": threads, "results": [asdict(result) for result in results]}
        )
        return
    rows = [
        (
            result.variant,
            result.trainer,
            result.backend,
            f"{result.images_per_second:,.0f}",
            f"{result.epochs_per_second:.3f}",
            "-" if result.to_stock is None else _told(result.to_stock),
            _told(result.to_loop),
            f"{result.peak_bytes / 2**20:,.0f} MiB",
        )
        for result in results
    ]
    echo_table(
        (
            "variant",
            "trainer",
            "backend",
            "images/s",
            "epochs/s",
            "to stock Keras",
            "to PyTorch loop",
            "peak memory",
        ),
        rows,
    )
    echo(f"{threads} threads, epochs of 4,311 images; ratios of times: median (quartiles) of {ROUNDS} rounds")


@bench.command()
@data_dir
@as_json
def startup(data_dir: Path | None, as_json: bool) -> None:
    """Time `kae --help`, the import of the package, and loading MNIST for the first time and
    afterwards.
    """
    from ..bench.startup import measure

    results = measure(data_dir)
    if as_json:
        echo_json({"results": [asdict(result) for result in results]})
        return
    rows = [
        (of.what, f"{of.seconds:.3f} s", "-" if of.to_click is None else _told(of.to_click)) for of in results
    ]
    echo_table(("", "time", "to import click"), rows)


def _version(package: str) -> str:
    """That of a package which may go by another name, as tensorflow-cpu."""
    from importlib.metadata import packages_distributions, version

    return version(packages_distributions()[package][0])


def _chosen(names: tuple[str, ...]) -> list[Variant]:
    return [find(name) for name in names] or list(VARIANTS.values())


def _told(ratio: Any) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
