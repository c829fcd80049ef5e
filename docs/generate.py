"""The generated parts of the README and of these pages; `make docs` renews them with cog."""

import ast
import json
import math
from pathlib import Path

ROOT = Path(__file__).parents[1]
KERAS = "Keras' export"
OUTSIDE = {  # what has no docstring
    "pyproject.toml": "the package, its dependencies, the tools' settings",
    "constraints.txt": "the versions it is tested with",
    "Makefile": "demo, test, check, docs, results",
    "export": "link to keras_mnist_ae/export",
    "cli": "link to keras_mnist_ae/cli",
    "docs/": "pages, decisions, changelog",
}


def file_tree() -> str:
    """Every file of the package with the first sentence of its docstring."""
    lines = list(OUTSIDE.items())
    lines.append(("keras_mnist_ae/", ""))
    for path in sorted((ROOT / "keras_mnist_ae").rglob("*.py"), key=lambda path: (len(path.parts), path)):
        inside = path.relative_to(ROOT / "keras_mnist_ae")
        if path.name != "__init__.py":
            lines.append((f"    {inside}", role(path)))
    lines.append(("tests/", ""))
    lines += [(f"    {path.name}", role(path)) for path in sorted((ROOT / "tests").glob("*.py"))]
    width = max(len(name) for name, _ in lines)
    return "```\n" + "\n".join(f"{name:<{width}}  {role}".rstrip() for name, role in lines) + "\n```"


def role(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0].removesuffix(".")


def results() -> dict[str, dict]:
    """The runs that `make results` made, by name."""
    return {
        run["run"]: run
        for run in json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))["runs"]
    }


def results_table() -> str:
    """The variants on MNIST, each row from the run of its name."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    lines = [
        "| variant | latent | parameters | train MSE | test MSE | PCA, as many components | command |",
        "| --- | --: | --: | --: | --: | --: | --- |",
    ]
    for variant in (variant for variant in VARIANTS.values() if variant.name in results()):
        metrics = results()[variant.name]["metrics"]
        bits = sum(2 * math.prod(shape) for shape in variant.switches.values())
        latent = f"{variant.latent}" + (f" + {bits:,} bits" if bits else "")
        lines.append(
            f"| {variant.name} | {latent} | {variant.parameters:,} | {metrics['train_mse']:.5f} | "
            f"{metrics['test_mse']:.5f} "
            f"| {metrics['pca_mse']:.5f} | `kae train {variant.name}` |"
        )
    return "\n".join(lines)


def beyond_table() -> str:
    """What goes beyond the references: the strong variant, denoising, the variational one."""
    told = {
        "conv-best-32": "kae train conv-best --latent-dim 32",
        "conv-best": "kae train conv-best",
        "conv-best-noise": "kae train conv-best --noise gaussian:0.3",
        "vae-conv": "kae train vae-conv",
    }
    lines = [
        "| command | latent | minutes | test MSE | PCA | also |",
        "| --- | --: | --: | --: | --: | --- |",
    ]
    for name, command in told.items():
        run = results()[name]
        of = run["metrics"]
        also = ""
        if "noise" in of:
            also = f"on noisy test images {of['noise']['mse']:.5f}"
        if "evidence" in of:
            found = of["evidence"]
            also = f"-ELBO {found['negative_elbo']:.2f} nats an image (KL {found['kl']:.2f}), "
            also += "-log likelihood at most "
            also += f"{found['negative_log_likelihood']:.2f} ({found['samples']} samples)"
        minutes = (
            "-" if "noise" in of else f"{run['seconds'] / 60:.1f}"
        )  # that process stood still for a while
        lines.append(
            f"| `{command}` | {run['latent']} | {minutes} | {of['test_mse']:.5f} | {of['pca_mse']:.5f} | "
            f"{also} |"
        )
    return "\n".join(lines)


def backends_table() -> str:
    """conv-avgpool at its recipe on the three backends."""
    lines = ["| backend | train MSE, epoch 10 | test MSE | command |", "| --- | --: | --: | --- |"]
    for backend in ("torch", "tensorflow", "jax"):
        run = results()["conv-avgpool" if backend == "torch" else f"conv-avgpool-{backend}"]
        lines.append(
            f"| {backend} | {run['loss']:.5f} | {run['metrics']['test_mse']:.5f} | `kae train conv-avgpool "
            f"--backend {backend}` |"
        )
    return "\n".join(lines)


REFERENCES = ("conv-avgpool", "conv-k15", "conv-k16", "conv-unpool", "mlp")
DATASETS = {"mnist": "", "digits": "digits-"}  # what the names of their runs begin with


def evaluated(dataset: str) -> list[tuple[str, dict]]:
    """The metrics of each reference's run on that dataset."""
    found = {name: results().get(DATASETS[dataset] + name, {"metrics": {}})["metrics"] for name in REFERENCES}
    return [(name, metrics) for name, metrics in found.items() if metrics]


def errors_table(dataset: str) -> str:
    """Every error of every variant."""
    lines = [
        "| variant | MSE | 95 % interval | RMSE | MAE | PSNR, mean over images | of mean MSE | SSIM | PCA: "
        "MSE | mean image: MSE |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, of in evaluated(dataset):
        low, high = of["intervals"]["mse"]
        lines.append(
            f"| {name} | {of['mse']:.5f} | {low:.5f} - {high:.5f} | {of['rmse']:.5f} | {of['mae']:.5f} | "
            f"{of['psnr']:.2f} dB "
            f"| {of['psnr_of_mean_mse']:.2f} dB | {of['ssim']:.4f} | {of['pca_mse']:.5f} | "
            f"{of['mean_image_mse']:.5f} |"
        )
    return "\n".join(lines)


def classes_table(dataset: str) -> str:
    """The MSE of each class."""
    classes = list(evaluated(dataset)[0][1]["per_class"])
    lines = [f"| variant | {' | '.join(classes)} |", "| --- |" + " --: |" * len(classes)]
    for name, of in evaluated(dataset):
        lines.append(
            f"| {name} | " + " | ".join(f"{of['per_class'][label]['mse']:.5f}" for label in classes) + " |"
        )
    return "\n".join(lines)


def worst_table(dataset: str) -> str:
    """The ten test images with the largest errors."""
    lines = ["| variant | test images (class), largest error first | MSE |", "| --- | --- | --: |"]
    for name, of in evaluated(dataset):
        images = ", ".join(f"{image['index']} ({image['class']})" for image in of["worst"])
        lines.append(f"| {name} | {images} | {of['worst'][0]['mse']:.4f} - {of['worst'][-1]['mse']:.4f} |")
    return "\n".join(lines)


def sizes_table() -> str:
    """Code against image, in bits."""
    lines = [
        "| variant | numbers | switches, bits | code, bits | image, bits | image / code |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, of in evaluated("mnist"):
        size = of["compression"]
        lines.append(
            f"| {name} | {size['code_floats']} | {size['switch_bits']:,} | {size['code_bits']:,} | "
            f"{size['image_bits']:,} "
            f"| {size['ratio']:.2f} |"
        )
    return "\n".join(lines)


def probes_table(dataset: str) -> str:
    """Accuracies of classifiers on codes, pixels and PCA codes."""
    lines = [
        "| variant | 5-NN: codes | pixels | PCA codes | logistic regression: codes | pixels | PCA codes |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for name, of in evaluated(dataset):
        accuracies = [
            of["latent"][probe][space]
            for probe in ("knn", "logistic")
            for space in ("codes", "pixels", "pca")
        ]
        lines.append(f"| {name} | " + " | ".join(f"{100 * accuracy:.2f} %" for accuracy in accuracies) + " |")
    return "\n".join(lines)


def codes_table(dataset: str) -> str:
    """Clusters and dimensions."""
    lines = [
        "| variant | k-means: accuracy | NMI | ARI | participation ratio | dead | generated: RMSE to "
        "nearest | test images: same |",
        "| --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, of in evaluated(dataset):
        latent, made = of["latent"], of["generated"]
        scores = [
            f"{latent['kmeans'][score]['mean']:.3f} +- {latent['kmeans'][score]['std']:.3f}"
            for score in ("accuracy", "nmi", "ari")
        ]
        lines.append(
            f"| {name} | {' | '.join(scores)} | {latent['participation_ratio']:.1f} of {latent['latent']} "
            f"| {latent['dead_units']} "
            f"| {made['nearest_rmse']:.4f} | {made['test_nearest_rmse']:.4f} |"
        )
    return "\n".join(lines)


def exports() -> dict[tuple[str, str], dict]:
    """The autoencoder graphs that `make results` exported, by variant and precision."""
    lines = (ROOT / "docs" / "exports.jsonl").read_text(encoding="utf-8").splitlines()
    found = {}
    for told in map(json.loads, lines):
        precision = Path(told["folder"]).name.removeprefix("onnx").removeprefix("-") or "float32"
        found[Path(told["run"]).name, precision] = told["graphs"][2]
    return found


def inference() -> dict[tuple[str, str, int], dict]:
    """What `kae bench infer` measured, by variant, graph and batch size."""
    results = json.loads((ROOT / "docs" / "infer.json").read_text(encoding="utf-8"))["results"]
    return {(result["variant"], result["graph"], result["batch"]): result for result in results}


def precisions_table() -> str:
    """Size and error of the graphs in each precision."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    lines = [
        "| variant | float32 | float16 | rise | int8 | rise | |",
        "| --- | --: | --: | --: | --: | --: | --- |",
    ]
    for name in (name for name in VARIANTS if (name, "float32") in exports()):
        full, half, integer = (exports()[name, precision] for precision in ("float32", "float16", "int8"))
        slower = [
            p
            for p in ("float16", "int8")
            if any(inference()[name, p, batch]["to_float32"]["low"] > 1 for batch in (1, 256))
        ]
        lines.append(
            f"| {name} | {full['bytes']:,} | {half['bytes']:,} | {100 * half['mse_rise']:+.3f} % | "
            f"{integer['bytes']:,} "
            f"| {100 * integer['mse_rise']:+.2f} % | {'size only: ' + ', '.join(slower) if slower else ''} |"
        )
    return "\n".join(lines)


def infer_table() -> str:
    """The float32 graphs beside the exports of Keras and PyTorch."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    lines = [
        "| variant | nodes | Keras' nodes | batch | time, us | to Keras' export | to PyTorch's | float16 "
        "to float32 | int8 to float32 |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name in (name for name in VARIANTS if (name, "float32", 1) in inference()):
        for batch in (1, 256):
            ours, half, integer = (
                inference()[name, graph, batch] for graph in ("float32", "float16", "int8")
            )
            to_pytorch = f"{ours['to_pytorch']['median']:.2f}" if ours["to_pytorch"] else "-"
            lines.append(
                f"| {name} | {ours['nodes']} | {inference()[name, KERAS, batch]['nodes']} | {batch} | "
                f"{ours['microseconds']:,.0f} "
                f"| {ours['to_keras']['median']:.2f} | {to_pytorch} "
                f"| {half['to_float32']['median']:.2f} | {integer['to_float32']['median']:.2f} |"
            )
    return "\n".join(lines)


def measured(name: str) -> dict:
    """What a `kae bench` command told as JSON."""
    return json.loads((ROOT / "docs" / f"{name}.json").read_text(encoding="utf-8"))


def train_table() -> str:
    """What `kae bench train` measured, a line per variant and trainer."""
    lines = [
        "| variant | trainer | backend | images/s | to stock Keras | to the PyTorch loop | peak memory |",
        "| --- | --- | --- | --: | --: | --: | --: |",
    ]
    for of in measured("train")["results"]:
        stock = f"{of['to_stock']['median']:.2f}" if of["to_stock"] else ""
        low, middle, high = (of["to_loop"][key] for key in ("low", "median", "high"))
        lines.append(
            f"| {of['variant']} | {of['trainer']} | {of['backend']} | {of['images_per_second']:,.0f} | "
            f"{stock} "
            f"| {middle:.2f} ({low:.2f}-{high:.2f}) | {of['peak_bytes'] / 2**20:,.0f} MiB |"
        )
    return "\n".join(lines)


def until_table() -> str:
    """What `kae bench train --until` measured."""
    lines = [
        "| trainer | seconds | epochs | test MSE | of the loop's time |",
        "| --- | --: | --: | --: | --: |",
    ]
    for of in measured("until")["results"]:
        lines.append(
            f"| {of['trainer']} | {of['seconds']:.1f} | {of['epochs']} | {of['mse']:.5f} | "
            f"{of['share']:.0%} |"
        )
    return "\n".join(lines)


def agreement_table() -> str:
    """What tests/agreement.py measured: the least and the largest distance over the starts."""
    kinds = ("to_stock", "stock_to_itself", "to_stock_without_relu")
    lines = [
        "| variant | to stock Keras | stock Keras to itself | to stock Keras, SiLU for ReLU |",
        "| --- | --: | --: | --: |",
    ]
    found = dict[str, list[dict]]()
    for of in measured("agreement")["results"]:
        found.setdefault(of["variant"], []).append(of)
    for variant, starts in found.items():
        ranges = (sorted(start[kind] for start in starts) for kind in kinds)
        lines.append(
            f"| {variant} | " + " | ".join(f"{values[0]:.0e} to {values[-1]:.0e}" for values in ranges) + " |"
        )
    return "\n".join(lines)


def startup_table() -> str:
    """What `kae bench startup` measured."""
    lines = ["| | seconds | to `import click` |", "| --- | --: | --: |"]
    for of in measured("startup")["results"]:
        lines.append(
            f"| {of['what']} | {of['seconds']:.3f} | "
            f"{'' if of['to_click'] is None else format(of['to_click']['median'], '.2f')} |"
        )
    return "\n".join(lines)


def recipes_table() -> str:
    """The runs at --recipe fast and best, beside the reference's."""
    from keras_mnist_ae.architecture.recipes import find
    from keras_mnist_ae.architecture.variants import VARIANTS

    lines = ["| variant | recipe | | test MSE |", "| --- | --- | --- | --: |"]
    for name in (name for name in REFERENCES if f"{name}-best" in results()):
        variant = VARIANTS[name]
        for recipe in ("reference", "fast", "best"):
            if run := results().get(name if recipe == "reference" else f"{name}-{recipe}"):
                lines.append(
                    f"| {name} | {recipe} | {find(variant, recipe)} | {run['metrics']['test_mse']:.5f} |"
                )
    return "\n".join(lines)


def variant_pages() -> str:
    """Every variant as `kae models NAME` prints it."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    return "\n\n".join(f"## {name}\n\n```\n{kae('models', name)}\n```" for name in VARIANTS)


def cli_page() -> str:
    """The help of every command."""
    from keras_mnist_ae.cli.main import kae as group

    pages = [f"```\n{kae('--help')}\n```"]
    for name in sorted(group.commands):
        subcommands = sorted(getattr(group.commands[name], "commands", {}))
        for words in [(name,), *((name, subcommand) for subcommand in subcommands)]:
            pages.append(f"## kae {' '.join(words)}\n\n```\n{kae(*words, '--help')}\n```")
    return "\n\n".join(pages)


def kae(*arguments: str) -> str:
    """What the command prints."""
    from click.testing import CliRunner

    from keras_mnist_ae.cli.main import kae as group

    done = CliRunner().invoke(group, arguments, prog_name="kae", terminal_width=100, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout.rstrip()


def layers_table() -> str:
    """Every kind of row, its settings and what it does."""
    from dataclasses import MISSING, fields

    from keras_mnist_ae.architecture.layers import LAYERS

    lines = ["| layer | settings | what it does |", "| --- | --- | --- |"]
    for kind in LAYERS:
        settings = [
            f"{each.name}" + ("" if each.default is MISSING else f" = {json.dumps(each.default)}")
            for each in fields(kind)
        ]
        words = " ".join((kind.__doc__ or "").split())
        lines.append(f"| {kind.__name__} | {', '.join(settings)} | {words.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)
