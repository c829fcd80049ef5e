"""What the numbers of a run mean, in plain sentences, the worst first, with what to try."""

from collections.abc import Mapping, Sequence
from typing import Any

FALLING = 0.02  # part by which the error fell over the last fifth of training: more is worth more epochs
OVERFITTING = 0.1  # part by which the error on unseen images is above its lowest
LINEAR = 0.02  # part of the mean image's error below which a PCA is exact for all purposes
STILL = "Still falling at the end"
GAP = 1.5  # times the training error that the error on unseen images is


def verdict(
    history: Mapping[str, Sequence[float]],
    metrics: Mapping[str, Any],
    collapsed: str | None = None,
    better_recipe: bool = False,
) -> list[str]:
    """Sentences on a finished training, at least one.

    Args:
        history: `loss` and `val_loss`, a value per epoch.
        metrics: `train_mse`, `test_mse`, and where they were measured `mean_image_mse`, `pca_mse`
            and `input_mse`, the errors of the mean image, of a PCA with as many components as the
            code has numbers, and of the images as they went in.
        collapsed: why the codes tell nothing, where they do not differ.
        better_recipe: whether `--recipe best` would train otherwise.
    """
    error = metrics["test_mse"]
    mean_image, pca = metrics.get("mean_image_mse"), metrics.get("pca_mse")
    sentences = []
    trend = _trend(history, error, metrics["train_mse"])
    falling = bool(trend and trend.startswith(STILL))
    if collapsed:
        sentences.append(collapsed.replace("\n", " "))
    first = ["more --epochs", "a lower --learning-rate"]
    if mean_image is not None and error >= 0.98 * mean_image:
        sentences.append(
            f"Worthless: test MSE {error:.5f} is no better than the mean image's {mean_image:.5f}. "
            f"Try {', then '.join(first if falling else reversed(first))}, then another --seed."
        )
    elif pca is not None and mean_image is not None and error > pca and pca < LINEAR * mean_image:
        sentences.append(
            "A PCA with as many numbers reproduces these images almost exactly "
            f"(MSE {pca:.5f}; here {error:.5f}): they hold hardly more, so that no code of this "
            "size can do better. A smaller --latent-dim would show what the network is worth."
        )
    elif pca is not None and error > pca:
        sentences.append(
            f"Worse than a PCA of the same size: test MSE {error:.5f} against {pca:.5f}. "
            f"Try more --epochs, {'then --recipe best, ' if better_recipe else ''}then a larger variant."
        )
    untouched = metrics.get("input_mse")
    if untouched is not None and error > untouched:
        sentences.append(
            f"Worse than doing nothing: test MSE {error:.5f}, while the images as they go in are at "
            f"{untouched:.5f} of their targets. Try a larger --latent-dim, then more --epochs."
        )
    if trend:
        sentences.append(trend)
    if not sentences:
        better = "" if pca is None else f", {pca / error:.1f} times better than a PCA of the same size"
        sentences.append(f"Good: test MSE {error:.5f}{better}.")
    return sentences


def _trend(history: Mapping[str, Sequence[float]], test: float, train: float) -> str | None:
    curve = history["val_loss"]
    if len(curve) < 3:
        return None
    lowest = min(curve)
    if lowest > 0 and curve[-1] > (1 + OVERFITTING) * lowest and test > GAP * train:
        best = curve.index(lowest) + 1
        return (
            f"Over-fitting: the error on unseen images was lowest after epoch {best} and has risen "
            f"by {curve[-1] / lowest - 1:.0%} since. Try fewer --epochs, --dropout, or more images."
        )
    earlier = curve[-1 - max(1, len(curve) // 5)]
    if earlier > 0 and curve[-1] < (1 - FALLING) * earlier:
        last = len(curve) // 5
        epochs = f"{last} epochs" if last > 1 else "epoch"
        return f"{STILL}: by {1 - curve[-1] / earlier:.0%} over the last {epochs}. More --epochs would help."
    return None
