"""The tables of the README and of the first page."""

import math

from .records import runs, table


def variants() -> str:
    """The variants on MNIST, each row from the run of its name."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    rows = []
    for variant in (variant for variant in VARIANTS.values() if variant.name in runs()):
        metrics = runs()[variant.name]["metrics"]
        bits = sum(2 * math.prod(shape) for shape in variant.switches.values())
        errors = [f"{metrics[key]:.5f}" for key in ("train_mse", "test_mse", "pca_mse")]
        latent = f"{variant.latent}" + (f" + {bits:,} bits" if bits else "")
        rows.append([variant.name, latent, f"{variant.parameters:,}", *errors, f"`kae train {variant.name}`"])
    return table(
        [
            "variant",
            "latent >",
            "parameters >",
            "train MSE >",
            "test MSE >",
            "PCA, as many components >",
            "command",
        ],
        rows,
    )
