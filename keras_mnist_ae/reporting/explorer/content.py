"""What a page holds of a run, ready for JSON; arrays of numbers are base64, little-endian."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.images import chunk_size, to_float
from ...errors import ValidationError
from ...runs.folder import Run
from ...runs.reopen import is_own
from ...system.progress import phase
from . import sprite
from .base64_text import numbers64, text64
from .calibration import calibration

if TYPE_CHECKING:
    from ...analysis.codec import Codec
    from ...datasets.dataset import Dataset
    from ...export.runtime import OnnxAutoencoder

IMAGES = 2000  # on a page, at most
FITTED = 5_000  # training images whose codes the mixture is fitted to, at most
GOLDEN = 4  # images whose results in Python the page carries
GOLDEN_NUMBERS = 2**16  # in their reconstructions, at most
SCRIPTS = 150_000  # bytes of a page without its content, at most
METHODS = {"tsne": "t-SNE", "umap": "UMAP"}
CENTRED_BY_MASS = ("mnist",)  # data sets whose preparation the page does to drawings

Array = NDArray[Any]


def gather(run: Run, data: "Dataset", graphs: "OnnxAutoencoder", largest: int) -> dict[str, Any]:
    """Everything that the page of a run holds.

    Args:
        largest: bytes of the page. Of the images so many are left out that it keeps to that.
    """
    from ...analysis.codec import of_graphs

    codec, files = of_graphs(graphs), graphs.load()
    info, images, labels = graphs.info, data.test.images, data.test.labels
    page: dict[str, Any] = {
        "run": run.name,
        "variant": run.config.variant,
        "dataset": data.title,
        "image": list(info.image),
        "latent": info.latent_size,
        "preparation": "mnist" if data.name in CENTRED_BY_MASS else "plain",
        "test_images": len(images),
        "classes": list(data.classes) if labels is not None else [],
        "encoder": text64(files["encoder"]),
        "decoder": text64(files["decoder"]),
        "density": density(run, data, codec),
        "calibration": calibration(run, codec, info.metadata["weights_sha256"]),
    }
    room = largest - SCRIPTS - sum(len(str(value)) for value in page.values())
    per_image = info.latent_size * 4 // 3 + 32  # codes, error and number
    packed, shown = sprite.fitting(images, IMAGES, room - GOLDEN_NUMBERS, per_image)
    codes, losses = _encoded(images[shown], codec)
    return {
        **page,
        "sprite": packed,
        "numbers": shown.tolist(),
        "labels": numbers64(labels[shown] if labels is not None else np.empty(0), "<u2"),
        "codes": quantised(codes),
        "errors": numbers64(losses, "<f4"),
        **error_words(run, data, shown, float(losses.mean())),
        "planes": planes(run, codes),
        "golden": golden(to_float(images[shown]), codec),
        "notes": notes(len(shown), len(images)),
    }


def error_words(run: Run, data: "Dataset", shown: Array, error: float) -> dict[str, str]:
    """The test error of the run and of a PCA with a code of the same size, in words."""
    from ...analysis import pca
    from ...analysis.metrics import squared_errors

    metrics, own = run.metrics, is_own(run, data)
    words = f"mean squared error {metrics['test_mse']:.3g} per pixel"
    if not own:
        words += f" on {Path(str(run.environment['dataset'])).name}"
    if own and "pca_mse" in metrics:
        return {"error_words": words, "pca_words": f"{metrics['pca_mse']:.3g} with as many numbers"}
    linear = pca.fit(data.train.images[:FITTED], run.variant.latent)
    pca_error = float(squared_errors(data.test.images[shown], linear.reconstruct).mean())
    here = (
        f"{pca_error:.3g} with as many numbers, on the images of this page, where the model has {error:.3g}"
    )
    return {"error_words": words, "pca_words": here}


def density(run: Run, data: "Dataset", codec: "Codec") -> dict[str, Any]:
    """The density of codes that new images are drawn from: the prior of a variational variant, else
    a mixture of Gaussians, whose covariances are L L' with the lower triangles L in `factors`.
    """
    if run.variant.variational:
        return {"kind": "prior"}
    from ...analysis.generation import fit_gaussians

    codes, _ = _encoded(data.train.images[:FITTED], codec)
    try:
        with phase("fitting a density"):
            mixture = fit_gaussians(codes)
    except ValidationError:  # all codes are the same
        return {"kind": "none"}
    rows, columns = np.tril_indices(codes.shape[1])
    factors = np.linalg.cholesky(mixture.covariances_)[:, rows, columns]
    return {
        "kind": "mixture",
        "fitted": len(codes),
        "weights": numbers64(mixture.weights_, "<f4"),
        "means": numbers64(mixture.means_, "<f4"),
        "factors": numbers64(factors, "<f2"),
    }


def planes(run: Run, codes: Array) -> list[dict[str, str]]:
    """The codes on the maps that the run was drawn on beside PCA, which the page makes itself."""
    from ...analysis.projection import plane

    result = []
    for method, name in METHODS.items():
        if run.figure(f"map-{method}").is_file() and len(codes) > 2:
            with phase(f"map: {name}"):
                points = plane(codes, codes, method)
            result.append({"name": name, "points": numbers64(points, "<f4")})
    return result


def golden(images: Array, codec: "Codec") -> dict[str, Any]:
    """Codes and reconstructions of some images in onnxruntime, for the page to compare its own
    with.
    """
    count = int(np.clip(GOLDEN_NUMBERS // images[0].size, 1, min(GOLDEN, len(images))))
    at = np.linspace(0, len(images) - 1, count).astype(int)
    codes = codec.encode(images[at])
    return {
        "indices": at.tolist(),
        "codes": numbers64(codes[0], "<f4"),
        "reconstructions": numbers64(codec.decode(codes), "<f4"),
    }


def quantised(codes: Array) -> dict[str, str]:
    """Codes of shape (n, d) in 256 steps over the range of each dimension."""
    low, high = codes.min(axis=0), codes.max(axis=0)
    steps = np.rint((codes - low) / np.where(high > low, high - low, 1) * 255).astype(np.uint8)
    return {"steps": text64(steps.tobytes()), "low": numbers64(low, "<f4"), "high": numbers64(high, "<f4")}


def notes(shown: int, there: int) -> list[str]:
    """What was left out."""
    if shown < min(IMAGES, there):
        return [f"{shown:,} of {there:,} test images are on the page: more would make it larger than 8 MB"]
    return []


def _encoded(images: Array, codec: "Codec") -> tuple[Array, Array]:
    """Codes (n, d) and mean squared errors (n,) of uint8 images."""
    codes, losses, size = [], [], chunk_size(images)
    with phase("encoding", len(images)) as advance:
        for start in range(0, len(images), size):
            chunk = to_float(images[start : start + size])
            outputs = codec.encode(chunk)
            codes.append(outputs[0])
            losses.append(np.square(codec.decode(outputs) - chunk).reshape(len(chunk), -1).mean(axis=1))
            advance(len(chunk))
    return np.concatenate(codes), np.concatenate(losses)
