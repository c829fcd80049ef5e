"""Protocols under which errors of autoencoders on MNIST compare, with published figures beside
them: one table. Test images are measured, never chosen by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Published:
    """A figure of others, and where it stands; `comparable` unless it is measured otherwise."""

    value: float
    source: str
    comparable: bool = True


@dataclass(frozen=True, eq=False)
class Row:
    """One number of a record: the training it needs, what is measured, and what others came to.

    `measure` and `untrained` are keys of `measures.MEASURES`; `settings` those of `kae train`.
    """

    label: str
    settings: Mapping[str, Any]
    measure: str
    untrained: str | None = None
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Record:
    """Rows under one protocol; `less` says whether the least number is the best."""

    name: str
    protocol: str
    less: bool
    rows: tuple[Row, ...] = field(default=())


def _best(latent: int, **settings: Any) -> dict[str, Any]:
    return {"variant": "conv-best", "dataset": "mnist", "latent_dim": latent, "recipe": "best", **settings}


SAINBURG = "Sainburg et al. 2021, notebook of Parametric UMAP; 50,000 training images"
REPOSITORY = "best of the public repositories that could be read; one seed"
LIKELIHOOD = {"variant": "vae-conv", "dataset": "mnist", "recipe": "best", "binarize": "dynamic"}

RECORDS = {
    record.name: record
    for record in (
        Record(
            "reconstruction",
            "Mean squared error per pixel in [0, 1] of the 10,000 test images from a code of d numbers, "
            "trained on the 60,000 training images.",
            True,
            tuple(
                Row(f"d = {latent}", _best(latent), "test_mse", "pca_mse", published)
                for latent, published in {
                    2: (Published(0.0360, SAINBURG),),
                    8: (),
                    10: (),
                    16: (Published(0.0080, REPOSITORY),),
                    32: (Published(0.0051, REPOSITORY),),
                    64: (Published(0.0016, SAINBURG),),
                }.items()
            ),
        ),
        Record(
            "likelihood",
            "Nats per test image of binarised MNIST (each pixel drawn once from its grey), drawn anew at "
            "each training step; the bound is importance-weighted, of 1,000 samples.",
            True,
            (
                Row(
                    "-ELBO",
                    LIKELIHOOD,
                    "negative_elbo",
                    None,
                    (Published(86.5, "convolutional VAE"), Published(89.8, "pythae, VAE")),
                ),
                Row(
                    "bound",
                    LIKELIHOOD,
                    "negative_log_likelihood",
                    None,
                    (Published(81.0, "convolutional VAE"), Published(86.8, "pythae, IWAE")),
                ),
            ),
        ),
        Record(
            "clustering",
            "Accuracy of ten clusters of the codes of the test images, under the best matching of clusters "
            "and digits; the mean of ten starts, fitted on training codes. No labels in training. Published "
            "ones are of the images that were fitted.",
            False,
            (
                Row(
                    "k-means, d = 10",
                    _best(10),
                    "kmeans",
                    "kmeans_pixels",
                    (Published(0.879, "DEC-keras, autoencoder and k-means"),),
                ),
                Row(
                    "Gaussian mixture, d = 10",
                    _best(10),
                    "mixture",
                    "mixture_pca",
                    (Published(0.9575, "DEKM, which trains on with the clusters"),),
                ),
                Row(
                    "UMAP and mixture, d = 10",
                    _best(10),
                    "umap",
                    "umap_pixels",
                    (
                        Published(0.979, "N2D, McConville et al. 2020"),
                        Published(0.985, "DEC-DA, which trains on with the clusters and shifted images"),
                    ),
                ),
            ),
        ),
        Record(
            "probe",
            "Test accuracy of a classifier on frozen codes of 64 numbers, fitted on the 60,000 training "
            "codes. No labels in training.",
            False,
            (
                Row(
                    "five neighbours",
                    _best(64),
                    "knn",
                    "knn_pixels",
                    (Published(0.9791, "VAE of 64 numbers"),),
                ),
                Row("linear", _best(64), "linear", "linear_pixels", (Published(0.960, "VAE of 64 numbers"),)),
            ),
        ),
        Record(
            "few-labels",
            "Test accuracy of a logistic regression on frozen codes of 64 numbers, fitted on ten labelled "
            "images a digit; the mean of ten draws.",
            False,
            (Row("ten a digit, d = 64", _best(64), "few_labels", "few_labels_pca"),),
        ),
        Record(
            "generation",
            "Fréchet distance of 10,000 images, drawn from a mixture of 20 Gaussians fitted on training "
            "codes, from the 10,000 test images, on features of a classifier of a fixed recipe; the "
            "untrained column is that of 10,000 training images.",
            True,
            (
                Row(
                    "FID, d = 16",
                    _best(16),
                    "fid",
                    "fid_floor",
                    (
                        Published(8.69, "RAE-L2, Ghosh et al. 2020; Inception's features", False),
                        Published(9.6, "autoencoder and mixture; Inception's features", False),
                    ),
                ),
            ),
        ),
        Record(
            "coverage",
            "Precision and recall (Kynkäänniemi et al. 2019) of the same images on the same features.",
            False,
            (
                Row("precision, d = 16", _best(16), "precision", "precision_floor"),
                Row("recall, d = 16", _best(16), "recall", "recall_floor"),
            ),
        ),
    )
}
