"""The numbers of a run as text and table cells."""

from typing import Any

MEASURES = (  # label, name, format, what it is
    ("MSE", "mse", "{:.5f}", "mean over the images"),
    ("RMSE", "rmse", "{:.5f}", "root of that mean"),
    ("MAE", "mae", "{:.5f}", "mean over the images"),
    ("PSNR", "psnr", "{:.2f} dB", "mean over the images"),
    ("PSNR", "psnr_of_mean_mse", "{:.2f} dB", "of the mean MSE"),
    ("SSIM", "ssim", "{:.4f}", "mean over the images"),
)
Table = list[tuple[str, ...]]


def cards(metrics: dict[str, Any]) -> Table:
    """The figures that come first: label, value, what stands below it."""
    below = {
        name: " to ".join(form.format(edge) for edge in metrics["intervals"][name])
        for _, name, form, _ in MEASURES
    }
    return [
        ("test MSE", f"{metrics['mse']:.5f}", below["mse"]),
        ("PCA of the same size", f"{metrics['pca_mse']:.5f}", "MSE"),
        ("PSNR", f"{metrics['psnr']:.2f} dB", below["psnr"]),
        ("SSIM", f"{metrics['ssim']:.4f}", below["ssim"]),
        (
            "code",
            f"{metrics['compression']['code_floats']} numbers",
            f"{metrics['compression']['code_bits']:,} bits",
        ),
    ]


def numbers(metrics: dict[str, Any]) -> Table:
    """Every figure: label, value, interval, what it is."""
    return [
        (
            label,
            form.format(metrics[name]),
            " - ".join(form.format(edge).removesuffix(" dB") for edge in metrics["intervals"][name]),
            what,
        )
        for label, name, form, what in MEASURES
    ]


def classes(metrics: dict[str, Any]) -> Table:
    """Class, images, MSE, MAE, PSNR, SSIM."""
    return [
        (
            name,
            f"{of['n']:,}",
            f"{of['mse']:.5f}",
            f"{of['mae']:.5f}",
            f"{of['psnr']:.2f}",
            f"{of['ssim']:.4f}",
        )
        for name, of in metrics["per_class"].items()
    ]


def worst(metrics: dict[str, Any]) -> str:
    """The images with the largest errors."""
    found = metrics["worst"]
    images = ", ".join(
        f"{image['index']}" + (f" ({image['class']})" if image["class"] else "") for image in found
    )
    return f"Largest errors: images {images}; MSE {found[0]['mse']:.4f} to {found[-1]['mse']:.4f}."


def beside(metrics: dict[str, Any]) -> str:
    """What needs no training, on the same data."""
    components = metrics["pca_components"]
    pca, mean = metrics["pca_mse"], metrics["mean_image_mse"]
    return (
        f"Beside it: a PCA with {components} components has an MSE of {pca:.5f}, the mean image {mean:.5f}."
    )


def more(metrics: dict[str, Any]) -> list[str]:
    """What only some runs have: the error on noisy images, the evidence lower bound."""
    lines = []
    if noise := metrics.get("noise"):
        lines.append(
            f"With noise ({noise['kind']}) on what goes in: MSE {noise['mse']:.5f} against the images without it."
        )
    if found := metrics.get("evidence"):
        lines.append(
            f"-ELBO ({found['likelihood']}): {found['negative_elbo']:.2f} nats per image, "
            f"{found['reconstruction']:.2f} of reconstruction and {found['kl']:.2f} of divergence."
        )
        if "samples" in found:
            lines.append(
                f"-log likelihood: at most {found['negative_log_likelihood']:.2f} nats, with {found['samples']} importance samples."
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
        f"In use: {latent['participation_ratio']:.1f} of {latent['latent']} dimensions by participation ratio; "
        f"{dead or 'no'} dead {'unit' if dead == 1 else 'units'}."
    )


def probes(latent: dict[str, Any]) -> Table:
    """Test accuracy of each classifier on codes, pixels and PCA codes."""
    return [
        (label, *(f"{100 * latent[part][space]:.2f} %" for space in ("codes", "pixels", "pca")))
        for part, label in (("knn", "5 nearest neighbours"), ("logistic", "logistic regression"))
        if part in latent
    ]


def clusters(latent: dict[str, Any]) -> Table:
    """Mean and standard deviation of each score of k-means."""
    return [
        (label, f"{latent['kmeans'][name]['mean']:.4f}", f"{latent['kmeans'][name]['std']:.4f}")
        for name, label in (("accuracy", "accuracy, best matching"), ("nmi", "NMI"), ("ari", "ARI"))
        if "kmeans" in latent
    ]
