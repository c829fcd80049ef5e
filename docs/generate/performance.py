"""The tables of docs/performance.md and docs/reliability.md."""

from typing import Any

from .records import REFERENCES, measured, runs, table


def training(results: list[dict[str, Any]] | None = None) -> str:
    """The results of `kae bench train`, a line per variant and trainer."""
    rows = []
    for result in results or measured("train")["results"]:
        stock = f"{result['to_stock']['median']:.2f}" if result["to_stock"] else ""
        low, middle, high = (result["to_loop"][key] for key in ("low", "median", "high"))
        row = [result["variant"], result["trainer"], result["backend"], f"{result['images_per_second']:,.0f}"]
        rows.append(
            [*row, stock, f"{middle:.2f} ({low:.2f}-{high:.2f})", f"{result['peak_bytes'] / 2**20:,.0f} MiB"]
        )
    columns = ["variant", "trainer", "backend", "images/s >", "to stock Keras >", "to the PyTorch loop >"]
    return table([*columns, "peak memory >"], rows)


def until() -> str:
    """The results of `kae bench train --until`."""
    rows = [
        [of["trainer"], f"{of['seconds']:.1f}", of["epochs"], f"{of['mse']:.5f}", f"{of['share']:.0%}"]
        for of in measured("until")["results"]
    ]
    return table(["trainer", "seconds >", "epochs >", "test MSE >", "of the loop's time >"], rows)


def gpu() -> str:
    """The steps that `tests/gpu.py` timed."""
    rows = []
    for of in measured("gpu")["steps"]["milliseconds"]:
        milliseconds = (f"{of[way]:.2f}" for way in ("plain", "replayed", "bfloat16"))
        rows.append([of["variant"], of["batch"], *milliseconds, f"{of['replayed'] / of['plain']:.2f}"])
    columns = ["variant", "images a step >", "step by step, ms >", "replayed, ms >", "bfloat16, ms >"]
    return table([*columns, "replayed to step by step >"], rows)


def gpu_training() -> str:
    """The results of `kae bench train` there."""
    found = measured("gpu")
    return training([result for name in found if name[:6] == "train " for result in found[name]["results"]])


def gpu_machine() -> str:
    """The machine of those."""
    of = measured("gpu")["machine"]
    return f"{of['device']}, torch {of['versions']['torch']} with CUDA {of['cuda']}"


def recipes() -> str:
    """The runs at each recipe."""
    from keras_mnist_ae.architecture.recipes import find
    from keras_mnist_ae.architecture.variants import VARIANTS

    rows = []
    for name in (name for name in REFERENCES if f"{name}-best" in runs()):
        for recipe in ("reference", "fast", "best"):
            if run := runs().get(name if recipe == "reference" else f"{name}-{recipe}"):
                rows.append([name, recipe, find(VARIANTS[name], recipe), f"{run['metrics']['test_mse']:.5f}"])
    return table(["variant", "recipe", "what it is", "test MSE >"], rows)


def startup() -> str:
    """The results of `kae bench startup`."""
    rows = []
    for result in measured("startup")["results"]:
        to_click = "" if result["to_click"] is None else f"{result['to_click']['median']:.2f}"
        rows.append([result["what"], f"{result['seconds']:.3f}", to_click])
    return table(["what", "seconds >", "to `import click` >"], rows)


def agreement() -> str:
    """The results of tests/agreement.py: the least and the largest distance over the starts."""
    starts = dict[str, list[dict[str, Any]]]()
    for result in measured("agreement")["results"]:
        starts.setdefault(result["variant"], []).append(result)
    rows = []
    for variant, results in starts.items():
        row = [variant]
        for kind in ("to_stock", "stock_to_itself", "to_stock_without_relu"):
            values = [result[kind] for result in results]
            row.append(f"{min(values):.0e} to {max(values):.0e}")
        rows.append(row)
    columns = ["variant", "to stock Keras >", "stock Keras to itself >"]
    return table([*columns, "to stock Keras, SiLU for ReLU >"], rows)
