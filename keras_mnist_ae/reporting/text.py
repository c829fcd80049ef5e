"""The numbers of a run as text and as cells of tables."""

from pathlib import Path
from typing import Any

from ..analysis.metrics import METRICS
from ..system.hints import counted
from .table import table

Table = list[tuple[str, ...]]


def evaluation(numbers: dict[str, Any]) -> str:
    """What `kae evaluate` prints below its first line."""
    parts = [
        table(("", "value", "95 % interval", ""), metric_rows(numbers)),
        "\n".join([baselines(numbers), size(numbers), *special(numbers)]),
    ]
    if numbers["per_class"]:
        parts.append(table(("class", "images", *class_header()), class_rows(numbers)))
    return "\n\n".join([*parts, worst(numbers)])


def latent(numbers: dict[str, Any]) -> str:
    """What `kae latent` prints below its first line."""
    parts = [
        "\n".join(
            [
                dimensions(numbers),
                *(f"{part} left out: {reason}" for part, reason in numbers["skipped"].items()),
            ]
        )
    ]
    if rows := probes(numbers):
        parts.append(table(("test accuracy", "codes", "pixels", "PCA codes"), rows))
    if rows := clusters(numbers):
        parts.append(table(clusters_header(numbers), rows))
    neighbours = ["Test images, and the training images whose codes are nearest:"]
    for query in numbers["nearest"]:
        near = ", ".join(map(_named, query["train"], query["classes"]))
        neighbours.append(f"  {_named(query['test'], query['class'])}: {near}")
    return "\n\n".join([*parts, "\n".join(neighbours)]) + "\n"


def generated(run: Path, numbers: dict[str, Any], density: str, files: dict[str, str]) -> str:
    """What `kae generate` prints."""
    lines = [f"{run}: {numbers['n']} images {density}"]
    if borrowed := numbers["switches"]:
        lines.append(f"Its decoder needs pooling switches, which cannot be drawn: they are {borrowed}.")
    if numbers["nearest_rmse"] is not None:
        lines.append(
            f"RMSE to the nearest training image: {numbers['nearest_rmse']:.4f} in the median; "
            f"of test images, {numbers['test_nearest_rmse']:.4f}"
        )
    lines += [
        f"figure         {files['figure']}",
        f"arrays         {files['arrays']}: images, codes, nearest, distances",
    ]
    return "\n".join(lines)


def interpolation(numbers: dict[str, Any], borrowed: bool) -> str:
    """What `kae interpolate` prints."""
    first, second = map(_named, (numbers["a"], numbers["b"]), numbers["classes"])
    lines = [f"{numbers['run']}: from {first} to {second} in {numbers['steps']} steps"]
    if borrowed:
        lines.append(
            "Its decoder needs pooling switches, which have no path between them: "
            "they are those of the nearer end."
        )
    return "\n".join([*lines, f"figure         {numbers['figure']}"])


def measured(metrics: dict[str, Any]) -> dict[str, Any]:
    """What a report says of a run that was evaluated."""
    return {
        "cards": cards(metrics),
        "numbers": metric_rows(metrics),
        "baselines": baselines(metrics),
        "size": " ".join([size(metrics), *special(metrics)]),
        "class_header": ("class", "images", *class_header()),
        "classes": class_rows(metrics),
        "worst": worst(metrics),
    }


def trained(metrics: dict[str, Any], latent: int) -> Table:
    """The cards of a run that was not evaluated, as training left it."""
    return [
        ("test MSE", f"{metrics['test_mse']:.5f}", "at the end of training"),
        ("train MSE", f"{metrics['train_mse']:.5f}", "at the end of training"),
        ("code", f"{latent} numbers", ""),
    ]


def cards(numbers: dict[str, Any]) -> Table:
    """The numbers that come first in the report: label, value, what stands below it."""
    shown = {metric.key: metric for metric in METRICS}

    def card(label: str, key: str) -> tuple[str, str, str]:
        metric = shown[key]
        return label, metric.show(numbers[key]), " to ".join(map(metric.show, numbers["intervals"][key]))

    code = numbers["compression"]
    return [
        card("test MSE", "mse"),
        ("PCA of the same size", shown["mse"].show(numbers["pca_mse"]), "MSE"),
        card("PSNR", "psnr"),
        card("SSIM", "ssim"),
        ("code", f"{code['code_floats']} numbers", f"{code['code_bits']:,} bits"),
    ]


def metric_rows(numbers: dict[str, Any]) -> Table:
    """Every metric that was measured: label, value, interval, meaning."""
    return [
        (
            metric.label,
            metric.show(numbers[metric.key]),
            " - ".join(metric.show(edge).removesuffix(" dB") for edge in numbers["intervals"][metric.key]),
            metric.meaning,
        )
        for metric in METRICS
        if metric.key in numbers
    ]


def class_header() -> tuple[str, ...]:
    """The labels of the metrics that images have one by one."""
    return tuple(f"{m.label}{', dB' if m.form.endswith('dB') else ''}" for m in METRICS if m.per_image)


def class_rows(numbers: dict[str, Any]) -> Table:
    """A class per row: its name, number of images, and metrics."""
    keys = [metric for metric in METRICS if metric.per_image]
    return [
        (
            name,
            f"{of['n']:,}",
            *(m.show(of[m.key]).removesuffix(" dB") if m.key in of else "-" for m in keys),
        )
        for name, of in numbers["per_class"].items()
    ]


def worst(metrics: dict[str, Any]) -> str:
    """The images with the largest errors."""
    found = metrics["worst"]
    images = ", ".join(
        f"{image['index']}" + (f" ({image['class']})" if image["class"] else "") for image in found
    )
    return f"Largest errors: images {images}; MSE {found[0]['mse']:.4f} to {found[-1]['mse']:.4f}."


def baselines(metrics: dict[str, Any]) -> str:
    """What needs no training, on the same data."""
    components = metrics["pca_components"]
    pca, mean = metrics["pca_mse"], metrics["mean_image_mse"]
    untouched = f", the images as they went in {metrics['input_mse']:.5f}" if "input_mse" in metrics else ""
    return (
        f"Beside it: a PCA with {components} components has an MSE of {pca:.5f}, the mean image {mean:.5f}"
        f"{untouched}."
    )


def special(metrics: dict[str, Any]) -> list[str]:
    """What only some runs have: the error on noisy images, the evidence lower bound."""
    lines = []
    if noise := metrics.get("noise"):
        lines.append(
            f"With noise ({noise['kind']}) on what goes in: MSE {noise['mse']:.5f} against the images "
            "without it."
        )
    if found := metrics.get("evidence"):
        lines.append(
            f"-ELBO ({found['likelihood']}): {found['negative_elbo']:.2f} nats per image, "
            f"{found['reconstruction']:.2f} of reconstruction and {found['kl']:.2f} of divergence."
        )
        if "samples" in found:
            lines.append(
                f"-log likelihood: at most {found['negative_log_likelihood']:.2f} nats, with "
                f"{found['samples']} importance samples."
            )
    return lines


def size(metrics: dict[str, Any]) -> str:
    """Code against image, in bits."""
    of = metrics["compression"]
    switches = (
        f" and {of['switch_bits']:,} bits of pooling switches, which a PCA does not have"
        if of["switch_bits"]
        else ""
    )
    share = f"{of['ratio']:.2f} times the code" if of["ratio"] >= 1 else "less than the code"
    return (
        f"The code: {of['code_floats']} float32 numbers{switches}, {of['code_bits']:,} bits. "
        f"The image: {of['pixels']:,} pixels of 8 bits, {of['image_bits']:,} bits, {share}."
    )


def dimensions(latent: dict[str, Any]) -> str:
    """How much of the code is in use."""
    dead = latent["dead_units"]
    return (
        f"In use: {latent['participation_ratio']:.1f} of {latent['latent']} dimensions by participation "
        "ratio; "
        f"{counted(dead, 'dead unit') if dead else 'no dead units'}."
    )


def probes(latent: dict[str, Any]) -> Table:
    """Test accuracy of each classifier on codes, pixels and PCA codes."""
    return [
        (label, *(f"{100 * latent[part][space]:.2f} %" for space in ("codes", "pixels", "pca")))
        for part, label in (("knn", "5 nearest neighbours"), ("logistic", "logistic regression"))
        if part in latent
    ]


def clusters_header(latent: dict[str, Any]) -> tuple[str, str, str]:
    """The header of `clusters`."""
    return f"k-means, {latent['kmeans']['clusters']} clusters", "mean", "std of 10 seeds"


def clusters(latent: dict[str, Any]) -> Table:
    """Mean and standard deviation of each score of k-means."""
    return [
        (label, f"{latent['kmeans'][name]['mean']:.4f}", f"{latent['kmeans'][name]['std']:.4f}")
        for name, label in (("accuracy", "accuracy, best matching"), ("nmi", "NMI"), ("ari", "ARI"))
        if "kmeans" in latent
    ]


def _named(index: int, name: str | None) -> str:
    return f"{index} ({name})" if name else str(index)
